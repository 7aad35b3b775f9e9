"""The thresholds of the marks keep their promises, on draws of which the truth is known."""

import math

import numpy as np
import pytest

from handler.contract import Scores
from training.export.thresholds import (
    BOUNDS,
    PROBABILITY,
    choose_thresholds,
    least_images,
    strictest_thresholds,
    sure_thresholds,
    unfamiliar_threshold,
)

DRAWS = 200


def draw(rng, images, classes=5, weak=0.0):
    """Calibrated predictions: each is right with the probability of its confidence, less by `weak` for the first class."""
    confidence = 1 - 0.8 * rng.random(images) ** 4
    predicted = rng.integers(0, classes, images)
    right = rng.random(images) < confidence - weak * (predicted == 0)
    probabilities = np.repeat((1 - confidence)[:, None] / (classes - 1), classes, axis=1)
    probabilities[np.arange(images), predicted] = confidence
    return probabilities, np.where(right, predicted, (predicted + 1) % classes)


def share_wrong(thresholds, probabilities, labels):
    """The share of the sure predictions that are wrong, and the share that is sure."""
    limits = np.array([math.inf if value is None else value for value in thresholds])
    predicted = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1) >= limits[predicted]
    return (predicted != labels)[sure].mean(), sure.mean()


@pytest.mark.parametrize("weak", [0.0, 0.01], ids=["calibrated", "one class too sure"])
def test_the_bound_on_wrong_predictions_holds_with_its_probability(weak):
    rng = np.random.default_rng(0)
    truth = draw(rng, 100_000, weak=weak)
    broken = tested = 0
    for _ in range(DRAWS):
        thresholds, promise = strictest_thresholds(*draw(rng, 2_000, weak=weak))
        if thresholds is not None:
            tested += 1
            broken += share_wrong(thresholds, *truth)[0] > promise.max_wrong

    assert tested > DRAWS // 4
    assert broken <= 0.05 * DRAWS


def test_a_guessing_model_gets_no_threshold():
    """Three classes, none of which is known, and a confidence that means nothing."""
    rng = np.random.default_rng(1)
    found = 0
    for images in (30, 60, 100, 500, 3_000):
        for _ in range(40):
            probabilities = rng.dirichlet(np.ones(3), images)
            found += strictest_thresholds(probabilities, rng.integers(0, 3, images))[0] is not None

    assert found == 0


@pytest.mark.parametrize(("noise", "bound"), [(0.0, 0.01), (0.008, 0.02), (0.02, 0.05), (0.2, None)])
def test_the_strictest_bound_that_the_labels_bear_is_promised(noise, bound):
    rng = np.random.default_rng(6)
    probabilities, labels = draw(rng, 3_000)
    labels = np.where(rng.random(3_000) < noise, (labels + 2) % 5, labels)

    thresholds, promise = strictest_thresholds(probabilities, labels)

    assert (thresholds is not None, promise.max_wrong) == ((True, bound) if bound else (False, 0.05))
    assert promise.probability == 0.95


def test_the_errors_of_all_bounds_together_are_that_of_the_promise():
    assert sum(error for _, error in BOUNDS) == pytest.approx(1 - PROBABILITY)


def test_too_few_images_give_no_threshold_and_the_promise_tells_how_many_are_needed():
    right = np.eye(2)[np.arange(367) % 2] * 0.98 + 0.01

    thresholds, promise = sure_thresholds(right, right.argmax(axis=1), 0.01, 0.05)

    assert thresholds is None
    assert (promise.images, promise.sure, promise.needed) == (367, 0, 368)
    more = np.concatenate([right, right])
    assert sure_thresholds(more, more.argmax(axis=1), 0.01, 0.05)[0] == pytest.approx((0.99, 0.99))


def test_a_class_that_is_hard_to_tell_apart_gets_a_higher_threshold():
    rng = np.random.default_rng(2)
    predicted = rng.integers(0, 2, 2_500)
    confidence = 1 - 0.5 * rng.random(2_500) ** np.where(predicted == 0, 2, 8)  # of the first class lower
    probabilities = np.where(np.arange(2) == predicted[:, None], confidence[:, None], 1 - confidence[:, None])
    labels = np.where(rng.random(2_500) < confidence, predicted, 1 - predicted)

    (first, second), promise = sure_thresholds(probabilities, labels, 0.01, 0.05)

    assert first > second
    assert promise.alone == ()


def test_a_class_of_very_many_images_is_tested_on_its_own():
    rng = np.random.default_rng(3)
    probabilities, labels = draw(rng, 12_000, weak=0.3)

    thresholds, promise = sure_thresholds(probabilities, labels, 0.01, 0.05)

    assert promise.alone == (0, 1, 2, 3, 4)
    assert thresholds[0] is None  # it is wrong more often than it says, so none of its predictions is sure
    assert all(value < 1 for value in thresholds[1:])


def test_the_counts_of_the_promise_are_those_of_the_images():
    probabilities, labels = draw(np.random.default_rng(4), 3_000)

    thresholds, promise = sure_thresholds(probabilities, labels, 0.01, 0.05)

    wrong, sure = share_wrong(thresholds, probabilities, labels)
    assert (promise.images, promise.sure) == (3_000, round(3_000 * sure))
    assert promise.wrong == round(promise.sure * wrong)


def test_at_most_three_percent_of_familiar_images_are_marked_with_the_stated_probability():
    rng = np.random.default_rng(5)
    broken = 0
    for _ in range(1_000):
        threshold, _ = unfamiliar_threshold(rng.random(500))  # of a uniform draw, the threshold is the share below it
        broken += threshold > 0.03

    assert 0 < broken <= 70  # 50 are expected


@pytest.mark.parametrize(("images", "has_one"), [(0, False), (1, False), (98, False), (99, True), (100, True)])
def test_a_threshold_of_familiarity_needs_ninety_nine_images(images, has_one):
    threshold, promise = unfamiliar_threshold(np.arange(images, dtype=np.float32))

    assert threshold == (0.0 if has_one else None)
    assert (promise.images, promise.needed) == (images, 99)


def test_without_familiarity_nothing_is_said_of_it():
    probabilities, labels = draw(np.random.default_rng(6), 3_000)

    found = choose_thresholds(Scores(probabilities), labels)

    assert (found.unfamiliar_below, found.familiar) == (None, None)
    assert found.by_name()["unsure_below"] == strictest_thresholds(probabilities, labels)[0]


def test_the_least_number_of_images_is_that_of_the_binomial_bound():
    assert (1 - 0.01) ** least_images(0.01, 0.05) <= 0.05 < (1 - 0.01) ** (least_images(0.01, 0.05) - 1)
