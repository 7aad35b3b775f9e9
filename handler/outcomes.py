"""What became of each object: the one taxonomy that every trigger's protocol is answered from. Pure values.

`VERDICTS` is the one place where an outcome is turned into what its sender needs to know; each trigger says it in the words of
its own protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from handler.objects import ObjectRef


class Outcome(StrEnum):
    """What became of one object."""

    SCORED = "scored"  # its predictions were written
    DUPLICATE = "duplicate"  # its document was there already
    SUPERSEDED = "superseded"  # it changed while it was scored: the newer event does it
    GONE = "gone"  # it was deleted
    REJECTED = "rejected"  # the reason why it cannot be scored was written
    FAILED = "failed"  # nothing durable was done: it must be tried again


class Verdict(StrEnum):
    """What an outcome means to the sender: only what failed for a time is worth sending again."""

    SUCCEEDED = "succeeded"
    PERMANENT_FAILURE = "permanent failure"
    TEMPORARY_FAILURE = "temporary failure"


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
    """One object's outcome: its document if one stands, and why if it was rejected or failed.

    `ref` is the object that was looked for last. `size_bytes` is what was read of it. `images`, `unsure` and `by_class` count
    its predictions, if it was scored now or before.
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
        """What this means to whoever asked."""
        return VERDICTS[self.outcome]

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do that another delivery could."""
        return self.verdict is not Verdict.TEMPORARY_FAILURE


def count_outcomes(reports: Iterable[Report]) -> dict[str, int]:
    """Counts reports by outcome; every outcome is named."""
    counts = {outcome.value: 0 for outcome in Outcome}
    for report in reports:
        counts[report.outcome.value] += 1
    return counts
