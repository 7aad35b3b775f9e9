"""Documents as they are laid out, from a few rows in memory to many in a file."""

import io
import json
import tracemalloc

import jsonschema
import msgspec
import numpy as np
import pytest

from handler.contract import Scores
from handler.layout import Layout, LayoutName
from handler.objects import ObjectRef
from handler.predictions import ListDocument, NamedObject, PredictionDocument, RejectedImage, predict
from handler.spool import IN_MEMORY_BYTES
from handler.store import StoredObject
from handler.writing import DocumentWriter
from infra.schemas import DIRECTORY

SOURCE = StoredObject(ObjectRef("in", "uploads/rack 1.npy"), etag="e1", version_id=None, size_bytes=12)
PROBABILITIES = np.array([[0.9, 0.1], [0.3, 0.7]], np.float32)
BROKEN = RejectedImage("broken.png", "UnreadableImage", "It is\ntruncated. \u2028")
JSON, LINES, AUTO = (Layout(name, max_json_rows=3) for name in LayoutName)


def is_valid(document, schema):
    jsonschema.validate(document, json.loads((DIRECTORY / schema).read_text()))
    return True


@pytest.fixture
def write(manifest):
    def write(layout, *rows):
        writer = DocumentWriter(SOURCE, "npy", manifest, layout)
        for row in rows:
            writer.add(row)
        content = writer.finish().read()
        writer.close()
        return content

    return write


@pytest.fixture
def rows(manifest):
    first, second = predict(["a", "b"], Scores(PROBABILITIES), manifest)
    return first, BROKEN, second


def test_a_document_holds_what_was_scored_by_what_and_how(write, rows, manifest):
    document = json.loads(write(JSON, *rows))

    assert document == {
        "schema": "coatcheck.predictions/2",
        "input": {
            "bucket": "in",
            "key": "uploads/rack 1.npy",
            "etag": "e1",
            "version_id": None,
            "size_bytes": 12,
            "format": "npy",
        },
        "model": {"name": "lightness", "version": "2.1.0", "sha256": manifest.model.sha256},
        "summary": {"images": 2, "rejected": 1, "mean_confidence": 0.8, "by_class": {"dark": 1, "light": 1}},
        "predictions": [
            {
                "image": "a",
                "class_index": 0,
                "class_name": "dark",
                "confidence": 0.9,
                "unsure": False,
                "probabilities": [0.9, 0.1],
            },
            {
                "image": "b",
                "class_index": 1,
                "class_name": "light",
                "confidence": 0.7,
                "unsure": True,
                "probabilities": [0.3, 0.7],
            },
        ],
        "rejected": [{"image": "broken.png", "error": "UnreadableImage", "message": "It is\ntruncated. \u2028"}],
    }
    assert is_valid(document, "predictions.json")


def test_marks_are_counted(manifest):
    knowing = msgspec.structs.replace(manifest, unfamiliar_below=0.0)
    writer = DocumentWriter(SOURCE, "npy", knowing, JSON)

    for row in predict(["a", "b"], Scores(PROBABILITIES, np.array([-1.0, 1.0], np.float32)), knowing):
        writer.add(row)

    assert (writer.images, writer.unsure, writer.unfamiliar) == (2, 1, 1)
    writer.close()


def test_a_document_is_what_its_type_would_be_encoded_as(write, rows):
    content = write(JSON, *rows)

    assert msgspec.json.encode(msgspec.json.decode(content, type=PredictionDocument)) == content


def test_lines_hold_the_same_rows_in_the_object_s_order(write, rows):
    lines = [json.loads(line) for line in write(LINES, *rows).split(b"\n")[:-1]]

    whole = json.loads(write(JSON, *rows))
    assert lines == [
        {"schema": "coatcheck.prediction-lines/2", "input": whole["input"], "model": whole["model"]},
        whole["predictions"][0],
        whole["rejected"][0],
        whole["predictions"][1],
        {"summary": whole["summary"]},
    ]
    assert all(is_valid(line, "prediction-lines.json") for line in lines)


def test_up_to_the_stated_number_of_rows_auto_is_the_one_value_which_is_a_line_too(write, rows):
    assert write(AUTO, *rows) == write(JSON, *rows)
    assert b"\n" not in write(AUTO, *rows)


def test_above_it_auto_is_lines(write, rows):
    assert write(AUTO, *rows, rows[0]) == write(LINES, *rows, rows[0])


def test_no_rows_and_rejected_rows_only_have_no_mean_confidence(write):
    for rows, rejected in ([], 0), ([BROKEN], 1):
        summary = json.loads(write(JSON, *rows))["summary"]

        assert (summary["images"], summary["rejected"], summary["mean_confidence"]) == (0, rejected, None)


@pytest.mark.parametrize("layout", [JSON, LINES, AUTO, Layout(LayoutName.AUTO, max_json_rows=10**6)], ids=str)
@pytest.mark.parametrize("count", [15_000, 30_000])
def test_memory_does_not_depend_on_the_number_of_rows_in_any_layout(manifest, rows, layout, count):
    """The document is read in blocks, AUTO keeps a number for each rejected row that may be part of one value."""
    writer = DocumentWriter(SOURCE, "npy", manifest, layout)
    tracemalloc.start()
    for number in range(count):
        writer.add(rows[1] if number % 10 == 0 else rows[0])
    content, length = writer.finish(), 0
    while block := content.read(2**16):
        length += len(block)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    writer.close()
    assert length > count * 80
    assert peak_bytes < 3.5 * IN_MEMORY_BYTES


@pytest.mark.parametrize("layout", [JSON, LINES, AUTO], ids=str)
def test_a_document_can_be_read_again_from_anywhere(manifest, rows, layout):
    """As a client does that measures it, reads it, and is made to try again."""
    writer = DocumentWriter(SOURCE, "npy", manifest, layout)
    for row in rows:
        writer.add(row)
    content = writer.finish()
    whole = content.read()

    assert content.seek(0, 2) == content.tell() == len(whole)
    for position in range(0, len(whole) + 2, 7):
        content.seek(position)
        parts = iter(lambda: content.read(5), b"")
        assert b"".join(parts) == whole[position:]
    writer.close()


@pytest.mark.parametrize("layout", [JSON, LINES, AUTO], ids=str)
def test_a_list_s_document_is_one_value_in_every_layout(manifest, layout):
    writer = DocumentWriter(SOURCE, "list", manifest, layout)
    for number in range(5):
        writer.add(RejectedImage(f"line {number}", "UnreadableList", "It names nothing."))
    objects = [NamedObject(f"s3://in/{number}", f"s3://out/{number}.json") for number in range(2)]
    content = writer.finish_list(objects, [BROKEN]).read()
    writer.close()

    document = msgspec.json.decode(content, type=ListDocument)
    assert msgspec.json.encode(document) == content
    assert document.objects == objects
    assert [row.image for row in document.rejected] == [*(f"line {number}" for number in range(5)), "broken.png"]
    assert (document.summary.objects, document.summary.rejected) == (2, 6)
    assert is_valid(json.loads(content), "list.json")


def test_a_schema_refuses_a_document_with_something_missing(write, rows):
    document = json.loads(write(JSON, *rows))
    del document["model"]["sha256"]

    with pytest.raises(jsonschema.ValidationError, match="sha256"):
        is_valid(document, "predictions.json")


def test_no_name_ends_a_line_for_whoever_reads_lines_by_their_line_feeds(write):
    r"""Documents hold names exactly, and so U+2028 and U+0085, at which nothing but `str.splitlines` ends a line."""
    names = [chr(code) for code in range(0x3000) if not chr(code).isprintable()]

    content = write(LINES, *(RejectedImage(f"a{name}b", "UnreadableImage", name) for name in names))

    lines = list(io.TextIOWrapper(io.BytesIO(content), "utf-8"))  # as `open` reads files
    assert lines == [f"{line.decode()}\n" for line in content.removesuffix(b"\n").split(b"\n")]
    assert [json.loads(line)["image"] for line in lines[1:-1]] == [f"a{name}b" for name in names]
