import numpy as np
import pytest
from scipy.special import softmax

from handler.contract import ClassMetrics
from training.export.metrics import (
    expected_calibration_error,
    fit_temperature,
    measure,
    measure_classes,
    without_temperature,
)


def test_figures_of_a_case_worked_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], np.float32)
    labels = np.array([0, 1, 1, 0])

    metrics = measure(probabilities, labels)

    assert metrics.accuracy == 0.75
    assert metrics.images == 4
    assert metrics.negative_log_likelihood == pytest.approx(-np.log([0.9, 0.2, 0.7, 0.6]).mean(), abs=1e-6)
    # bins of 1/15: 0.6, 0.7, 0.8 and 0.9 fall into four of them, one image each
    assert metrics.expected_calibration_error == pytest.approx((0.1 + 0.8 + 0.3 + 0.4) / 4, abs=1e-6)


def test_confidence_that_is_always_met_has_no_calibration_error():
    labels = np.array([0] * 7 + [1] * 3)
    probabilities = np.tile([0.7, 0.3], (10, 1))

    assert expected_calibration_error(probabilities, labels) == pytest.approx(0)


def test_certainty_belongs_to_the_last_bin():
    assert expected_calibration_error(np.array([[1.0, 0.0]]), np.array([1])) == 1.0


def test_the_temperature_that_spoilt_logits_is_found_again():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 5))
    labels = np.array([rng.choice(5, p=row) for row in softmax(logits, axis=1)])

    assert fit_temperature(logits * 3, labels) == pytest.approx(3, rel=0.03)
    assert fit_temperature(logits / 2, labels) == pytest.approx(0.5, rel=0.03)


def test_images_without_a_mistake_ask_for_no_temperature():
    logits = np.random.default_rng(0).normal(0, 2, (15, 3))
    labels = logits.argmax(axis=1)

    assert fit_temperature(logits, labels) == 1
    labels[0] = logits[0].argmin()
    assert fit_temperature(logits, labels) != 1


def test_each_class_has_its_precision_and_recall():
    probabilities = np.eye(3)[[0, 0, 0, 1, 1]]
    labels = np.array([0, 0, 1, 1, 2])

    assert measure_classes(probabilities, labels) == (
        ClassMetrics(precision=2 / 3, recall=1.0, images=2),
        ClassMetrics(precision=0.5, recall=0.5, images=2),
        ClassMetrics(precision=0.0, recall=0.0, images=1),
    )


def test_a_temperature_can_be_taken_back():
    logits = np.random.default_rng(0).normal(0, 5, (100, 4))

    assert without_temperature(softmax(logits / 0.4, axis=1), 0.4) == pytest.approx(softmax(logits, axis=1), abs=1e-9)
    assert without_temperature(np.array([[1.0, 0.0]]), 2.0).tolist() == [[1.0, 0.0]]
