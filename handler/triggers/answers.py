"""The answers that more than one source understands. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from handler.errors import InvocationFailed
from handler.jobs import SweepReport
from handler.outcomes import Report, count_outcomes
from handler.triggers.request import Message, Results

MOST_REASONS = 10  # in one error or summary: it lands in logs and answers of limited size


def answer_or_raise(messages: Sequence[Message], results: Results) -> dict[str, object]:
    """For sources that look at nothing but whether the invocation succeeded; people read the rest.

    Raises:
        InvocationFailed: something is not finished; Lambda, or whoever invoked, is to deliver the whole event again.
    """
    reasons = [reason for message in messages for reason in message.reasons(results)]
    if reasons:
        unfinished = sum(not message.is_finished(results) for message in messages)
        raise InvocationFailed(f"{unfinished} of {len(messages)} records are not finished: {shorten(reasons)}")
    reports = [result for result in results.values() if isinstance(result, Report)]
    sweeps = [result for result in results.values() if isinstance(result, SweepReport)]
    answer: dict[str, object] = {"objects": [_row(report) for report in reports], **summarise(reports)}
    return answer | {"sweeps": [_sweep_row(report) for report in sweeps]} if sweeps else answer


def summarise(reports: Sequence[Report]) -> dict[str, object]:
    """Counts objects by outcome, and their images."""
    return {"outcomes": count_outcomes(reports), "images": sum(report.images for report in reports)}


def shorten(reasons: Sequence[str]) -> str:
    """The first few reasons, and how many there are beside them."""
    more = f"; and {len(reasons) - MOST_REASONS} more" if len(reasons) > MOST_REASONS else ""
    return "; ".join(reasons[:MOST_REASONS]) + more


def reports_of(messages: Iterable[Message], results: Results) -> list[Report]:
    """The reports on what messages name, an object that is named twice being counted twice."""
    named = [results[ref] for message in messages for ref in message.objects]
    return [result for result in named if isinstance(result, Report)]


def _row(report: Report) -> dict[str, object]:
    row: dict[str, object] = {
        "object": str(report.ref),
        "outcome": report.outcome.value,
        "document": str(report.document) if report.document else None,
    }
    return row | {"error": type(report.error).__name__, "reason": str(report.error)} if report.error else row


def _sweep_row(report: SweepReport) -> dict[str, object]:
    return {
        **report.sweep.as_message(),
        "examined": report.examined,
        "refused": report.refused,
        "missing": report.missing,
        "sent": report.sent,
        "outcomes": dict(report.outcomes),
        "handed_on": [sweep.as_message() for sweep in report.handed_on],
    }
