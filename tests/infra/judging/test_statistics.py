"""Intervals and tests, held to SciPy's."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binomtest

from infra.judging.statistics import Share, mcnemar


@given(st.integers(1, 5000).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))))
@example((0, 1))
@example((1, 1))
def test_an_interval_is_wilsons(counts):
    part, whole = counts
    expected = binomtest(part, whole).proportion_ci(0.95, method="wilson")

    assert Share(part, whole).interval == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_of_nothing_nothing_is_known():
    assert (Share(0, 0).value, Share(0, 0).interval, Share(0, 0).brief) == (None, (0.0, 1.0), "")


@given(st.integers(0, 2000), st.integers(0, 2000))
@example(0, 0)
@example(0, 2000)
def test_the_test_of_a_difference_is_the_exact_one(first, second):
    expected = binomtest(first, first + second).pvalue if first + second else 1.0

    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-6, abs=1e-200)
    assert mcnemar(first, second) == mcnemar(second, first)
