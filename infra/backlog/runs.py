"""Finds out what is known of a run: its plan, its executions and its summary; and chooses which run a command means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from handler.backlog.keeping import read
from handler.backlog.summing import Summary
from handler.deadline import Deadline
from handler.errors import ScoringError
from handler.store import Store
from infra.backlog.deployed import Deployed, invoke
from infra.backlog.executions import Execution, Executions, Status
from infra.backlog.naming import numbered
from infra.backlog.planning import find_plan
from infra.errors import InfraError

_LOOK_S = 60
_MAX_PLAN_AGE_S = 10  # of a plan that nobody started yet: an older one may lack what was uploaded since


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of a deployed stack, what `store` holds of them, and their executions."""

    deployed: Deployed
    store: Store
    executions: Executions

    def choose(self, base: str, now: datetime | None = None) -> str:
        """Returns the run that a command means by a default name: the latest of the name, or the next one if that is over.

        A plan is over too if there is nothing in it, or if nobody started it within seconds, as after `--plan`.
        """
        count = self._count_planned(base)
        if count == 0:
            return base
        latest = numbered(base, count)
        is_over = self._is_over(latest, now or datetime.now(UTC))
        return numbered(base, count + 1) if is_over else latest

    def following(self, base: str) -> str:
        """Returns the next run of a name that is not planned yet."""
        return numbered(base, self._count_planned(base) + 1)

    def execution_of(self, run: str, planned_at: str) -> Execution | None:
        """Returns the latest execution of a run that was planned at a time; None if there is none.

        One that was over by then is not: it is of an earlier run of the name, which somebody deleted.
        """
        found = self.executions.latest_of(run)
        is_earlier = found and found.ended and planned_at and found.ended < datetime.fromisoformat(planned_at)
        return None if is_earlier else found

    def summary_of(self, execution: Execution) -> Summary | None:
        """Returns the summary of a run, as its execution answered it or as it lies in S3; None if it cannot be read."""
        content: str | bytes | None = execution.output
        try:
            content = content or read(self.store, self.deployed.places.summary(execution.run), Deadline.after(_LOOK_S))
            return msgspec.json.decode(content, type=Summary) if content else None
        except (msgspec.MsgspecError, ScoringError):
            return None

    def sum_up(self, run: str) -> Summary | None:
        """Has the function sum up a run that did not come to its end; returns None if it cannot."""
        try:
            return invoke(self.deployed, {"job": "summarise", "run": run}, Summary)
        except InfraError:
            return None

    def _is_over(self, run: str, now: datetime) -> bool:
        execution = self.executions.latest_of(run)
        if execution:
            return execution.status is Status.SUCCEEDED
        known = find_plan(self.store, self.deployed, run)
        return known is None or known.objects == 0 or (now - known.planned_at).total_seconds() > _MAX_PLAN_AGE_S

    def _count_planned(self, base: str) -> int:
        """Returns how many runs of a name are planned: they are numbered without a gap, so few of many are looked at."""
        high = 1
        while self._is_planned(numbered(base, high)):
            high *= 2
        low = high // 2  # is planned, and `high` is not
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._is_planned(numbered(base, middle)) else (low, middle)
        return low

    def _is_planned(self, run: str) -> bool:
        return self.store.head(self.deployed.places.plan(run), deadline=Deadline.after(_LOOK_S)) is not None
