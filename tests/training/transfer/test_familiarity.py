"""Familiarity by two kinds of features: each notices what the other does not, and the network computes the same."""

import keras
import numpy as np
import pytest
from keras import layers

from training.transfer.familiarity import fit_familiarity
from training.transfer.head import Features, fit_head
from training.transfer.learning import attach


def photos(count, seed=0, deep=0, shallow=5.0):
    """Deep features around the axis `deep` of eight, and shallow ones around `shallow`."""
    rng = np.random.default_rng(seed)
    return (
        (np.eye(8)[np.full(count, deep)] + 0.1 * rng.random((count, 8))).astype(np.float32),
        (shallow + rng.normal(size=(count, 4))).astype(np.float32),
    )


@pytest.mark.parametrize(
    "foreign", [photos(200, 2, deep=3), photos(200, 2, shallow=25.0)], ids=["shows another thing", "looks different"]
)
def test_what_differs_in_either_way_is_less_familiar(foreign):
    familiarity = fit_familiarity(*photos(400))

    own, other = familiarity.judge(*photos(200, seed=1)), familiarity.judge(*foreign)

    assert (other < np.quantile(own, 0.03)).mean() > 0.95


def test_both_ways_weigh_the_same():
    """Features on another scale are as familiar as before."""
    (deep, shallow), (more_deep, more_shallow) = photos(400), photos(50, seed=1)

    before = fit_familiarity(deep, shallow).judge(more_deep, more_shallow)
    after = fit_familiarity(7 * deep, 1000 * shallow + 3).judge(7 * more_deep, 1000 * more_shallow + 3)

    assert after == pytest.approx(before, rel=1e-2, abs=0.1)


def test_prototypes_are_few_and_of_length_one():
    many, few = fit_familiarity(*photos(2_000)), fit_familiarity(*photos(9))

    assert (len(many.prototypes), len(many.centres)) == (128, 128)
    assert (len(few.prototypes), len(few.centres)) == (2, 2)
    assert np.linalg.norm(many.prototypes, axis=1) == pytest.approx(np.ones(128), abs=1e-5)


def test_features_without_any_spread_give_a_finite_familiarity():
    deep, shallow = np.ones((5, 8), np.float32), np.zeros((5, 4), np.float32)

    assert np.isfinite(fit_familiarity(deep, shallow).judge(deep, shallow)).all()


def test_the_network_computes_what_the_head_says():
    images = keras.Input((16, 16, 3), dtype="uint8")
    below = layers.Conv2D(4, 3, name="below")(layers.Rescaling(1 / 255)(images))
    above = layers.Conv2D(8, 3, name="boundary", activation="relu")(below)
    backbone = keras.Model(images, layers.GlobalAveragePooling2D()(above))
    pixels = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), np.uint8)
    deep = backbone.predict(pixels, verbose=0)
    shallow = keras.Model(images, below).predict(pixels, verbose=0).mean(axis=(1, 2))
    labels = np.arange(60) % 3
    head = fit_head(Features(deep[None], shallow, labels, 3))

    said = attach(backbone, "boundary", head).predict(pixels, verbose=0)

    judged = head.judge(deep, shallow, labels)
    assert said["familiarity"] == pytest.approx(judged.familiarity, abs=1e-2)
    assert said["logits"] == pytest.approx(judged.logits, abs=1e-4)
