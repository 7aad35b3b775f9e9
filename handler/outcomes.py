"""What became of each object: the one taxonomy that every trigger's protocol is answered from. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from handler.objects import ObjectRef


class Outcome(StrEnum):
    """What became of one object."""

    SCORED = "scored"  # its predictions were written
    DUPLICATE = "duplicate"  # its document was there already
    SUPERSEDED = "superseded"  # it changed while it was scored: the newer event does it
    GONE = "gone"  # it was deleted
    REJECTED = "rejected"  # the reason why it cannot be scored was written
    FAILED = "failed"  # nothing durable was done: it must be tried again


@dataclass(frozen=True, slots=True)
class Report:
    """One object's outcome: its document if one stands, why if it was rejected or failed, and how many images were scored."""

    ref: ObjectRef
    outcome: Outcome
    document: ObjectRef | None = None
    error: Exception | None = None
    images: int = 0
