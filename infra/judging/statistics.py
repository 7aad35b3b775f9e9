"""Computes what a share of a sample says about the whole: intervals, and whether a difference is noise. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

_Z = 1.959963984540054  # 95% of a normal distribution lie within so many standard deviations


@dataclass(frozen=True, slots=True)
class Share:
    """`part` of `whole`, with the interval in which the true share lies with 95% confidence, as far as chance goes."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """The share, 0..1; None of nothing."""
        return self.part / self.whole if self.whole else None

    @property
    def interval(self) -> tuple[float, float]:
        """The bounds of Wilson's score interval, 0..1; all of it if there is no sample.

        Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927), 209-212.
        """
        if not self.whole:
            return 0.0, 1.0
        n, share = self.whole, self.part / self.whole
        centre = share + _Z**2 / (2 * n)
        spread = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
        low, high = ((centre + sign * spread) / (1 + _Z**2 / n) for sign in (-1, 1))
        return max(0.0, low) if self.part else 0.0, min(1.0, high) if self.part < n else 1.0

    @property
    def brief(self) -> str:
        """The share with its interval, for a cell of a table; empty of nothing."""
        low, high = self.interval
        return f"{self.part / self.whole:.0%} ({low:.0%} to {high:.0%})" if self.whole else ""

    def __str__(self) -> str:
        if not self.whole:
            return "none"
        low, high = self.interval
        return f"{self.part / self.whole:.1%} ({low:.1%} to {high:.1%}, {self.part:,} of {self.whole:,})"


def mcnemar(first_alone: int, second_alone: int) -> float:
    """Returns the probability of so uneven a split, or a more uneven one, if two models are equally good.

    Only the images count on which one model alone is right: `first_alone` and `second_alone`. If the models are equally good,
    each of these falls to either side like a coin. This is the exact, two-sided test.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12 (1947).
    """
    n, least = first_alone + second_alone, min(first_alone, second_alone)
    if n == 0:
        return 1.0
    log_ways = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(least + 1))
    tail = math.fsum(math.exp(ways - n * math.log(2)) for ways in log_ways)
    return min(1.0, 2 * tail)
