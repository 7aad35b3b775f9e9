"""The figures of a trial, against counts that can be done by hand."""

import numpy as np
import pytest

from handler.contract import ChangedKind
from training.export.trial_tables import changed_rows
from training.trial.figures import coverage, judge_changed, judge_foreign
from training.trial.marks import Marked

NO, YES = False, True


def marked(classes, confidence, unsure, unfamiliar):
    return Marked(np.array(classes), np.array(confidence), np.array(unsure), np.array(unfamiliar))


def test_trusted_are_predictions_with_neither_mark():
    kind = judge_changed(
        "blurred", marked([0, 1, 1, 0], [0.9, 0.8, 0.7, 0.6], [NO, NO, YES, NO], [NO, YES, NO, NO]), np.array([0, 1, 1, 1])
    )

    assert kind == ChangedKind(name="blurred", images=4, right=0.75, trusted=0.5, right_of_trusted=0.5, coverage=0.25)


def test_where_nothing_is_trusted_nothing_is_said_of_its_precision():
    kind = judge_changed("noise", marked([0], [0.9], [YES], [NO]), np.array([0]))

    assert (kind.trusted, kind.right_of_trusted, kind.coverage) == (0, None, 0)


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ([1] * 20, 1),
        ([1] * 19 + [0], 1),  # 95% of all
        ([1] * 18 + [0] + [0], 0.9),
        ([0] + [1] * 19, 1),  # the most confident one is wrong
        ([0] + [1] * 18 + [0], 0),
        ([0] * 4, 0),
    ],
)
def test_coverage_is_the_largest_share_of_which_enough_are_right(right, expected):
    confidence = np.linspace(1, 0.5, len(right))

    assert coverage(confidence, np.array(right, bool)) == expected


def test_foreign_images_are_ranked_against_the_models_own():
    kind = judge_foreign(
        "letters",
        marked([0, 0, 1, 1], [0.9] * 4, [YES, NO, NO, NO], [YES, YES, NO, NO]),
        np.array([1.0, 2.0, 15.0, 50.0]),
        np.arange(10.0, 30.0),
        is_near=False,
    )

    assert (kind.unfamiliar, kind.unsure, kind.marked) == (0.5, 0.25, 0.5)
    assert kind.auroc == pytest.approx((20 + 20 + 14.5) / 80)  # pairs in which the model's own image comes first, ties half
    assert kind.false_positives == 0.5  # 19 of the 20 own images are kept from 10.95 on


def test_a_model_without_familiarity_is_not_ranked():
    kind = judge_foreign("letters", marked([0], [0.9], [YES], [NO]), None, None, is_near=True)

    assert (kind.auroc, kind.false_positives, kind.marked) == (None, None, 1)


def test_all_changes_together_leave_out_the_images_as_they_are():
    kinds = [
        ChangedKind(name=name, images=10, right=right, trusted=trusted, right_of_trusted=precise, coverage=trusted)
        for name, right, trusted, precise in (
            ("as they are", 1, 1, 1),
            ("a", 0.6, 0.2, 1),
            ("b", 0.4, 0.6, 0.5),
            ("c", 0, 0, None),
        )
    ]

    assert changed_rows(kinds)[-1] == ("all changes", "30", "33.3%", "26.7%", "62.5%", "26.7%")
