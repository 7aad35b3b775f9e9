"""The network and what is put behind it, in Keras and in LiteRT."""

import keras
import numpy as np
import pytest

from handler.model import Classifier
from training.config import Architecture
from training.export.litert import quantise
from training.network.architecture import (
    FusedBatchNormalization,
    averaged,
    build_network,
    multiplications,
    split_none,
    with_softmax,
)

ARCHITECTURE = Architecture(filters=(8, 16), blocks=(1, 1))


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return averaged([build_network((28, 28, 1), 10, ARCHITECTURE, mean=70.0, std=90.0) for _ in range(2)])


def test_the_softmax_of_the_known_example_is_the_known_one():
    logits = keras.Input((4,))
    model = with_softmax(keras.Model(logits, {"logits": keras.layers.Identity()(logits)}), temperature=1.0)

    (probabilities,) = model.predict(np.array([[1.0, 3.0, 4.0, 2.0]], np.float32), verbose=0)["probabilities"]

    assert probabilities == pytest.approx([0.0320586, 0.23688282, 0.64391426, 0.08714432], abs=1e-7)
    assert probabilities.sum() == pytest.approx(1.0)
    assert probabilities.argmax() == 2


def test_a_higher_temperature_is_less_sure_of_the_same_prediction():
    logits = keras.Input((4,))
    network = keras.Model(logits, {"logits": keras.layers.Identity()(logits)})
    example = np.array([[1.0, 3.0, 4.0, 2.0]], np.float32)

    models = [with_softmax(network, temperature) for temperature in (0.5, 2.0)]
    cool, warm = (model.predict(example, verbose=0)["probabilities"][0] for model in models)

    assert cool.argmax() == warm.argmax() == 2
    assert warm.max() < 0.64391426 < cool.max()


def test_the_network_takes_raw_pixels_and_gives_logits(network):
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), np.uint8)

    logits = network.predict(images, verbose=0)

    assert network.input.dtype == "uint8"
    assert logits.shape == (3, 10)
    assert logits.dtype == np.float32


def test_keras_and_litert_agree_on_the_same_pixels(network, sample_pixels):
    # The temperature spreads what an untrained network would leave almost equal.
    model = with_softmax(split_none(network, 10), temperature=0.1)
    expected = model.predict(sample_pixels, verbose=0)["probabilities"]

    classifier = Classifier(quantise(model))
    probabilities = classifier.classify(sample_pixels).probabilities

    assert classifier.image_shape == (28, 28, 1)
    assert classifier.classes == 10
    assert classifier.dtypes == (np.dtype(np.uint8), np.dtype(np.float32))
    assert probabilities == pytest.approx(expected, abs=0.03)
    assert (probabilities.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.97
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(100), abs=1e-3)
    assert np.ptp(expected, axis=0).max() > 0.1  # the images really are told apart


def test_probabilities_stay_in_float(network, sample_pixels):
    """Full integer quantisation would leave 256 values at the most."""
    content = quantise(with_softmax(split_none(network, 10), temperature=0.1))
    probabilities = Classifier(content).classify(sample_pixels).probabilities

    assert len(np.unique(probabilities)) > 900


def test_the_logits_of_several_networks_are_averaged(sample_pixels):
    members = [build_network((28, 28, 1), 10, ARCHITECTURE, mean=70.0, std=90.0) for _ in range(3)]

    each = np.array([member.predict(sample_pixels, verbose=0) for member in members])

    assert each.shape == (3, 100, 10)
    assert np.ptp(each, axis=0).max() > 0.1
    assert averaged(members).predict(sample_pixels, verbose=0) == pytest.approx(each.mean(axis=0), abs=1e-5)
    assert averaged(members[:1]).predict(sample_pixels, verbose=0) == pytest.approx(each[0], abs=1e-5)


def test_multiplications_are_counted_as_by_hand():
    architecture = Architecture(filters=(4, 6), blocks=(1, 1))
    full_size = 8 * 8 * 9 * (1 * 4 + 4 * 4 + 4 * 4)  # the first convolution and a block
    half_size = 4 * 4 * 9 * (4 * 6 + 6 * 6) + 4 * 4 * 4 * 6  # a block and its shortcut
    dense = (4 * 1 + 1 * 4) + (6 * 1 + 1 * 6) + 6 * 5  # what weighs the channels of each block, and the logits
    network = build_network((8, 8, 1), 5, architecture, mean=0.0, std=1.0)

    assert multiplications(network) == full_size + half_size + dense
    averaged([network, network])
    assert multiplications(network) == full_size + half_size + dense  # being called again counts for nothing


def test_fused_normalisation_gives_what_keras_gives():
    images = np.random.default_rng(0).normal(3, 2, (64, 5, 5, 8)).astype(np.float32)
    fused, plain = (kind(momentum=0.9, epsilon=1e-5) for kind in (FusedBatchNormalization, keras.layers.BatchNormalization))

    for layer in (fused, plain):
        layer.build(images.shape)
    assert fused(images, training=True).numpy() == pytest.approx(plain(images, training=True).numpy(), abs=1e-4)

    assert fused.moving_mean.numpy() == pytest.approx(plain.moving_mean.numpy(), rel=1e-4)
    assert fused.moving_variance.numpy() == pytest.approx(plain.moving_variance.numpy(), rel=2e-3)  # n-1 for n, of 1,600
    assert fused(images).numpy() == pytest.approx(plain(images).numpy(), abs=5e-3)


def test_the_familiarity_is_the_logarithm_of_the_odds_of_the_classes(network, sample_pixels):
    """Of ten logits, the last is taken for that of none of the classes."""
    logits = network.predict(sample_pixels, verbose=0).astype(np.float64)
    odds = np.exp(logits[:, :9]).sum(axis=1) / np.exp(logits[:, 9])

    outputs = split_none(network, 9).predict(sample_pixels, verbose=0)
    scores = Classifier(quantise(with_softmax(split_none(network, 9), temperature=2.0))).classify(sample_pixels)

    assert outputs["logits"].shape == (100, 9)
    assert outputs["familiarity"] == pytest.approx(np.log(odds), abs=1e-5)
    assert scores.familiarity == pytest.approx(np.log(odds), abs=0.1)
    assert scores.probabilities.shape == (100, 9)
