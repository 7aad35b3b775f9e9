"""Says what became of dead letters: a table for a terminal, and JSON. Pure; no text of a stranger moves a cursor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from infra.printable import as_line
from infra.redrive.running import Fate, Outcome

SOON_S = 2 * 86_400  # a letter that has less time left than a week-end is told of
MAX_TOLD = 20  # letters that stay, one line each; --json has all of them
_MAX_CHARACTERS = 300  # of a reason, or an address

_HEADS = ("kind", "error", "letters", "sent to", "oldest", "for example")


@dataclass(frozen=True, slots=True)
class Group:
    """The letters of one kind and error that went the same way; `to` is where, or why they did not."""

    kind: str
    error: str
    to: str
    letters: int
    oldest_s: float
    example: str

    @property
    def row(self) -> tuple[str, ...]:
        """The cells of the group's row."""
        return self.kind, self.error or "-", f"{self.letters:,}", self.to, span(self.oldest_s), self.example or "-"


def groups(fates: Sequence[Fate]) -> list[Group]:
    """Returns the letters in groups, the largest first, and groups of one size by their names."""
    members: dict[tuple[str, str, str], list[Fate]] = defaultdict(list)
    for fate in fates:
        members[(fate.reading.kind.value, fate.reading.error, _destination(fate))].append(fate)
    made = [
        Group(
            kind,
            error,
            to,
            len(those),
            max(one.age_s for one in those),
            next((it for one in those if (it := one.reading.asked)), ""),
        )
        for (kind, error, to), those in members.items()
    ]
    return sorted(made, key=lambda group: (-group.letters, group.kind, group.error, group.to))


def lines(outcome: Outcome, *, is_trial: bool) -> Iterator[str]:
    """Yields the lines that tell of a run."""
    fates = outcome.fates
    rows = [_HEADS, *(tuple(_short(cell) for cell in group.row) for group in groups(fates))] if fates else []
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))] if rows else []
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    staying = [fate for fate in fates if fate.reason]
    for fate in staying[:MAX_TOLD]:
        about = f"{fate.reading.kind.value}, {_short(fate.reading.asked) or 'unreadable'}"
        yield f"stays: {_short(fate.id)}, {about}: {_short(fate.reason)}"
    if len(staying) > MAX_TOLD:
        yield f"stays: {len(staying) - MAX_TOLD:,} more, which --json lists"
    if fates and not any(fate.is_sent or fate.reason for fate in fates):
        yield _hint(fates)
    if late := [fate.left_s for fate in fates if (is_trial or not fate.is_sent) and fate.left_s < SOON_S]:
        yield f"SQS deletes {len(late):,} of those that are still there soon, the first in {span(min(late))}"
    if outcome.hidden:
        yield f"{outcome.hidden:,} were hidden as this began, by another reader or a killed run; look again in 10 minutes"
    if outcome.missed:
        why = (
            "so many stay that SQS shows no others; mend or delete those, then run this again"
            if outcome.is_cut_short
            else "something else received or deleted them, or SQS counted late; look again in 10 minutes"
        )
        yield f"about {outcome.missed:,} that waited as this began were not met: {why}"
    yield _summary(outcome, is_trial=is_trial)


def to_json(outcome: Outcome, *, is_trial: bool) -> dict[str, Any]:
    """Returns what a run did as values of JSON."""
    return {
        "dry_run": is_trial,
        "sent": sum(fate.is_sent for fate in outcome.fates),
        "stay": sum(bool(fate.reason) for fate in outcome.fates),
        "not_asked_for": sum(not fate.is_sent and not fate.reason for fate in outcome.fates),
        "hidden": outcome.hidden,
        "missed": outcome.missed,
        "cut_short": outcome.is_cut_short,
        "interrupted": outcome.is_interrupted,
        "error": str(outcome.error) if outcome.error else None,
        "letters": [
            {
                "id": fate.id,
                "kind": fate.reading.kind.value,
                "error": fate.reading.error or None,
                "objects": [str(ref) for ref in fate.reading.objects],
                "asks_for": fate.reading.asked or None,
                "sent_to": fate.reading.way.value if fate.is_sent and fate.reading.way else None,
                "reason": fate.reason or None,
                "age_s": round(fate.age_s),
                "left_s": round(fate.left_s),
            }
            for fate in outcome.fates
        ],
    }


def span(seconds: float) -> str:
    """Returns a length of time in its largest unit, rounded down."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def _destination(fate: Fate) -> str:
    if fate.is_sent and fate.reading.way:
        return fate.reading.way.value
    return "stays" if fate.reason else "not asked for"


def _short(text: str) -> str:
    line = as_line(text[: 2 * _MAX_CHARACTERS])
    return line if len(line) <= _MAX_CHARACTERS else f"{line[:_MAX_CHARACTERS]}…"


def _hint(fates: Sequence[Fate]) -> str:
    """Returns what --only could have named, where it named nothing of what is there."""
    kinds = ", ".join(sorted({fate.reading.kind.value for fate in fates}))
    errors = ", ".join(sorted({_short(fate.reading.error) for fate in fates if fate.reading.error})) or "none is named"
    return f"--only names none of them: kinds are {kinds}; errors: {errors}; a pattern is of whole keys, like '*/coat.png'"


def _summary(outcome: Outcome, *, is_trial: bool) -> str:
    if not outcome.fates:
        if outcome.error or outcome.is_interrupted:
            return "ended before it met a dead letter"
        if outcome.missed:
            return "no dead letter was met"
        return "there are no others" if outcome.hidden else "there are no dead letters"
    sent, stay = sum(fate.is_sent for fate in outcome.fates), sum(bool(fate.reason) for fate in outcome.fates)
    others = len(outcome.fates) - sent - stay
    said = [f"{sent:,} would be sent back" if is_trial else f"{sent:,} sent back", f"{stay:,} stay"]
    said += [f"{others:,} not asked for"] if others else []
    said += ["nothing was changed"] if is_trial else []
    said += ["interrupted; run it again for the rest"] if outcome.is_interrupted else []
    return ", ".join(said)
