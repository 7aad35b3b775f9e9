"""Builds the answers that several sources have in common. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from handler.errors import InvocationFailed
from handler.outcomes import Report, count_outcomes
from handler.plain_text import plain
from handler.triggers.request import Message, Results

MAX_REASONS = 10  # in one error or summary, since logs and answers are of limited size
MAX_ROWS_BYTES = 4 * 10**6  # of the objects in an answer, which Lambda limits to 6,291,556 bytes


def answer_or_raise(messages: Sequence[Message], results: Results) -> dict[str, object]:
    """Returns the answer for sources that only check whether the invocation succeeded; people read its content.

    Raises:
        InvocationFailed: a message is not finished, so that Lambda, or whoever invoked the function, must deliver the whole
            event again.
    """
    reasons = [reason for message in messages for reason in message.reasons(results)]
    if reasons:
        unfinished = sum(not message.is_finished(results) for message in messages)
        raise InvocationFailed(f"{unfinished} of {len(messages)} records are not finished: {shorten(reasons)}")
    reports = list(results.reports.values())
    rows = list(_rows_that_fit(reports))
    answer: dict[str, object] = {"objects": rows, **summarise(reports)}
    if len(rows) < len(reports):
        answer["objects_left_out"] = len(reports) - len(rows)
    sweeps = [report.sweep.as_message() | report.as_row() for report in results.sweeps.values()]
    return answer | {"sweeps": sweeps} if sweeps else answer


def summarise(reports: Sequence[Report]) -> dict[str, object]:
    """Returns the number of objects for each outcome, and the number of their images."""
    return {"outcomes": count_outcomes(reports), "images": sum(report.images for report in reports)}


def shorten(reasons: Sequence[str]) -> str:
    """Returns the first `MAX_REASONS` reasons in one line, and the number of the others."""
    more = f"; and {len(reasons) - MAX_REASONS} more" if len(reasons) > MAX_REASONS else ""
    return "; ".join(reasons[:MAX_REASONS]) + more


def reports_of(messages: Iterable[Message], results: Results) -> list[Report]:
    """Returns the reports on the objects of some messages, in order.

    The report on an object that is named twice is there twice.
    """
    return [results.reports[ref] for message in messages for ref in message.objects]


def _rows_that_fit(reports: Iterable[Report]) -> Iterator[dict[str, object]]:
    """Yields the rows of reports until they would be more than `MAX_ROWS_BYTES` as JSON in ASCII, its longest form."""
    left_bytes = MAX_ROWS_BYTES
    for row in map(_row, reports):
        left_bytes -= len(json.dumps(row)) + 2
        if left_bytes < 0:
            return
        yield row


def _row(report: Report) -> dict[str, object]:
    row: dict[str, object] = {
        "object": str(report.ref),
        "outcome": report.outcome.value,
        "document": str(report.document) if report.document else None,
    }
    return row | {"error": type(report.error).__name__, "reason": plain(str(report.error))} if report.error else row
