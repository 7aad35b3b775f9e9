"""Whatever a key is, its document lies in its place under the output, in every store, and nothing is written elsewhere."""

import io

import pytest

from handler.deadline import Deadline
from handler.documents import Document, Documents
from handler.layout import Layout, LayoutName
from handler.maker import Maker
from handler.objects import ObjectRef, Prefix
from handler.outcomes import Outcome
from handler.store import StoredObject
from tests.infra.stores.conftest import BUCKET

LAYOUT = Layout(LayoutName.JSON, 1)
HOSTILE = [
    "../x",
    "../../../../x",
    "uploads/../../x",
    "/etc/passwd",
    "//a",
    "a//b",
    "/",
    "..",
    "./.",
    "a\nb",
    "a\r\x1b[2Jb",
    "\u202egnp.exe",
    "\ufeff\u2028\x85\x7f",
    "_coatcheck",
    ".coatcheck/metadata/61",
    "C:\\x",
    "k" * (1024 - len("out/.json")),
]


@pytest.mark.parametrize("kind", ["s3", "obstore", "files", "memory"])
def test_documents_of_hostile_keys_lie_in_their_places_and_nothing_lies_elsewhere(kind, request, tmp_path):
    bucket = request.getfixturevalue(f"{kind}_bucket")
    documents = Documents(bucket.store, Prefix(BUCKET, "out/"), LAYOUT, Maker("m", "m"))

    for key in HOSTILE:
        source = StoredObject(ObjectRef("in", key), "e", None, 1)
        document = Document(source, io.BytesIO(key.encode()), "f" * 64, "m", "predictions", Outcome.SCORED)
        assert documents.publish(document, Deadline.after(60)) is Outcome.SCORED

    there = bucket.keys()
    assert {key: bucket.read(key) for key in there} == {f"out/{key}.json": key.encode() for key in HOSTILE}
    assert bucket.keys("out/") == there
    if kind == "files":
        folder = bucket.store.folders[BUCKET]
        assert list(tmp_path.iterdir()) == [folder]
        assert {path.name for path in folder.iterdir()} == {"out", ".coatcheck"}
