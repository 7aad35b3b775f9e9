"""Lets invocations that run at the same time share what S3 answers, and tells when each is done.

All invocations slow down alike. So it is enough to count how many seconds of work one of them would have done since the start:
an invocation is done when that count has grown by its own work.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

import msgspec
import simpy

from infra.scale.refusals import FREE, Pace

_EXACT = 1e-9  # seconds


class Served(msgspec.Struct, frozen=True):
    """What became of an invocation: requests for each object, and the share of objects that S3 refused each time."""

    attempts: float
    failed: float


class Visit(msgspec.Struct, order=True):
    """An invocation at the station: the work at which it is done, and the sums at its start; `done` gets a `Served`."""

    until: float
    number: int
    event: simpy.Event
    work: float
    attempts: float
    failed: float


class Station:
    """Serves invocations at a pace that `pace_of` gives for their number and the number of S3's partitions.

    After `split_s` seconds with refusals S3 has twice as many partitions.
    """

    def __init__(self, env: simpy.Environment, pace_of: Callable[[int, int], Pace], partitions: int, split_s: float) -> None:
        self._env = env
        self._pace_of = pace_of
        self._split_s = split_s
        self._visits: list[Visit] = []
        self._numbers = itertools.count()
        self._paces: dict[tuple[int, int], Pace] = {}
        self._work = self._attempts = self._failed = self._refused_s = 0.0
        self._at = env.now
        self._wake_at = float("inf")
        self.pace = FREE
        self.partitions = partitions

    def enter(self, work_s: float) -> Visit:
        """Returns the visit of an invocation that alone would take `work_s`; its event comes when it is done."""
        self._advance()
        visit = Visit(self._work + work_s, next(self._numbers), self._env.event(), self._work, self._attempts, self._failed)
        heapq.heappush(self._visits, visit)
        self._change_pace()
        return visit

    def leave(self, visit: Visit) -> float:
        """Ends a visit before it is done, and returns the share of its work that is left."""
        self._advance()
        self._visits.remove(visit)
        heapq.heapify(self._visits)
        self._change_pace()
        return (visit.until - self._work) / (visit.until - visit.work)

    def _advance(self) -> None:
        passed, self._at = self._env.now - self._at, self._env.now
        work = passed * self.pace.speed
        self._work += work
        self._attempts += work * self.pace.attempts
        self._failed += work * self.pace.failed
        if self.pace.is_refused:
            self._refused_s += passed
            if self._refused_s >= self._split_s:
                self.partitions, self._refused_s = self.partitions * 2, 0.0

    def _change_pace(self) -> None:
        if not self._visits:
            self.pace = FREE
            return
        key = len(self._visits), self.partitions
        if key not in self._paces:
            self._paces[key] = self._pace_of(*key)
        self.pace = self._paces[key]
        wake_at = self._env.now + max(0.0, self._visits[0].until - self._work) / self.pace.speed
        if wake_at < self._wake_at:  # a wake that comes too early finds nobody done, and sets the next one
            self._wake_at = wake_at
            self._env.timeout(wake_at - self._env.now).callbacks.append(self._wake)

    def _wake(self, _event: simpy.Event) -> None:
        if self._env.now + _EXACT < self._wake_at:
            return  # of a wake that an earlier one replaced
        self._wake_at = float("inf")
        self._advance()
        while self._visits and self._visits[0].until <= self._work + _EXACT:
            visit = heapq.heappop(self._visits)
            visit.event.succeed(self._served(visit))
        self._change_pace()

    def _served(self, visit: Visit) -> Served:
        work = self._work - visit.work
        if work <= _EXACT:
            return Served(1.0, 0.0)
        return Served((self._attempts - visit.attempts) / work, (self._failed - visit.failed) / work)
