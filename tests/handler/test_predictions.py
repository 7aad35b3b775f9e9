import json

import jsonschema
import msgspec
import numpy as np
import pytest

from handler.contract import Scores
from handler.errors import BadArtifact, WrongShape
from handler.objects import ObjectRef
from handler.predictions import predict, render_rejection
from handler.store import StoredObject
from infra.schemas import DIRECTORY

SOURCE = StoredObject(ObjectRef("in", "uploads/rack 1.npy"), etag="e1", version_id=None, size_bytes=12)
PROBABILITIES = np.array([[0.9, 0.1], [0.3, 0.7]], np.float32)


def is_valid(document, schema):
    jsonschema.validate(document, json.loads((DIRECTORY / schema).read_text()))
    return True


def test_a_model_without_a_threshold_marks_nothing(manifest):
    (prediction, _) = predict(["a", "b"], Scores(PROBABILITIES), msgspec.structs.replace(manifest, unsure_below=None))

    assert b"unsure" not in msgspec.json.encode(prediction)


def test_confidence_at_the_threshold_is_sure(manifest):
    (prediction,) = predict(["a"], Scores(np.array([[0.75, 0.25]], np.float32)), manifest)

    assert prediction.unsure is False


def test_a_rejection_names_the_error_and_what_to_do(manifest):
    document = json.loads(render_rejection(SOURCE, None, manifest, WrongShape("Expected (n, 2, 3). Received: (4, 4).")))

    assert document["schema"] == "coatcheck.rejection/2"
    assert document["error"] == {"name": "WrongShape", "message": "Expected (n, 2, 3). Received: (4, 4)."}
    assert is_valid(document, "rejection.json")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_probability_that_json_has_no_number_for_is_the_model_s_fault(manifest, value):
    with pytest.raises(BadArtifact, match="finite"):
        predict(["a"], Scores(np.array([[0.5, value]], np.float32)), manifest)


def test_a_class_may_have_a_threshold_of_its_own(manifest):
    own = msgspec.structs.replace(manifest, unsure_below=(0.2, 0.95))

    assert [row.unsure for row in predict(["a", "b"], Scores(PROBABILITIES), own)] == [False, True]


def test_an_image_below_the_threshold_of_familiarity_is_unfamiliar(manifest):
    knowing = msgspec.structs.replace(manifest, unfamiliar_below=-2.5)
    scores = Scores(PROBABILITIES, np.array([-3.0, -2.0], np.float32))

    assert [row.unfamiliar for row in predict(["a", "b"], scores, knowing)] == [True, False]
    assert b"unfamiliar" not in msgspec.json.encode(predict(["a", "b"], Scores(PROBABILITIES), knowing))
    assert b"unfamiliar" not in msgspec.json.encode(predict(["a", "b"], scores, manifest))


def test_a_class_whose_predictions_are_never_sure_has_no_threshold(manifest):
    own = msgspec.structs.replace(manifest, unsure_below=(0.2, None))
    certain = Scores(np.array([[1.0, 0.0], [0.0, 1.0]], np.float32))

    assert [row.unsure for row in predict(["a", "b"], certain, own)] == [False, True]


def test_a_familiarity_that_is_no_number_is_the_model_s_fault(manifest):
    knowing = msgspec.structs.replace(manifest, unfamiliar_below=-2.5)

    with pytest.raises(BadArtifact, match="Expected a familiarity of each image"):
        predict(["a", "b"], Scores(PROBABILITIES, np.array([0.0, np.nan], np.float32)), knowing)
