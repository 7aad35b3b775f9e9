"""What is said of a number of photos, and of a backbone against a network that starts from nothing."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.transfer.test_head import features_of
from training.data.dataset import Split
from training.transfer.backbones import Backbone
from training.transfer.contest import prefer_backbone, try_own_network
from training.transfer.guidance import describe_expectation
from training.transfer.head import cross_validate


def test_what_twice_as_many_photos_would_give_is_what_all_give_more_than_half():
    features = features_of(36, classes=6, spread=5.0)

    judged = cross_validate(features)
    said = describe_expectation(features, judged, judged)

    whole = cross_validate(features).accuracy
    assert said.startswith(f"{whole:.0%} of the photos are right where they were not learnt from; a head alone gains ")
    assert said.endswith(" points from half of the photos to all: expect as much of twice as many")


def test_where_half_of_the_photos_are_as_good_nothing_is_promised_of_more():
    features = features_of(60, classes=6, spread=0.5)

    judged = cross_validate(features)
    said = describe_expectation(features, judged, judged)

    assert said == (
        "100% of the photos are right where they were not learnt from; for a head alone half of them are as good, "
        "so more of the same may not help"
    )


def test_of_very_few_photos_nothing_more_is_said():
    features = features_of(6, classes=3)

    judged = cross_validate(features)
    said = describe_expectation(features, judged, judged)

    assert said.endswith("too few photos to say what more of them would give")


@pytest.fixture(scope="module")
def own():
    """What a small network has right of pictures of level and of upright stripes."""
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 2
    rows, columns = np.mgrid[:32, :32]
    images = np.stack([np.where((columns if label else rows) // 4 % 2, 200, 20) for label in labels])[..., None]
    stripes = Split((images + rng.integers(0, 50, (240, 32, 32, 3))).astype(np.uint8), labels)
    return try_own_network(stripes, ("level", "upright"))


def test_a_small_network_learns_what_is_easy(own):
    assert own > 0.9


@pytest.mark.parametrize(("known", "taken"), [(True, "the former"), (False, "the latter")])
def test_the_better_one_on_held_out_images_is_taken_and_named(known, taken, own, caplog):
    caplog.set_level("INFO")
    good = features_of(240, classes=2)
    features = good if known else replace(good, labels=np.random.default_rng(1).permutation(good.labels))
    accuracy = cross_validate(features).accuracy

    assert prefer_backbone(Backbone.efficientnet_lite0, accuracy, own) is known
    assert f"efficientnet-lite0 has {100 * accuracy:.1f}% of the held-out images right" in caplog.text
    assert f"a small network that starts from nothing {100 * own:.1f}%: {taken} is taken" in caplog.text
