import json

import jsonschema
import numpy as np
import pytest

from handler.errors import WrongShape
from handler.objects import ObjectRef, StoredObject
from handler.predictions import RejectedImage, predict, render_json, render_lines, render_rejection, summarise
from infra.schemas import DIRECTORY

SOURCE = StoredObject(ObjectRef("in", "uploads/rack 1.npy"), etag="e1", version_id=None, size_bytes=12)
PROBABILITIES = np.array([[0.9, 0.1], [0.3, 0.7]], np.float32)
BROKEN = RejectedImage("broken.png", "UnreadableImage", "It is truncated.")


def is_valid(document, schema):
    jsonschema.validate(document, json.loads((DIRECTORY / schema).read_text()))
    return True


def test_a_document_holds_what_was_scored_by_what_and_how(manifest):
    rows = [*predict(["a", "b"], PROBABILITIES, manifest), BROKEN]

    document = json.loads(render_json(SOURCE, manifest, rows))

    assert document == {
        "schema": "coatcheck.predictions/1",
        "input": {"bucket": "in", "key": "uploads/rack 1.npy", "etag": "e1", "version_id": None, "size_bytes": 12},
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
        "rejected": [{"image": "broken.png", "error": "UnreadableImage", "message": "It is truncated."}],
    }
    assert is_valid(document, "predictions.json")


def test_a_model_without_a_threshold_marks_nothing(manifest):
    import msgspec

    (prediction, _) = predict(["a", "b"], PROBABILITIES, msgspec.structs.replace(manifest, unsure_below=None))

    assert b"unsure" not in msgspec.json.encode(prediction)


def test_confidence_at_the_threshold_is_sure(manifest):
    (prediction,) = predict(["a"], np.array([[0.75, 0.25]], np.float32), manifest)

    assert prediction.unsure is False


def test_lines_hold_the_same_rows_in_the_object_s_order(manifest):
    first, second = predict(["a", "b"], PROBABILITIES, manifest)

    lines = [json.loads(line) for line in render_lines(SOURCE, manifest, [first, BROKEN, second]).splitlines()]

    whole = json.loads(render_json(SOURCE, manifest, [first, BROKEN, second]))
    assert lines == [
        {"schema": "coatcheck.prediction-lines/1", "input": whole["input"], "model": whole["model"]},
        whole["predictions"][0],
        whole["rejected"][0],
        whole["predictions"][1],
        {"summary": whole["summary"]},
    ]
    assert all(is_valid(line, "prediction-lines.json") for line in lines)


def test_a_rejection_names_the_error_and_what_to_do(manifest):
    document = json.loads(render_rejection(SOURCE, manifest, WrongShape("Expected (n, 2, 3). Received: (4, 4).")))

    assert document["schema"] == "coatcheck.rejection/1"
    assert document["error"] == {"name": "WrongShape", "message": "Expected (n, 2, 3). Received: (4, 4)."}
    assert is_valid(document, "rejection.json")


def test_an_object_of_rejected_images_only_has_no_mean_confidence(manifest):
    summary = summarise([BROKEN], manifest.classes)

    assert (summary.images, summary.rejected, summary.mean_confidence) == (0, 1, None)


def test_a_schema_refuses_a_document_with_something_missing(manifest):
    document = json.loads(render_json(SOURCE, manifest, predict(["a", "b"], PROBABILITIES, manifest)))
    del document["model"]["sha256"]

    with pytest.raises(jsonschema.ValidationError, match="sha256"):
        is_valid(document, "predictions.json")
