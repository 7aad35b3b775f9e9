"""Starts, stops and describes the executions of a run by the state machine. Alone talks to Step Functions.

The first execution of a run has its name. When it has failed and cannot be redriven, another one with a number goes on with the
run: shards that are finished answer at once, so it does only what is left. The input of an execution tells its run.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from infra.advice import action_of
from infra.backlog.deployed import Deployed
from infra.backlog.naming import numbered
from infra.doctor.asking import Answer
from infra.errors import InfraError

MAX_LISTED = 20  # runs that are listed, the latest first

_LOOKS, _LOOK_PAUSE_S = 20, 0.5  # for a redriven execution

_STOPPED = "Stopped"
_TAKEN = "ExecutionAlreadyExists"
_REDRIVABLE = "REDRIVABLE"
_MISSING = "ExecutionDoesNotExist"


class Status(StrEnum):
    """What became of an execution."""

    RUNNING = "RUNNING"
    PENDING_REDRIVE = "PENDING_REDRIVE"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"

    @property
    def is_over(self) -> bool:
        """True if nothing more happens by itself."""
        return self not in {Status.RUNNING, Status.PENDING_REDRIVE}


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution: its run, its times, and the error and cause if it failed. `output` is the summary if it succeeded."""

    arn: str
    name: str
    run: str
    status: Status
    began: datetime | None = None
    ended: datetime | None = None
    error: str = ""
    cause: str = ""
    output: str = ""
    is_redrivable: bool = False


class Counts(msgspec.Struct, frozen=True):
    """How many shards of a map run there are, by what became of them."""

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    running: int = 0

    @property
    def done(self) -> int:
        """The number of shards that nothing more happens to."""
        return self.succeeded + self.failed


class Executions:
    """The executions of a deployed stack's state machine."""

    def __init__(self, deployed: Deployed, sleep: Callable[[float], None] = time.sleep) -> None:
        self._deployed = deployed
        self._sleep = sleep
        self._prefix = deployed.machine.replace(":stateMachine:", ":execution:")

    def describe(self, name: str) -> Execution | None:
        """Returns the execution of a name; None if there is none.

        Raises:
            InfraError: it may not be described, or nobody answers.
        """
        answer = self._ask("describe_execution", executionArn=f"{self._prefix}:{name}")
        if answer.code == _MISSING:
            return None
        _require(answer, f"describe the execution {name}")
        return _parse(answer.value)

    def latest_of(self, run: str) -> Execution | None:
        """Returns the latest execution of a run; None if it was never started, or so long ago that nobody knows."""
        return max(self._all_of(run), key=_began, default=None)

    def recent(self) -> list[Execution]:
        """Returns the latest executions, the latest first.

        Raises:
            InfraError: they may not be listed, or nobody answers.
        """
        return self._list()

    def running(self) -> list[Execution]:
        """Returns the latest of the executions that run, the latest first; raises the same as `recent`."""
        return self._list(statusFilter=Status.RUNNING.value)

    def start(self, run: str, event: Mapping[str, Any]) -> Execution:
        """Starts the first free execution of a run. Whoever starts the same run at the same time starts the same one.

        Raises:
            InfraError: it may not be started, or nobody answers.
        """
        for number in itertools.count(1):
            name = numbered(run, number)
            found = self.describe(name)
            if found is None:
                found = self._start(run, name, event)
            if found.run == run and not found.status.is_over:
                return found
        raise InfraError("Expected a free name.")  # pragma: no cover - the loop ends above

    def _start(self, run: str, name: str, event: Mapping[str, Any]) -> Execution:
        """Starts the execution of a name, or finds that which somebody else has just started."""
        answer = self._ask("start_execution", stateMachineArn=self._deployed.machine, name=name, input=json.dumps(event))
        if answer.code == _TAKEN:
            found = self.describe(name)
            if found:
                return found
        _require(answer, f"start the state machine {self._deployed.machine}")
        # What was just started may not be there yet for who describes it.
        return Execution(answer.value["executionArn"], name, run, Status.RUNNING, began=answer.value.get("startDate"))

    def resume(self, execution: Execution, event: Mapping[str, Any]) -> Execution:
        """Has a run go on whose execution has failed or was stopped: by a redrive, or else by another execution.

        Raises:
            InfraError: neither may be asked, or nobody answers.
        """
        if execution.is_redrivable and not self._ask("redrive_execution", executionArn=execution.arn).code:
            return self._redriven(execution)
        return self.start(execution.run, event)

    def stop(self, execution: Execution) -> None:
        """Stops an execution, and all of its shards.

        Raises:
            InfraError: that may not be asked, or nobody answers.
        """
        answer = self._ask("stop_execution", executionArn=execution.arn, error=_STOPPED, cause="coatcheck backlog stop")
        _require(answer, f"stop the execution {execution.name}")

    def counts_of(self, execution: Execution) -> Counts | None:
        """Returns how many of its shards are done; None as long as that cannot be told."""
        runs = self._ask("list_map_runs", executionArn=execution.arn).value.get("mapRuns", [])
        if not runs:
            return None
        latest = self._ask("describe_map_run", mapRunArn=runs[0]["mapRunArn"]).value.get("itemCounts")
        if not latest:
            return None
        stopped = latest.get("timedOut", 0) + latest.get("aborted", 0)
        return Counts(latest["total"], latest["succeeded"], latest["failed"] + stopped, latest["running"])

    def _redriven(self, execution: Execution) -> Execution:
        """Returns an execution once its description tells of the redrive, which may take a while."""
        for _ in range(_LOOKS):
            found = self.describe(execution.name)
            if found and (not found.status.is_over or found.ended != execution.ended):
                return found
            self._sleep(_LOOK_PAUSE_S)
        return replace(execution, status=Status.RUNNING, ended=None)

    def _all_of(self, run: str) -> Iterator[Execution]:
        for number in itertools.count(1):
            found = self.describe(numbered(run, number))
            if found is None:
                return
            if found.run == run:
                yield found

    def _list(self, **options: str) -> list[Execution]:
        answer = self._ask("list_executions", stateMachineArn=self._deployed.machine, maxResults=MAX_LISTED, **options)
        _require(answer, f"list the executions of {self._deployed.machine}")
        found = [self.describe(one["name"]) for one in answer.value.get("executions", [])[:MAX_LISTED]]
        return sorted(filter(None, found), key=_began, reverse=True)

    def _ask(self, operation: str, **arguments: Any) -> Answer:
        return self._deployed.cloud.ask("stepfunctions", operation, **arguments)


def _parse(value: Mapping[str, Any]) -> Execution:
    return Execution(
        arn=value["executionArn"],
        name=value["name"],
        run=_run_of(value.get("input", "")) or value["name"],
        status=Status(value["status"]),
        began=value.get("startDate"),
        ended=value.get("stopDate"),
        error=value.get("error", ""),
        cause=value.get("cause", ""),
        output=value.get("output", ""),
        is_redrivable=value.get("redriveStatus", _REDRIVABLE) == _REDRIVABLE,
    )


def _began(execution: Execution) -> float:
    return execution.began.timestamp() if execution.began else 0.0


def _run_of(text: str) -> str:
    try:
        event = json.loads(text)
    except ValueError:
        return ""
    run = event.get("run") if isinstance(event, dict) else None
    return run if isinstance(run, str) else ""


def _require(answer: Answer, what: str) -> None:
    if answer.is_refused:
        advice = f"allow states:{action_of(answer.operation)} to the identity that you run this with"
        raise InfraError(f"Expected to {what}. Received: {answer.code}, {answer.text}; {advice}.")
    if answer.code:
        advice = "deploy the stack again" if answer.is_missing else "try again, the same command goes on"
        raise InfraError(f"Expected to {what}. Received: {answer.code}, {answer.text}; {advice}.")
