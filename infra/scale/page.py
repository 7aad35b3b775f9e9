"""Writes docs/scale.md and its picture: what the stack does with millions of images, as it is simulated.

python -m infra.scale.page            after a change of the template, the state machine, measured times, or the simulation
python -m infra.scale.page --again    the page alone, of what was simulated before: after a change of its text, or of prices
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from handler.backlog.grouping import MAX_OBJECTS
from infra.bench.results import load_results
from infra.cost.prices import Prices, load_prices
from infra.cost.telling import dollars_text
from infra.cost.times import Client, load_times
from infra.paths import ROOT
from infra.scale.instance import Invocation, duration_s, read_costs
from infra.scale.measured import Comparison, compare, load_measured
from infra.scale.outcome import ARRIVALS, FEW_SHARDS, Outcome
from infra.scale.plots import draw
from infra.scale.results import Simulated, load_simulated, save_simulated, simulate_all
from infra.scale.scenarios import PACKED_IMAGES, Scenario, deployed_scenarios, turned_backlogs, turned_uploads
from infra.scale.stack import Stack

PAGE, PICTURE = ROOT / "docs" / "scale.md", ROOT / "docs" / "scale.svg"

HEADS = ("load", "time", "first results", "most workers", "oldest message", "dollars", "saturates first", "held up longest by")
TURNED_HEADS = ("most workers", "dollars", "tried again", "not done", "held up longest by")
UPLOAD_HEADS = ("what is turned", "time", "oldest message", *TURNED_HEADS)
BACKLOG_HEADS = ("what is turned", "time", "first results", *TURNED_HEADS)
BENCH_HEADS = ("one batch of 100 objects", "simulated", "measured", "error")
RUN_HEADS = ("run", "measured", "simulated with its own times", "error", "simulated with one worker's times", "error ")

_LEFT = {"load", "what is turned", "saturates first", "held up longest by", "one batch of 100 objects", "run"}
_MINUTE_S, _HOUR_S = 60, 3_600
_BATCH = 100  # objects, at which the benchmark measures
_DELAYS_MS = (0, 30, 100)


def render_page(simulated: Simulated) -> str:
    """Returns the page, for the prices that ship and what was measured."""
    prices, stack = load_prices(), simulated.stack
    measured = load_measured()
    environment = Environment(  # noqa: S701  # Markdown of our own words, which nothing is to be escaped in
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["number"] = lambda value: f"{value:,.0f}"
    uploads_rate, rows_rate = _rate(stack, writes=True), _rate(stack, writes=False)
    return environment.get_template("page.md.jinja").render(
        deployment=stack.deployment,
        limits=stack.limits,
        stack=stack,
        prices=prices,
        times=stack.times,
        packed=PACKED_IMAGES,
        uploads_rate=uploads_rate,
        rows_rate=rows_rate,
        most_writers=stack.limits.puts_per_second / uploads_rate,
        most_readers=stack.limits.gets_per_second / rows_rate,
        packed_rate=1 / stack.costs.packed_image_s,
        list_rate=stack.limits.page_objects / stack.limits.list_s,
        deployed=_table(HEADS, [_row(scenario, simulated.of(scenario), prices, stack) for scenario in deployed_scenarios()]),
        uploads=_turned_table(UPLOAD_HEADS, turned_uploads(), simulated, prices),
        backlogs=_turned_table(BACKLOG_HEADS, turned_backlogs(), simulated, prices),
        bench=_table(BENCH_HEADS, _bench_rows(stack)),
        measured=measured,
        runs=_table(RUN_HEADS, map(_run_row, compare(measured.runs, stack))) if measured else "",
    )


def _rate(stack: Stack, *, writes: bool) -> float:
    objects = stack.deployment.batch_objects if writes else MAX_OBJECTS
    return objects / stack.duration_s(Invocation(objects, 1, writes))


def _row(scenario: Scenario, outcome: Outcome, prices: Prices, stack: Stack) -> tuple[str, ...]:
    return (
        scenario.name,
        time_text(outcome.seconds),
        time_text(outcome.first_s),
        f"{outcome.peak:,}",
        time_text(outcome.oldest_s) if outcome.way == "uploads" else "none",
        dollars_text(outcome.counts.dollars(prices, stack.deployment.memory_mb)),
        outcome.first_bound or "nothing",
        _bound(outcome),
    )


def _turned_table(heads: Sequence[str], scenarios: Iterable[Scenario], simulated: Simulated, prices: Prices) -> str:
    rows = []
    for scenario in scenarios:
        outcome = simulated.of(scenario)
        memory_mb = int(scenario.turned.get("memory_mb", simulated.stack.deployment.memory_mb))
        rows.append(
            (
                scenario.name,
                time_text(outcome.seconds),
                time_text(outcome.oldest_s if outcome.way == "uploads" else outcome.first_s),
                f"{outcome.peak:,}",
                dollars_text(outcome.counts.dollars(prices, memory_mb)),
                _share(outcome.repeated, scenario.load.objects),
                _share(outcome.failed + outcome.left, scenario.load.objects),
                _bound(outcome),
            )
        )
    return _table(heads, rows)


def _bound(outcome: Outcome) -> str:
    names = {ARRIVALS: "nothing: messages are too few, or wait to come again", FEW_SHARDS: "nothing: shards are too few"}
    return f"{names.get(outcome.bound, outcome.bound)} ({outcome.bounds[outcome.bound]:.0%})"


def _share(part: int, whole: int) -> str:
    return "0" if not part else "below 0.1%" if part < whole / 1000 else f"{part / whole:.1%}"


def _bench_rows(stack: Stack) -> Iterable[tuple[str, ...]]:
    """Yields one instance as it is simulated beside the measured one."""
    results, times = load_results(), load_times()
    connections = results.settings["S3_CONCURRENCY"]
    for client in Client:
        costs = read_costs(results, times, client)
        for delay_ms in _DELAYS_MS:
            series = results.find(f"function, {client}, {delay_ms} ms, time of an object")
            if series is None:
                continue
            measured_ms = series.median * _BATCH
            simulated_ms = 1000 * duration_s(Invocation(_BATCH, 1, writes=True), costs, connections, delay_ms / 1000)
            note = ", from which it is calibrated" if delay_ms == 0 else ""
            name = f"{client}, S3 answers after {delay_ms} ms{note}"
            yield _beside(name, simulated_ms, measured_ms)
        shard_ms = 1000 * duration_s(Invocation(MAX_OBJECTS, 1, writes=False), costs, connections, stack.limits.s3_s)
        yield _beside(f"{client}, a shard of {MAX_OBJECTS:,} objects instead", shard_ms, MAX_OBJECTS * times.row_ms(client))


def _beside(name: str, simulated_ms: float, measured_ms: float) -> tuple[str, ...]:
    return name, f"{simulated_ms:,.0f} ms", f"{measured_ms:,.0f} ms", _error(simulated_ms / measured_ms - 1)


def _error(share: float) -> str:
    return f"{share:+.0%}".replace("-0%", "0%").replace("+0%", "0%")


def _run_row(comparison: Comparison) -> tuple[str, ...]:
    run = comparison.run
    workers = "1 worker" if run.workers == 1 else f"{run.workers} workers"
    rate = f"{run.objects / run.seconds:,.0f} objects/s, {run.images / run.seconds:,.0f} images/s"
    return (
        f"{run.way}, {workers}, {run.objects:,} objects in {run.invocations} invocations",
        f"{run.seconds:.1f} s ({rate})",
        f"{comparison.own_s:.1f} s",
        _error(comparison.own_error),
        f"{comparison.foretold_s:.1f} s",
        _error(comparison.foretold_error),
    )


def time_text(seconds: float) -> str:
    """Returns seconds in the unit in which they are easiest to read."""
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.1f} min"
    return "never" if seconds == float("inf") else f"{seconds / _HOUR_S:.1f} h"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rules = ["---" if head in _LEFT else "---:" for head in heads]
    return "\n".join(f"| {' | '.join(line)} |" for line in [[head.strip() for head in heads], rules, *rows])


def main(arguments: Sequence[str]) -> None:
    """Simulates everything, unless that is not to be done again, and writes the page and the picture."""
    if "--again" not in arguments:
        save_simulated(simulate_all())
    simulated = load_simulated()
    draw(simulated, PICTURE)
    PAGE.write_text(render_page(simulated), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
