"""Defines the jobs that messages ask for, one object or a sweep over a prefix, and the queue of messages. Pure values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from handler.deadline import Deadline
from handler.objects import ObjectRef, Prefix

MAX_MESSAGES = 10  # in one call, which is SQS's own limit


class Chain(msgspec.Struct, frozen=True):
    """The state of a sweep that goes on from one invocation to the next.

    The sweep began at `began`. It may still send `may_send` objects. Since it could send no more, it found `unsent` ones, and
    `unseen` ones whose documents it did not look at. `is_clean` is True if every document so far was found to be right by
    `maker`, from the beginning of the prefix on.
    """

    began: datetime
    may_send: int
    unsent: int = 0
    unseen: int = 0
    is_clean: bool = True
    maker: str = ""

    def as_message(self) -> dict[str, object]:
        """Returns this state as a part of a message."""
        return {
            "began": self.began.isoformat(),
            "may_send": self.may_send,
            "unsent": self.unsent,
            "unseen": self.unseen,
            "is_clean": self.is_clean,
            "maker": self.maker,
        }


class Sweep(msgspec.Struct, frozen=True):
    """The job to find the inputs under `prefix` that have no document of the present maker, and to have them scored.

    A prefix of None means all inputs. The sweep begins after the key `after`. `scheduled_time` is the time at which the sweep
    was due, as its schedule wrote it; it identifies the run, so that a retried run keeps its identity, whatever the clock says.
    `rescore` lifts the limit on the number of objects, and `verify` has every document looked at, whatever the listings show.
    `chain` is the state of the sweep whose rest this one is; None if this one is a beginning.
    """

    prefix: Prefix | None = None
    after: str = ""
    scheduled_time: str | None = None
    rescore: bool = False
    verify: bool = False
    chain: Chain | None = None

    def __str__(self) -> str:
        due = f" due at {self.scheduled_time}" if self.scheduled_time else ""
        return f"sweep of {self.prefix or 'all inputs'}{due}"

    def as_message(self) -> dict[str, object]:
        """Returns the message by which the queue, or a person, asks for the job."""
        message: dict[str, object] = {"job": "sweep"}
        if self.prefix:
            message["prefix"] = str(self.prefix)
        if self.after:
            message["after"] = self.after
        if self.scheduled_time is not None:
            message["scheduled_time"] = self.scheduled_time
        message |= {name: True for name in ("rescore", "verify") if getattr(self, name)}
        return message | {"chain": self.chain.as_message()} if self.chain else message


class SweepReport(msgspec.Struct, frozen=True):
    """The result of a sweep, or of the part of it that one invocation did.

    Of the `examined` inputs, `archived` cannot be read before they are restored, `refused` have no place for a document,
    `missing` had no document of their present state, and `outdated` one of another maker. To know this, the documents of
    `looked_at` inputs were looked at one by one; listings told the rest. To score the missing and the outdated ones costs about
    `dollars`. They were `sent` to the queue, or scored in place with the counts in `outcomes`, except for `unsent` ones beyond
    the limit. Beyond it, `unseen` documents were not looked at either. `handed_on` is the rest of the sweep, which was sent to
    the queue as well. `stopped` is the reason why the sweep left something undone, for a person to decide on; None if it did
    not. `error` is the reason why the sweep is not finished; None if it is.
    """

    sweep: Sweep
    examined: int = 0
    archived: int = 0
    refused: int = 0
    missing: int = 0
    outdated: int = 0
    looked_at: int = 0
    sent: int = 0
    unsent: int = 0
    unseen: int = 0
    dollars: float = 0.0
    outcomes: Mapping[str, int] = msgspec.field(default_factory=dict)
    handed_on: tuple[Sweep, ...] = ()
    stopped: str | None = None
    error: Exception | None = None

    @property
    def is_finished(self) -> bool:
        """True if everything that the sweep asks for is durably done."""
        return self.error is None

    def as_row(self) -> dict[str, object]:
        """Returns the figures as the log and the answers show them."""
        return {
            "examined": self.examined,
            "archived": self.archived,
            "refused": self.refused,
            "missing": self.missing,
            "outdated": self.outdated,
            "looked_at": self.looked_at,
            "sent": self.sent,
            "unsent": self.unsent,
            "unseen": self.unseen,
            "dollars": self.dollars,
            "outcomes": dict(self.outcomes),
            "handed_on": [sweep.as_message() for sweep in self.handed_on],
            "stopped": self.stopped,
        }


class Asked(msgspec.Struct, frozen=True):
    """The job to score one object.

    If there is no object `ref`, its `alternative` is scored, unless that is None. With `unless_done`, nothing is scored if the
    object's document is there and right. `lists` is the number of lists by which the object was named, each of which but the
    first was named by the one before.
    """

    ref: ObjectRef
    alternative: ObjectRef | None = None
    unless_done: bool = False
    lists: int = 0

    def as_message(self) -> dict[str, object]:
        """Returns the message by which the queue, or a person, asks for the job; an alternative is not part of it."""
        message: dict[str, object] = {"objects": [str(self.ref)]}
        if self.unless_done:
            message["unless_done"] = True
        return message | {"lists": self.lists} if self.lists else message


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

    def count_waiting(self, *, deadline: Deadline) -> int:
        """Returns about how many messages wait to be delivered."""
