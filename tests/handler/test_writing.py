"""Documents as they are laid out, from a few rows in memory to many in a file."""

import json
import tracemalloc

import jsonschema
import msgspec
import numpy as np
import pytest

from handler.objects import Layout, ObjectRef, StoredObject
from handler.predictions import PredictionDocument, RejectedImage, predict
from handler.writing import IN_MEMORY_BYTES, DocumentWriter
from infra.schemas import DIRECTORY

SOURCE = StoredObject(ObjectRef("in", "uploads/rack 1.npy"), etag="e1", version_id=None, size_bytes=12)
PROBABILITIES = np.array([[0.9, 0.1], [0.3, 0.7]], np.float32)
BROKEN = RejectedImage("broken.png", "UnreadableImage", "It is\ntruncated. \u2028")
JSON, LINES, AUTO = Layout("application/json", None), Layout("application/jsonl", -1), Layout("application/jsonl", 3)


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
    first, second = predict(["a", "b"], PROBABILITIES, manifest)
    return first, BROKEN, second


def test_a_document_holds_what_was_scored_by_what_and_how(write, rows, manifest):
    document = json.loads(write(JSON, *rows))

    assert document == {
        "schema": "coatcheck.predictions/1",
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


def test_a_document_is_what_its_type_would_be_encoded_as(write, rows):
    content = write(JSON, *rows)

    assert msgspec.json.encode(msgspec.json.decode(content, type=PredictionDocument)) == content


def test_lines_hold_the_same_rows_in_the_object_s_order(write, rows):
    lines = [json.loads(line) for line in write(LINES, *rows).split(b"\n")[:-1]]

    whole = json.loads(write(JSON, *rows))
    assert lines == [
        {"schema": "coatcheck.prediction-lines/1", "input": whole["input"], "model": whole["model"]},
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


def test_many_rows_wait_in_a_file_and_not_in_memory(manifest, rows):
    writer = DocumentWriter(SOURCE, "npy", manifest, LINES)
    tracemalloc.start()
    for _ in range(30_000):
        writer.add(rows[0])
    content = writer.finish()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    length = len(content.read())
    writer.close()
    assert length > 3 * IN_MEMORY_BYTES
    assert peak_bytes < 2.5 * IN_MEMORY_BYTES


def test_a_schema_refuses_a_document_with_something_missing(write, rows):
    document = json.loads(write(JSON, *rows))
    del document["model"]["sha256"]

    with pytest.raises(jsonschema.ValidationError, match="sha256"):
        is_valid(document, "predictions.json")
