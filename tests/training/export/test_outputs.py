"""The outputs of a graph as the handler tells them apart: by the names of its signature, whatever their order."""

import keras
import numpy as np
import pytest

from handler.errors import BadArtifact
from handler.model import Classifier
from training.export.litert import quantise

IMAGES = np.random.default_rng(1).integers(0, 256, (5, 4, 4, 1)).astype(np.uint8)


def graph(*names):
    """A classifier of three classes, whose second output, if there is one, is a number for each image."""
    pixels = keras.Input((4, 4, 1), dtype="uint8", name="images")
    values = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))
    outputs = [
        keras.layers.Softmax()(keras.layers.Dense(3)(values)),
        keras.ops.squeeze(keras.layers.Dense(1, bias_initializer="ones")(values), axis=1),
    ]
    model = keras.Model(pixels, dict(zip(names, outputs, strict=False)))
    return model, quantise(model)


def test_a_second_output_is_the_familiarity_also_where_it_comes_first():
    model, content = graph("probabilities", "familiarity")

    scores = Classifier(content).classify(IMAGES)

    expected = model.predict(IMAGES, verbose=0)
    assert scores.probabilities == pytest.approx(expected["probabilities"], abs=0.01)
    assert scores.familiarity == pytest.approx(expected["familiarity"], abs=0.05)
    assert (scores.familiarity.shape, scores.familiarity.dtype) == ((5,), np.float32)


def test_a_single_output_is_the_probabilities_whatever_its_name():
    _, content = graph("anything")

    scores = Classifier(content).classify(IMAGES)

    assert scores.probabilities.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-3)
    assert scores.familiarity is None


def test_two_outputs_of_other_names_are_refused():
    _, content = graph("probabilities", "embedding")

    with pytest.raises(BadArtifact, match="Received: embedding, probabilities"):
        Classifier(content)
