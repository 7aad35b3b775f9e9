"""Tells what a run did, to people as tables and to machines as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from handler.contract import Manifest
from handler.outcomes import Outcome
from infra.printable import printable
from infra.score.tally import Tally

MAX_REASONS = 5

_MAX_EXAMPLE_CHARACTERS = 600


_WORDS = {
    Outcome.SCORED: "scored",
    Outcome.DUPLICATE: "passed over, since their documents were there",
    Outcome.REJECTED: "rejected",
    Outcome.FAILED: "failed",
    Outcome.GONE: "gone",
    Outcome.SUPERSEDED: "changed meanwhile",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The result of a run: its counts, the model, the seconds it took, and the places of what it wrote, by kind.

    `links` were passed over, and so were lines of a list that name what lies in the output, `in_output`.
    """

    tally: Tally
    links: int
    in_output: int
    manifest: Manifest
    seconds: float
    places: dict[str, str]


def to_json(summary: Summary) -> dict[str, Any]:
    """Returns the summary as one JSON object."""
    tally, manifest = summary.tally, summary.manifest
    return {
        "objects": {outcome.value: tally.outcomes[outcome] for outcome in Outcome if outcome is not Outcome.POSTPONED},
        "links": summary.links,
        "in_output": summary.in_output,
        "images": tally.images,
        "classified": tally.classified,
        "by_class": {name: tally.by_class[name] for name in manifest.classes},
        **_marked(summary),
        "rejected": _reasons(tally.rejected, tally),
        "failed": _reasons(tally.failed, tally),
        "model": {"name": manifest.name, "version": manifest.version, "sha256": manifest.model.sha256},
        "seconds": round(summary.seconds, 3),
        **summary.places,
    }


def show(summary: Summary, console: Console) -> None:
    """Prints the summary for people."""
    tally = summary.tally
    console.print(_sentence(summary), soft_wrap=True)
    if tally.images:
        console.print(_classes(summary))
        marked = "".join(f", {_share(count, tally)} {mark}" for mark, count in _marked(summary).items() if count is not None)
        console.print(f"{tally.images:,} images{marked}", soft_wrap=True)
    for title, counts in (("rejected", tally.rejected), ("failed", tally.failed)):
        if counts:
            console.print(_table_of_reasons(title, counts, tally))
    for kind, place in summary.places.items():
        console.print(f"{kind}: {place}", soft_wrap=True, markup=False)


def _sentence(summary: Summary) -> str:
    outcomes = summary.tally.outcomes
    counts = [f"{outcomes[outcome]:,} {word}" for outcome, word in _WORDS.items() if outcomes[outcome]] or ["nothing to do"]
    passed_over = {"links": summary.links, "lines that name something in --out": summary.in_output}
    left_out = "".join(f"; left out: {count:,} {what}" for what, count in passed_over.items() if count)
    return f"{summary.tally.objects:,} objects in {summary.seconds:.1f} s: {', '.join(counts)}{left_out}"


def _marked(summary: Summary) -> dict[str, int | None]:
    """Returns the number of predictions for each mark; None if the model has no threshold for it."""
    manifest, tally = summary.manifest, summary.tally
    return {
        "unsure": tally.unsure if manifest.unsure_below is not None else None,
        "unfamiliar": tally.unfamiliar if manifest.unfamiliar_below is not None else None,
    }


def _classes(summary: Summary) -> Table:
    table = Table(
        "class",
        Column("images", justify="right"),
        Column("share", justify="right"),
        title=f"{summary.manifest.name} {summary.manifest.version}",
        title_justify="left",
    )
    for name in summary.manifest.classes:
        count = summary.tally.by_class[name]
        table.add_row(Text(printable(name)), f"{count:,}", _percent(count, summary.tally))
    return table


def _table_of_reasons(title: str, counts: Counter[str], tally: Tally) -> Table:
    """Returns a table of the commonest reasons, each with the message of one image or object."""
    table = Table(title, Column("count", justify="right"), "for example", title_justify="left")
    for reason in _reasons(counts, tally):
        table.add_row(reason["error"], f"{reason['count']:,}", Text(reason["example"]))
    if len(counts) > MAX_REASONS:
        table.add_row("others", f"{counts.total() - sum(count for _, count in counts.most_common(MAX_REASONS)):,}", "")
    return table


def _reasons(counts: Counter[str], tally: Tally) -> list[dict[str, Any]]:
    """Returns the commonest reasons, the most frequent one first."""
    return [
        {"error": error, "count": count, "example": printable(tally.examples[error][:_MAX_EXAMPLE_CHARACTERS])}
        for error, count in counts.most_common(MAX_REASONS)
    ]


def _share(count: int, tally: Tally) -> str:
    return f"{count:,} ({_percent(count, tally)})"


def _percent(count: int, tally: Tally) -> str:
    return f"{count / tally.images:.0%}"
