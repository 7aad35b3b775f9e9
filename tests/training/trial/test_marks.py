"""Marks come out of the documents that the function writes, in the order of the pictures."""

import numpy as np
import PIL.Image
import pytest

from handler.model import BUNDLED_ARTIFACT
from training.artifact import load_artifact, score
from training.errors import TrainingError
from training.trial.marks import as_file, pack, score_packed


def test_marks_are_those_of_the_model_in_the_order_of_the_pictures(sample_pixels, tmp_path):
    images = sample_pixels[::7]
    pack([as_file(PIL.Image.fromarray(image[..., 0])) for image in images], tmp_path / "pictures" / "far" / "a kind.zip")

    found = score_packed(tmp_path / "pictures", BUNDLED_ARTIFACT, tmp_path)

    model = load_artifact(BUNDLED_ARTIFACT)
    probabilities = score(model, images).probabilities
    thresholds = np.array(model.manifest.unsure_thresholds)[probabilities.argmax(axis=1)]
    (marked,) = found.values()
    assert list(found) == ["far/a kind"]
    assert marked.classes.tolist() == probabilities.argmax(axis=1).tolist()
    assert marked.confidence == pytest.approx(probabilities.max(axis=1), abs=1e-4)
    assert marked.is_unsure.tolist() == (probabilities.max(axis=1) < thresholds).tolist()


def test_a_picture_that_is_rejected_ends_the_trial(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "kind.zip").write_bytes(b"no archive")

    with pytest.raises(TrainingError, match="Expected every picture of a trial to be scored"):
        score_packed(tmp_path / "pictures", BUNDLED_ARTIFACT, tmp_path)
