"""The answers that more than one source understands. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from handler.errors import InvocationFailed
from handler.jobs import SweepReport
from handler.outcomes import Report, count_outcomes
from handler.triggers.request import Message, Results

MAX_REASONS = 10  # in one error or summary: it lands in logs and answers of limited size


def answer_or_raise(messages: Sequence[Message], results: Results) -> dict[str, object]:
    """Answers sources that only look at whether the invocation succeeded; people read the rest.

    Raises:
        InvocationFailed: something is not finished; Lambda, or whoever invoked, is to deliver the whole event again.
    """
    reasons = [reason for message in messages for reason in message.reasons(results)]
    if reasons:
        unfinished = sum(not message.is_finished(results) for message in messages)
        raise InvocationFailed(f"{unfinished} of {len(messages)} records are not finished: {shorten(reasons)}")
    reports = list(results.reports.values())
    answer: dict[str, object] = {"objects": [_row(report) for report in reports], **summarise(reports)}
    return answer | {"sweeps": [_sweep_row(report) for report in results.sweeps.values()]} if results.sweeps else answer


def summarise(reports: Sequence[Report]) -> dict[str, object]:
    """Counts objects by outcome, and their images."""
    return {"outcomes": count_outcomes(reports), "images": sum(report.images for report in reports)}


def shorten(reasons: Sequence[str]) -> str:
    """Returns the first few reasons in one line, and the number of the others."""
    more = f"; and {len(reasons) - MAX_REASONS} more" if len(reasons) > MAX_REASONS else ""
    return "; ".join(reasons[:MAX_REASONS]) + more


def reports_of(messages: Iterable[Message], results: Results) -> list[Report]:
    """Returns the reports on the objects of some messages; one that is named twice is there twice."""
    return [results.reports[ref] for message in messages for ref in message.objects]


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
