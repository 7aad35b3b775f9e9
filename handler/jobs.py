"""What can be asked for beside single objects: a sweep over a prefix. Pure values, and their form in a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from handler.objects import ObjectRef, Prefix


@dataclass(frozen=True, slots=True)
class Sweep:
    """Finds the inputs under `prefix` (None: under all inputs) that have no document of the present model, and has them scored.

    It begins behind the key `after`. `scheduled_time` is when it was due, as its schedule wrote it: it names the run, so that
    a run that is tried again keeps its name, whatever the clock says.
    """

    prefix: Prefix | None = None
    after: str = ""
    scheduled_time: str | None = None

    def __str__(self) -> str:
        due = f" due at {self.scheduled_time}" if self.scheduled_time else ""
        return f"sweep of {self.prefix or 'all inputs'}{due}"

    def as_message(self) -> dict[str, str]:
        """The job as it is asked for in a message, or by hand."""
        message = {"job": "sweep"}
        if self.prefix:
            message["prefix"] = str(self.prefix)
        if self.after:
            message["after"] = self.after
        if self.scheduled_time is not None:
            message["scheduled_time"] = self.scheduled_time
        return message


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What became of a sweep.

    Of `examined` inputs `refused` have no place for a document, and `missing` had no document of the model. Those were `sent`
    to the queue, or scored in place with these `outcomes`. `handed_on` is what is left of it, sent to the queue as well.
    """

    sweep: Sweep
    examined: int = 0
    refused: int = 0
    missing: int = 0
    sent: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    handed_on: tuple[Sweep, ...] = ()
    error: Exception | None = None

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do that another delivery could."""
        return self.error is None


def score_message(ref: ObjectRef) -> dict[str, list[str]]:
    """One object as it is asked for in a message, or by hand."""
    return {"objects": [str(ref)]}
