"""Defines the outcome of an object and the report on it, from which every trigger's answer is made. Pure values.

`Report.verdict` is the one place where an outcome is translated for the sender; each trigger expresses the verdict in its own
protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from handler.errors import DeadLetter, OutOfTime
from handler.objects import ObjectRef


class Outcome(StrEnum):
    """The outcome of one object in an invocation."""

    SCORED = "scored"  # its predictions were written
    DUPLICATE = "duplicate"  # its document existed before
    SUPERSEDED = "superseded"  # it changed while it was scored: the event of the newer version scores it
    GONE = "gone"  # it no longer exists
    REJECTED = "rejected"  # the reason why it cannot be scored was written
    FAILED = "failed"  # nothing durable was done: it must be tried again
    POSTPONED = "postponed"  # other objects used up the time, and another message was sent for it


class Verdict(StrEnum):
    """The meaning of a report to the sender: only a temporary failure is worth sending again."""

    SUCCEEDED = "succeeded"
    PERMANENT_FAILURE = "permanent failure"
    TEMPORARY_FAILURE = "temporary failure"
    DEAD_LETTER = "dead letter"  # no document can be written, and delivering it again does not help


VERDICTS: Mapping[Outcome, Verdict] = MappingProxyType(
    {
        Outcome.SCORED: Verdict.SUCCEEDED,
        Outcome.DUPLICATE: Verdict.SUCCEEDED,
        Outcome.SUPERSEDED: Verdict.SUCCEEDED,
        Outcome.GONE: Verdict.PERMANENT_FAILURE,
        Outcome.REJECTED: Verdict.PERMANENT_FAILURE,
        Outcome.FAILED: Verdict.TEMPORARY_FAILURE,
        Outcome.POSTPONED: Verdict.SUCCEEDED,
    }
)


class Report(msgspec.Struct, frozen=True):
    """The outcome of one object, its document if there is one, and the error if it was rejected or failed.

    `ref` is the object that was looked for last, and `size_bytes` its size. `images`, `unsure`, `unfamiliar` and
    `by_class` count the object's predictions, also if its document existed before, unless the document was looked for before
    the object was scored. `is_early` is false if the object's turn came late, because other objects came first.
    """

    ref: ObjectRef
    outcome: Outcome
    document: ObjectRef | None = None
    error: Exception | None = None
    images: int = 0
    size_bytes: int = 0
    unsure: int = 0
    unfamiliar: int = 0
    by_class: Mapping[str, int] = msgspec.field(default_factory=dict)
    is_early: bool = True

    @property
    def verdict(self) -> Verdict:
        """The meaning of this report to the sender."""
        return Verdict.DEAD_LETTER if isinstance(self.error, DeadLetter) else VERDICTS[self.outcome]

    @property
    def is_finished(self) -> bool:
        """True if the object's message may be deleted, because everything that it asks for is durably done."""
        return self.verdict in {Verdict.SUCCEEDED, Verdict.PERMANENT_FAILURE}

    @property
    def can_be_postponed(self) -> bool:
        """True if the object is not finished for no other reason than that other objects used up the time."""
        return isinstance(self.error, OutOfTime) and not self.is_early


Reports = Mapping[ObjectRef, Report]  # by the object that was asked for

Record = Callable[[ObjectRef, Report], None]  # takes the object that was asked for and its report, once it is done


def count_outcomes(reports: Iterable[Report]) -> dict[str, int]:
    """Returns the number of reports for each outcome, including those of which there is none."""
    counts = {outcome.value: 0 for outcome in Outcome}
    for report in reports:
        counts[report.outcome.value] += 1
    return counts
