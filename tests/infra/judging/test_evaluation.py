"""The figures of a model on labelled images, held to scikit-learn's and to those of training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from handler.predictions import Prediction
from infra.judging.evaluation import Evaluation, Marked
from training.export.metrics import expected_calibration_error

CLASSES = ("a", "b", "c")


def prediction(probabilities, **marks):
    winner = int(np.argmax(probabilities))
    return Prediction(
        image="x",
        class_index=winner,
        class_name=CLASSES[winner],
        confidence=float(max(probabilities)),
        probabilities=list(map(float, probabilities)),
        **marks,
    )


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2**32 - 1)), min_size=1, max_size=60))
def test_the_figures_are_those_of_other_libraries(images):
    labels = np.array([label for label, _ in images])
    probabilities = np.array([np.random.default_rng(seed).dirichlet(np.ones(3)) for _, seed in images])
    result = Evaluation()
    for label, row in zip(labels, probabilities, strict=True):
        result.add(prediction(row), CLASSES[label])

    precision, recall, _, count = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=[0, 1, 2], zero_division=0
    )
    assert result.accuracy.value == np.mean(probabilities.argmax(axis=1) == labels)
    assert [result.recall(name).value or 0 for name in CLASSES] == pytest.approx(recall)
    assert [result.precision(name).value or 0 for name in CLASSES] == pytest.approx(precision)
    assert [result.recall(name).whole for name in CLASSES] == list(count)
    assert result.calibration_error == pytest.approx(expected_calibration_error(probabilities, labels))


def test_marks_are_counted_by_what_they_catch_and_what_they_cost():
    result = Evaluation()
    for sure, is_right in [(True, True)] * 6 + [(True, False)] * 2 + [(False, True)] + [(False, False)] * 3:
        result.add(prediction([0.9, 0.1, 0.0], unsure=not sure), "a" if is_right else "b")

    assert result.unsure == Marked(right=1, wrong=3, right_unmarked=6, wrong_unmarked=2)
    assert (result.unsure.caught.part, result.unsure.caught.whole) == (3, 5)
    assert (result.unsure.right_when_trusted.part, result.unsure.right_when_trusted.whole) == (6, 8)
    assert result.unfamiliar is None


def test_nothing_has_no_figures():
    assert (Evaluation().accuracy.value, Evaluation().calibration_error) == (None, None)
