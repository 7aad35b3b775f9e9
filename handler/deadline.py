"""Defines the moments by which work must end. Pure values; the clock is part of them, so that tests can pass their own."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

_NEVER_S = 10**9  # 31 years; waiting functions of the system refuse an infinite time
EARLY_SHARE = 0.1  # of the time of an invocation; the rest of it is enough for any object that is within the limits


class Deadline(msgspec.Struct, frozen=True):
    """A moment on `clock`, which counts seconds from an arbitrary start and never goes back."""

    at_s: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Deadline:
        """Returns the deadline that lies `seconds` from now."""
        return cls(clock() + seconds, clock)

    @classmethod
    def never(cls) -> Deadline:
        """Returns a deadline that nobody lives to see, for work that has as long as it takes."""
        return cls.after(_NEVER_S)

    def from_now(self, seconds: float) -> Deadline:
        """Returns the moment `seconds` from now on the same clock."""
        return Deadline.after(seconds, self.clock)

    @property
    def left_s(self) -> float:
        """The seconds until this moment; negative once it has passed."""
        return self.at_s - self.clock()

    @property
    def is_over(self) -> bool:
        """True if the moment has come."""
        return self.left_s <= 0


class TimeBudget(msgspec.Struct, frozen=True):
    """The time of one invocation: nothing is begun or read after `begin_by`, and everything is written by `finish_by`.

    An object whose turn comes by `early_by` has nearly the whole time to itself. None means that every object has.
    """

    begin_by: Deadline
    finish_by: Deadline
    early_by: Deadline | None = None

    @property
    def is_early(self) -> bool:
        """True if an object whose turn comes now has nearly the whole time to itself."""
        return self.early_by is None or not self.early_by.is_over

    @classmethod
    def of(cls, left_s: float, reserve_s: float, answer_s: float, clock: Callable[[], float] = time.monotonic) -> TimeBudget:
        """Returns the budget of an invocation that has `left_s` seconds left.

        Its last `reserve_s` seconds are for finishing work that was begun, and the last `answer_s` of these for the answer.
        """
        return cls(
            begin_by=Deadline.after(left_s - reserve_s, clock),
            finish_by=Deadline.after(left_s - min(answer_s, reserve_s), clock),
            early_by=Deadline.after(EARLY_SHARE * (left_s - reserve_s), clock),
        )
