"""Tells what a run will do, does and did: to people in lines, and to machines as JSON. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from handler.backlog.runs import Order
from handler.backlog.summing import Summary
from infra.backlog.estimating import Estimate
from infra.backlog.executions import Counts, Execution, Status
from infra.backlog.planning import Planned
from infra.cost.telling import dollars_text
from infra.printable import as_line, printable

_LEFT_OUT = {
    "done": "done already",
    "outdated": "with a document of another model, which --replace scores again",
    "archived": "in an archive, until they are restored",
    "refused": "outside of the stack's inputs, or without a place for a document",
    "gone": "gone",
}
_OUTCOMES = {
    "scored": "scored",
    "rejected": "rejected",
    "failed": "failed",
    "gone": "gone, since there is no such object",
    "duplicate": "done before",
    "superseded": "changed meanwhile",
}
_WIDTH = 10
_MINUTE_S = 60
_TIME_CHARACTERS = 19  # of a time in ISO 8601, up to its seconds
_MAX_CAUSE = 300  # characters


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that is known of a run; the parts that are not known are None."""

    run: str
    stack: str
    region: str | None
    title: str | None = None
    order: Order | None = None
    plan: Planned | None = None
    objects: int = 0
    estimate: Estimate | None = None
    execution: Execution | None = None
    counts: Counts | None = None
    summary: Summary | None = None
    output: str | None = None

    @property
    def options(self) -> str:
        """The options that lead to the same stack."""
        words = ["--stack", self.stack] if self.stack != "coatcheck" else []
        return "".join(f" {shlex.quote(word)}" for word in [*words, *(["--region", self.region] if self.region else [])])

    @property
    def has_failed(self) -> bool:
        """True if the run ended otherwise than it should, or some of its objects failed."""
        is_broken = self.execution is not None and self.execution.status.is_over and self.execution.status != Status.SUCCEEDED
        return is_broken or self.is_of_nothing or bool(self.summary and self.summary.failed)

    @property
    def is_of_nothing(self) -> bool:
        """True if no object was found at all, or a list names some that may not be read, as after a typing error."""
        plan, is_listed = self.plan, self.order is not None and self.order.listed
        return plan is not None and (not (plan.objects or plan.left_out) or (is_listed and "refused" in plan.left_out))


def to_json(told: Told) -> dict[str, Any]:
    """Returns what is known of a run as one JSON object."""
    execution = told.execution
    return {
        "run": told.run,
        "order": msgspec.to_builtins(told.order),
        "plan": msgspec.to_builtins(told.plan),
        "estimate": asdict(told.estimate) if told.estimate else None,
        "execution": _execution_json(execution) if execution else None,
        "shards": msgspec.to_builtins(told.counts),
        "summary": msgspec.to_builtins(told.summary),
    }


def listing_json(executions: Iterable[Execution]) -> list[dict[str, Any]]:
    """Returns the runs of a stack as JSON."""
    return [{"run": one.run, **_execution_json(one)} for one in executions]


def plan_lines(told: Told) -> Iterator[str]:
    """Yields the lines that tell what a run will do."""
    plan, expected = told.plan, told.estimate
    if plan is None or expected is None:
        return
    yield _line("run", f"{told.run}{f' over {told.title}' if told.title else ''}")
    size = f" of {size_text(plan.bytes)}" if plan.bytes else ""  # a list need not tell sizes
    planned_at = plan.planned_at[:_TIME_CHARACTERS].replace("T", " ")
    yield _line("objects", f"{plan.objects:,}{size} in {count_text(plan.shards, 'shard')}, planned at {planned_at} UTC")
    if plan.left_out:
        yield _line("left out", ", ".join(f"{count:,} {_LEFT_OUT.get(name, name)}" for name, count in plan.left_out.items()))
    if not plan.objects:
        return
    yield _line(
        "images", f"about {expected.images:,}, by {plan.sampled.images:,} in {count_text(plan.sampled.objects, 'object')}"
    )
    lasting = "less than a minute" if expected.seconds < _MINUTE_S else f"about {duration_text(expected.seconds)}"
    yield _line("time", f"{lasting}, with {count_text(expected.workers, 'worker')} at the same time")
    yield _line("cost", f"about ${dollars_text(expected.dollars)}")
    if told.order is None or not told.order.writes_documents:
        yield _line("rows", plan.rows)
    elif told.output:
        yield _line("documents", told.output)


def nothing_lines(told: Told) -> Iterator[str]:
    """Yields the lines that tell that there is nothing to do."""
    if told.plan and not told.plan.left_out:
        yield f"nothing to do: expected objects of {told.title or 'the run'}, and found none; look at the address"
    else:
        yield f"nothing to do: every object of {told.title or 'the run'} has its answer, or is left out"


def detached_lines(told: Told) -> Iterator[str]:
    """Yields the lines that tell how to look at a run that goes on, and how to stop it."""
    counts = told.counts
    if counts and counts.total:
        yield _line("shards", f"{counts.done:,} of {counts.total:,} done, {counts.failed:,} of them failed")
    yield f"the run {told.run} goes on; look again: coatcheck backlog show {told.run}{told.options}"
    yield f"stop it: coatcheck backlog stop {told.run}{told.options}"


def end_lines(told: Told) -> Iterator[str]:
    """Yields the lines that tell what became of a run that is over."""
    execution = told.execution
    if execution and execution.status != Status.SUCCEEDED:
        reason = ", ".join(filter(None, (execution.error, execution.cause[:_MAX_CAUSE])))
        yield as_line(f"the run {told.run} is {execution.status.replace('_', ' ').lower()}{reason and f': {reason}'}")
    if told.summary:
        yield from _summary_lines(told, told.summary)
    if execution and execution.status != Status.SUCCEEDED:
        yield f"go on with what is left: {again_text(told)}"


def again_text(told: Told) -> str:
    """Returns the command that goes on with a run, as far as its order tells it."""
    order = told.order
    if order is None or order.listed or order.model:
        return f"the same command, with --run {told.run}"
    words = [order.prefix or "--all", "--run", told.run]
    words += [f"--{name}" for name in ("documents", "replace") if getattr(order, name)]
    return f"coatcheck backlog {shlex.join(words)}{told.options}"


def listing_lines(executions: Iterable[Execution]) -> Iterator[str]:
    """Yields a line for each execution."""
    for one in executions:
        began = f"{one.began:%Y-%m-%d %H:%M:%S}" if one.began else ""
        took = duration_text((one.ended - one.began).total_seconds()) if one.began and one.ended else ""
        other = f"  (execution {one.name})" if one.name != one.run else ""
        yield printable(f"{one.status.replace('_', ' ').lower():<10} {began:<20} {took:>8}  {one.run}{other}")


def count_text(count: int, noun: str) -> str:
    """Returns a count of something, as `1 shard` or `2 shards`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def size_text(size_bytes: int) -> str:
    """Returns a size in the unit in which it has one to three digits before the point."""
    size, units = float(size_bytes), ["bytes", "kB", "MB", "GB", "TB", "PB"]
    while size >= 999.5 and len(units) > 1:  # what rounds to 1,000 belongs to the next unit
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"


def duration_text(seconds: float) -> str:
    """Returns a duration in seconds, minutes, hours or days."""
    for unit, length, limit in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < limit * length:
            return f"{seconds / length:.2g} {unit}" if seconds < 10 * length else f"{seconds / length:,.0f} {unit}"
    return f"{seconds / 86400:,.1f} days"


def _summary_lines(told: Told, summary: Summary) -> Iterator[str]:
    counts = [f"{summary.outcomes[name]:,} {word}" for name, word in _OUTCOMES.items() if summary.outcomes.get(name)]
    finished = summary.shards.finished
    yield _line("run", f"{told.run}: {finished:,} of {count_text(summary.shards.planned, 'shard')} finished")
    yield _line("objects", ", ".join(counts) or "none")
    yield _line("images", f"{summary.images:,}, by {summary.model.name} {summary.model.version}")
    execution = told.execution
    took = (execution.ended - execution.began).total_seconds() if execution and execution.began and execution.ended else None
    lasted = f"{duration_text(took)}, and " if took is not None else ""
    yield _line("time", f"{lasted}{duration_text(summary.seconds)} of all workers together")
    yield _line("cost", f"about ${dollars_text(summary.dollars)}")
    if summary.rows:
        yield _line("rows", summary.rows)
    elif told.output:
        yield _line("documents", told.output)
    if summary.outcomes.get("rejected"):
        yield _line("rejected", f"{summary.outcomes['rejected']:,}; `coatcheck table` tells the reason of each, as its error")
    if summary.rows and told.order and told.order.model and told.output:
        yield _line("compare", f"coatcheck compare {told.output} {summary.rows}")
    if summary.failed and finished == summary.shards.planned:
        yield _line("failed", f"{count_text(summary.failed, 'object')}, listed in {summary.failed_list}")
        yield _line("again", f"coatcheck backlog {summary.failed_list}{told.options}")


def _line(name: str, text: str) -> str:
    return printable(f"{name:<{_WIDTH}} {text}")


def _execution_json(execution: Execution) -> dict[str, Any]:
    return {
        "execution": execution.name,
        "arn": execution.arn,
        "status": execution.status.value,
        "began": execution.began.isoformat() if execution.began else None,
        "ended": execution.ended.isoformat() if execution.ended else None,
        "error": execution.error or None,
        "cause": execution.cause or None,
    }
