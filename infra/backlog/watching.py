"""Watches an execution until it is over, and shows on a terminal how many of its shards are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from infra.backlog.executions import Counts, Execution, Executions
from infra.backlog.planning import Sofar
from infra.errors import InfraError

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 3.0  # a call of Step Functions costs nothing, but an account may make 15 a second
_MAX_FAULTS = 10  # in a row, of a network that is away for a minute


def watch(
    executions: Executions, execution: Execution, tell: Callable[[Counts], None], sleep: Callable[[float], None] = time.sleep
) -> Execution:
    """Looks at an execution until it is over, and returns it as it is then; `tell` is told how many of its shards are done.

    Raises:
        InfraError: it cannot be described any more.
    """
    pause_s, faults = _FIRST_PAUSE_S, 0
    while not execution.status.is_over:
        counts = executions.counts_of(execution)
        if counts:
            tell(counts)
        sleep(pause_s)
        pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.3)
        try:
            execution, faults = executions.describe(execution.name) or execution, 0
        except InfraError:
            faults += 1
            if faults == _MAX_FAULTS:
                raise
    return execution


@contextmanager
def shown_planning(*, is_shown: bool) -> Iterator[Callable[[str, Sofar], None]]:
    """Shows what is being prepared, and how much of it is done."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.fields[done]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not is_shown, transient=True) as progress:
        task = progress.add_task("looking at the stack", total=None, done="")

        def advance(what: str, sofar: Sofar) -> None:
            progress.update(task, description=what, done=f"{sofar.objects:,} objects" if sofar.objects else "")

        yield advance


@contextmanager
def shown_scoring(objects: int, *, is_shown: bool) -> Iterator[Callable[[Counts], None]]:
    """Shows how many shards are done, at about how many objects a second, and how long the rest takes."""
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TextColumn("shards {task.fields[rate]}"))
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not is_shown, transient=True
    ) as progress:
        task = progress.add_task("scoring", total=None, rate="")
        began: list[tuple[float, int]] = []

        def advance(counts: Counts) -> None:
            began[:] = began or [(time.monotonic(), counts.done)]  # what a run had done before is none of this rate
            since, before = began[0]
            shards = (counts.done - before) / max(time.monotonic() - since, 1e-9)
            rate = shards * objects / counts.total if counts.total else 0.0
            failed = f", {counts.failed:,} failed" if counts.failed else ""
            progress.update(task, completed=counts.done, total=counts.total or None, rate=f"{rate:,.0f} objects/s{failed}")

        yield advance
