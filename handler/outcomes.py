"""The outcome of each object, which every trigger's protocol is answered from. Pure values.

`Report.verdict` is the one place where an outcome is turned into what its sender needs to know; each trigger says it in the
words of its own protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from handler.errors import DeadLetter
from handler.objects import ObjectRef


class Outcome(StrEnum):
    """The outcome of one object."""

    SCORED = "scored"  # its predictions were written
    DUPLICATE = "duplicate"  # its document was there already
    SUPERSEDED = "superseded"  # it changed while it was scored: the newer event does it
    GONE = "gone"  # it was deleted
    REJECTED = "rejected"  # the reason why it cannot be scored was written
    FAILED = "failed"  # nothing durable was done: it must be tried again


class Verdict(StrEnum):
    """The meaning of a report to the sender: only what failed for a time is worth sending again."""

    SUCCEEDED = "succeeded"
    PERMANENT_FAILURE = "permanent failure"
    TEMPORARY_FAILURE = "temporary failure"
    DEAD_LETTER = "dead letter"  # nothing could be written: it is not finished, and no other delivery helps


VERDICTS: Mapping[Outcome, Verdict] = MappingProxyType(
    {
        Outcome.SCORED: Verdict.SUCCEEDED,
        Outcome.DUPLICATE: Verdict.SUCCEEDED,
        Outcome.SUPERSEDED: Verdict.SUCCEEDED,
        Outcome.GONE: Verdict.PERMANENT_FAILURE,
        Outcome.REJECTED: Verdict.PERMANENT_FAILURE,
        Outcome.FAILED: Verdict.TEMPORARY_FAILURE,
    }
)


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one object, its document if there is one, and the error if it was rejected or failed.

    `ref` is the object that was looked for last, and `size_bytes` its size. `images`, `unsure` and `by_class` count its
    predictions, if it was scored now or before.
    """

    ref: ObjectRef
    outcome: Outcome
    document: ObjectRef | None = None
    error: Exception | None = None
    images: int = 0
    size_bytes: int = 0
    unsure: int = 0
    by_class: Mapping[str, int] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The meaning of this report to the sender."""
        return Verdict.DEAD_LETTER if isinstance(self.error, DeadLetter) else VERDICTS[self.outcome]

    @property
    def is_finished(self) -> bool:
        """Whether the object's message may be deleted, since all that there is to do is durably done."""
        return self.verdict in {Verdict.SUCCEEDED, Verdict.PERMANENT_FAILURE}


Reports = Mapping[ObjectRef, Report]  # by the name that the object was asked for by

Record = Callable[[ObjectRef, Report], None]  # takes each report, with that name, as soon as its object is done


def count_outcomes(reports: Iterable[Report]) -> dict[str, int]:
    """Counts reports by outcome; every outcome is named."""
    counts = {outcome.value: 0 for outcome in Outcome}
    for report in reports:
        counts[report.outcome.value] += 1
    return counts
