"""Carries out `coatcheck backlog`: plans a run, says what it will do and cost, starts it or goes on with it, and watches it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from rich.console import Console

from handler.backlog.runs import Order
from handler.backlog.summing import Summary
from infra.backlog.artifacts import share_artifact
from infra.backlog.deployed import find_deployed
from infra.backlog.estimating import estimate
from infra.backlog.executions import Execution, Executions, Status
from infra.backlog.naming import parse_name, require_name
from infra.backlog.planning import event_of, find_plan
from infra.backlog.preparing import prepare
from infra.backlog.runs import Runs
from infra.backlog.sources import Sources, parse_sources
from infra.backlog.telling import (
    Told,
    detached_lines,
    end_lines,
    listing_json,
    listing_lines,
    nothing_lines,
    plan_lines,
    to_json,
)
from infra.backlog.watching import shown_planning, shown_scoring, watch
from infra.doctor.asking import Cloud
from infra.errors import WrongUse
from infra.locations import own_errors, s3
from infra.printable import printable

_PATIENCE_S = 180  # for an invocation that plans: 20 s, and what it has begun by then


@dataclass(frozen=True, slots=True)
class Where:
    """The stack that a command is about, and its region; None for the user's own."""

    stack: str
    region: str | None

    def find(self) -> Runs:
        """Returns the runs of the stack; raises the same as `find_deployed`."""
        deployed = find_deployed(Cloud(self.region, _PATIENCE_S), self.stack)
        return Runs(deployed, s3(), Executions(deployed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What `coatcheck backlog` is asked for."""

    sources: list[str]
    is_all: bool
    where: Where
    run: str | None
    model: str | None
    documents: bool
    replace: bool
    only_plan: bool
    detach: bool
    as_json: bool


@dataclass(slots=True)
class _Teller:
    """Prints lines for people at once, or one JSON value at the end."""

    as_json: bool
    console: Console = field(default_factory=lambda: Console(highlight=False))

    @property
    def is_terminal(self) -> bool:
        """True if progress may be shown."""
        return not self.as_json and sys.stderr.isatty()

    def say(self, lines: Iterable[str]) -> None:
        """Prints lines for people."""
        if not self.as_json:
            for line in lines:
                self.console.print(printable(line), soft_wrap=True, markup=False, emoji=False)

    def end(self, value: Any) -> None:
        """Prints what is known at the end."""
        if self.as_json:
            sys.stdout.write(json.dumps(value) + "\n")


def score(request: Request) -> int:
    """Plans a run and, unless only a plan is asked for, has it done; returns the status that the process ends with.

    Raises:
        WrongUse: what was asked for cannot be meant.
        InfraError: AWS refuses or does not answer, or the function cannot plan.
    """
    teller = _Teller(request.as_json)
    _require_possible(request)
    sources = parse_sources(request.sources, is_all=request.is_all)
    with own_errors():
        runs = request.where.find()
        told = _planned(request, sources, runs, is_shown=teller.is_terminal)
        teller.say(plan_lines(told))
        if told.plan is not None and not told.plan.objects:
            teller.say(nothing_lines(told))
        elif not request.only_plan:
            told = _carry_out(runs, told, teller, detach=request.detach)
    teller.end(to_json(told))
    return int(told.has_failed)


def show(where: Where, run: str | None, *, detach: bool, as_json: bool) -> int:
    """Lists the runs, or tells how far one of them is, and watches it; returns the status that the process ends with.

    Raises:
        WrongUse: there is no such run.
        InfraError: AWS refuses or does not answer.
    """
    teller = _Teller(as_json)
    with own_errors():
        runs = where.find()
        if run is None:
            recent = runs.executions.recent()
            teller.say(listing_lines(recent) if recent else ["no run was started in the last 90 days"])
            teller.end(listing_json(recent))
            return 0
        told = _told(runs, where, _find(runs, run))
        if not detach or (told.execution and told.execution.status.is_over):
            told = _watch(runs, told, teller)
            teller.say(end_lines(told))
        else:
            teller.say(detached_lines(told))
    teller.end(to_json(told))
    return int(told.has_failed)


def stop(where: Where, run: str | None, *, as_json: bool) -> int:
    """Stops a run, the only one that is running if no name is given, and tells what is done of it; returns the status.

    Raises:
        WrongUse: there is no such run, or it is not clear which one is meant.
        InfraError: AWS refuses or does not answer.
    """
    teller = _Teller(as_json)
    with own_errors():
        runs = where.find()
        execution = _find(runs, run) if run else _only_running(runs.executions)
        if not execution.status.is_over:
            runs.executions.stop(execution)
        told = _watch(runs, _told(runs, where, execution), teller)
        teller.say(end_lines(told))
    teller.end(to_json(told))
    return 0


def _require_possible(request: Request) -> None:
    if request.model and (request.documents or request.replace):
        option = "--documents" if request.documents else "--replace"
        raise WrongUse(
            f"Expected --model without {option}. Received: both. Documents are what the deployed model answers, so the rows of "
            "another model lie in a place of their own; deploy the stack with ModelUri to have it answer."
        )
    if request.run is not None:
        parse_name(request.run)


def _planned(request: Request, sources: Sources, runs: Runs, *, is_shown: bool) -> Told:
    """Has a run planned, and returns what is known of it then."""
    deployed = runs.deployed
    digest = share_artifact(runs.store, deployed.places, request.model) if request.model else None
    order = Order(
        prefix=str(sources.prefix) if sources.prefix else None,
        listed=bool(sources.lists),
        model=digest,
        documents=request.documents,
        replace=request.replace,
    )
    with shown_planning(is_shown=is_shown) as advance:
        run, planned = prepare(runs, sources, order, request.run, advance)
    return Told(
        run=run,
        stack=request.where.stack,
        region=request.where.region,
        title=sources.title,
        order=order,
        plan=planned,
        objects=planned.objects,
        estimate=estimate(planned, order, deployed.parameters),
        execution=runs.execution_of(run, planned.planned_at),
        output=str(deployed.places.output),
    )


def _carry_out(runs: Runs, told: Told, teller: _Teller, *, detach: bool) -> Told:
    """Starts a planned run, or goes on with it, and watches it unless it is to be detached."""
    told = replace(told, execution=_started(runs.executions, told))
    if detach and told.execution and not told.execution.status.is_over:
        teller.say(detached_lines(told))
        return told
    told = _watch(runs, told, teller)
    teller.say(end_lines(told))
    return told


def _started(executions: Executions, told: Told) -> Execution:
    """Returns the execution of a run, which runs or has succeeded."""
    found, event = told.execution, event_of(told.run, told.order or Order())
    if found is None:
        return executions.start(told.run, event)
    if found.status.is_over and found.status is not Status.SUCCEEDED:
        return executions.resume(found, event)
    return found


def _watch(runs: Runs, told: Told, teller: _Teller) -> Told:
    """Watches a run until it is over, and returns what became of it. Ctrl-C ends the watching, and not the run."""
    execution = told.execution
    if execution is None:
        return told
    try:
        with shown_scoring(told.objects, is_shown=teller.is_terminal) as advance:
            execution = watch(runs.executions, execution, advance)
    except KeyboardInterrupt:
        sys.stderr.write("".join(f"{line}\n" for line in detached_lines(told)))
        raise
    return replace(told, execution=execution, summary=_summary(runs, execution))


def _summary(runs: Runs, execution: Execution) -> Summary | None:
    if execution.status is Status.SUCCEEDED:
        return runs.summary_of(execution)
    return runs.sum_up(execution.run)


def _told(runs: Runs, where: Where, execution: Execution) -> Told:
    """Returns what is known of a run by its execution and its plan."""
    known = find_plan(runs.store, runs.deployed, execution.run)
    return Told(
        run=execution.run,
        stack=where.stack,
        region=where.region,
        order=known.order if known else None,
        objects=known.objects if known else 0,
        execution=execution,
        counts=None if execution.status.is_over else runs.executions.counts_of(execution),
        output=str(runs.deployed.places.output),
    )


def _find(runs: Runs, run: str) -> Execution:
    """Returns the latest execution of a run, or the one that has its name."""
    require_name(run)
    found = runs.executions.latest_of(run) or runs.executions.describe(run)
    if found:
        return found
    if find_plan(runs.store, runs.deployed, run):
        raise WrongUse(
            f"Expected a run that was started. Received: {run}, which is only planned; the command that planned it starts it."
        )
    raise WrongUse(
        f"Expected a run of the stack {runs.deployed.stack}. Received: {run}; `coatcheck backlog show` lists the runs."
    )


def _only_running(executions: Executions) -> Execution:
    running = executions.running()
    if len(running) != 1:
        received = (
            f"{', '.join(one.run for one in running)}; name one"
            if running
            else "none that runs; `coatcheck backlog show` lists all"
        )
        raise WrongUse(f"Expected the name of a run. Received: no name, and {received}.")
    return running[0]
