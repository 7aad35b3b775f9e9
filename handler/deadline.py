"""Defines the moments by which work must end. Pure values; the clock is part of them, so that tests can pass their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on `clock`, which counts seconds from an arbitrary start and never goes back."""

    at_s: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Deadline:
        """Returns the deadline that lies `seconds` from now."""
        return cls(clock() + seconds, clock)

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


@dataclass(frozen=True, slots=True)
class TimeBudget:
    """The time of one invocation: nothing is begun or read after `begin_by`, and everything is written by `finish_by`."""

    begin_by: Deadline
    finish_by: Deadline

    @classmethod
    def of(cls, left_s: float, reserve_s: float, answer_s: float) -> TimeBudget:
        """Returns the budget of an invocation that has `left_s` seconds left.

        Its last `reserve_s` seconds are for finishing work that was begun, and the last `answer_s` of these for the answer.
        """
        return cls(Deadline.after(left_s - reserve_s), Deadline.after(left_s - min(answer_s, reserve_s)))
