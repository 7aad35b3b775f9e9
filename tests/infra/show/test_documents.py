"""Documents, read back: rows of every layout and schema, wherever they lie, and what is no document."""

import json
from contextlib import closing

import pytest

from handler.contract import parse_manifest
from handler.errors import UnreadableImage
from handler.layout import Layout, LayoutName
from handler.model import BUNDLED_ARTIFACT
from handler.objects import ObjectRef, Prefix
from handler.predictions import Prediction, RejectedImage, render_rejection
from handler.store import StoredObject
from handler.writing import DocumentWriter
from infra.show.documents import BrokenDocument, Document, read_documents
from infra.stores.memory import MemoryStore

MANIFEST = parse_manifest((BUNDLED_ARTIFACT / "manifest.json").read_bytes())
SOURCE = StoredObject(ObjectRef("photos", "rack/all.zip"), "e0", None, 7)
COAT = Prediction(image="a.png", class_index=4, class_name="Coat", confidence=0.9, unsure=False, probabilities=[0.1] * 10)
BROKEN = RejectedImage("b.png", "UnreadableImage", "Expected a whole one.")


def written(layout, *results):
    writer = DocumentWriter(SOURCE, "zip", MANIFEST, Layout(layout, 10))
    with closing(writer):
        for result in results:
            writer.add(result)
        return writer.finish().read()


def results(content):
    return [row.result for row in Document("here", content).rows()]


@pytest.mark.parametrize("layout", LayoutName)
def test_each_image_is_a_row_in_every_layout(layout):
    rows = list(Document("here", written(layout, COAT, BROKEN)).rows())

    assert [row.result for row in rows] == [COAT, BROKEN]
    assert {(row.object, row.input.etag, row.model.name) for row in rows} == {("photos/rack/all.zip", "e0", "fashion-mnist")}


def test_a_rejected_object_is_one_row():
    content = render_rejection(SOURCE, None, MANIFEST, UnreadableImage("Expected a whole one."))

    assert results(content) == [RejectedImage("all.zip", "UnreadableImage", "Expected a whole one.")]


def test_documents_of_the_first_schema_are_read():
    assert results(written(LayoutName.JSON, COAT).replace(b"predictions/2", b"predictions/1")) == [COAT]


def test_a_document_that_somebody_formatted_or_sorted_is_read():
    value = json.loads(written(LayoutName.JSON, COAT))

    assert results(json.dumps(value, indent=2).encode()) == [COAT]
    assert results(json.dumps(value, sort_keys=True).encode()) == [COAT]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"schema": "other/1"}', b'{"schema": "coatcheck.list/2"}']
)
def test_what_is_no_document_of_images_has_no_rows(content):
    assert results(content) == []


@pytest.mark.parametrize("layout", LayoutName)
def test_a_document_that_is_cut_short_is_broken_wherever_it_was_cut(layout):
    content = written(layout, COAT, BROKEN)

    for end in range(50, len(content) - 1):
        with pytest.raises(BrokenDocument, match="here"):
            results(content[:end])


def test_a_document_that_is_nested_too_deeply_is_broken_and_other_json_that_is_so_has_no_rows():
    deep = b"[" * 200_000

    with pytest.raises(BrokenDocument, match="here"):
        results(b'{"schema":"coatcheck.predictions/2","other":' + deep)
    assert results(b'{"other":' + deep) == []


@pytest.fixture
def folder(tmp_path):
    for key in ("b.png.json", "a/c.zip.jsonl", "a.txt", "_coatcheck/maker.json", ".hidden.json"):
        (tmp_path / key).parent.mkdir(exist_ok=True)
        (tmp_path / key).write_bytes(key.encode())
    return tmp_path


def test_the_documents_of_a_folder_come_in_the_order_of_their_keys(folder):
    found = list(read_documents(folder, store=None))

    assert found == [Document(str(folder / key), key.encode()) for key in (".hidden.json", "a/c.zip.jsonl", "b.png.json")]


def test_the_documents_under_a_prefix_come_in_the_order_of_their_keys():
    store = MemoryStore()
    keys = [f"out/{number:03}.json" for number in range(100)]
    for key in [*keys, "out/_coatcheck/maker.json", "out/x.txt", "other/y.json"]:
        store.place(ObjectRef("bucket", key), key.encode())

    found = list(read_documents(Prefix("bucket", "out/"), lambda: store))

    assert found == [Document(f"s3://bucket/{key}", key.encode()) for key in keys]
