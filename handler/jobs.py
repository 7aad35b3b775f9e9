"""Defines the jobs that messages ask for, one object or a sweep over a prefix, and the queue of messages. Pure values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from handler.deadline import Deadline
from handler.objects import ObjectRef, Prefix

MAX_MESSAGES = 10  # in one call, which is SQS's own limit


@dataclass(frozen=True, slots=True)
class Sweep:
    """The job to find the inputs under `prefix` that have no document of the present model, and to have them scored.

    A prefix of None means all inputs. The sweep begins after the key `after`. `scheduled_time` is the time at which the sweep
    was due, as its schedule wrote it; it identifies the run, so that a retried run keeps its identity, whatever the clock says.
    """

    prefix: Prefix | None = None
    after: str = ""
    scheduled_time: str | None = None

    def __str__(self) -> str:
        due = f" due at {self.scheduled_time}" if self.scheduled_time else ""
        return f"sweep of {self.prefix or 'all inputs'}{due}"

    def as_message(self) -> dict[str, str]:
        """Returns the message by which the queue, or a person, asks for the job."""
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
    """The result of a sweep.

    Of the `examined` inputs, `refused` have no place for a document, and `missing` had no document of the present model. The
    missing ones were `sent` to the queue, or scored in place with the counts in `outcomes`. `handed_on` is the rest of the
    sweep, which was sent to the queue as well. `error` is the reason why the sweep is not finished; None if it is.
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
        """True if everything that the sweep asks for is durably done."""
        return self.error is None


def score_message(ref: ObjectRef) -> dict[str, list[str]]:
    """Returns the message by which the queue, or a person, asks for one object."""
    return {"objects": [str(ref)]}


class Queue(Protocol):
    """The queue from which the function takes its own work.

    Each method makes one call, for up to `MAX_MESSAGES` messages. It raises QueueUnavailable if some of the messages were not
    taken, in which case calling it again for all of them is harmless, and OutOfTime if the call did not end by `deadline`.
    """

    @property
    def name(self) -> str:
        """The name of the queue, by which a message is recognised as its own."""

    def send(self, messages: Sequence[Mapping[str, Any]], *, deadline: Deadline) -> None:
        """Sends messages."""

    def delete(self, handles: Sequence[str], *, deadline: Deadline) -> None:
        """Deletes messages that were delivered, each named by its receipt handle."""

    def hide(self, seconds: Mapping[str, int], *, deadline: Deadline) -> None:
        """Has messages that were delivered come again after some seconds from now, each named by its receipt handle."""
