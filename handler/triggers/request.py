"""Defines the request that an event of any source is parsed to, and the protocol of a source. Pure values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from handler.errors import UnreadableMessage
from handler.jobs import Asked, Sweep, SweepReport
from handler.objects import MAX_BUCKET_CHARACTERS, MAX_KEY_BYTES, ObjectRef
from handler.outcomes import Report, Reports
from handler.plain_text import plain


class Results(msgspec.Struct, frozen=True):
    """The reports on everything that an event asks for.

    `reports` holds them by the object that was asked for, `sweeps` by the sweep.
    """

    reports: Reports
    sweeps: Mapping[Sweep, SweepReport] = msgspec.field(default_factory=dict)

    def of(self, asked: ObjectRef | Sweep) -> Report | SweepReport:
        """Returns the report on one object or sweep that was asked for."""
        return self.sweeps[asked] if isinstance(asked, Sweep) else self.reports[asked]


class Message(msgspec.Struct, frozen=True):
    """The smallest part of an event that its source can deliver again.

    A message with a `problem` may still name objects; these are scored, and the message fails all the same. `alternatives` maps
    an object to the one that is scored if the first does not exist, for sources that may or may not encode keys. With
    `unless_done`, objects are not scored if their documents are there and right. `lists` is the number of lists by which they
    were named.

    A message of a queue has the name of the queue, a `body`, which can be sent again, a `receipt_handle`, by which the queue is
    told what to do with the message, and a `receive_count`, which is 1 at the first delivery. If the message is sent again as a
    new one, it keeps its original `body`, and its earlier failures are counted in `receive_count`.
    """

    id: str
    objects: tuple[ObjectRef, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    alternatives: Mapping[ObjectRef, ObjectRef] = msgspec.field(default_factory=dict)
    problem: UnreadableMessage | None = None
    unless_done: bool = False
    lists: int = 0
    queue_name: str | None = None
    body: str | None = None
    receipt_handle: str | None = None
    receive_count: int = 1

    @property
    def asked(self) -> tuple[ObjectRef | Sweep, ...]:
        """The objects and the sweeps that the message asks for."""
        return *self.objects, *self.sweeps

    def is_finished(self, results: Results) -> bool:
        """Returns whether everything that the message asks for is durably done."""
        return not self.problem and all(results.of(asked).is_finished for asked in self.asked)

    def reasons(self, results: Results) -> list[str]:
        """Returns the reasons why the message is not finished; none if it is finished."""
        failed = [(asked, results.of(asked).error) for asked in self.asked if not results.of(asked).is_finished]
        reasons = [plain(f"{asked} ({type(error).__name__}: {error})") for asked, error in failed]
        return [str(self.problem), *reasons] if self.problem else reasons


Answer = Callable[[Sequence[Message], Results], object]


class Request(msgspec.Struct, frozen=True):
    """The messages of an event, and the function that answers it.

    `trigger` is the name of the event's source. `answer` turns the results into the answer in the source's protocol.
    """

    trigger: str
    messages: tuple[Message, ...]
    answer: Answer

    @property
    def objects(self) -> tuple[ObjectRef, ...]:
        """The objects that the event names, in the event's order, each once."""
        return tuple(dict.fromkeys(ref for message in self.messages for ref in message.objects))

    @property
    def sweeps(self) -> tuple[Sweep, ...]:
        """The sweeps that the event asks for, in the event's order, each once."""
        return tuple(dict.fromkeys(sweep for message in self.messages for sweep in message.sweeps))

    @property
    def asked(self) -> tuple[Asked, ...]:
        """The objects that the event names, in the event's order, each once, and how they are to be scored.

        A message that was received before may have been done all the same, so its objects' documents are looked for.
        """
        asked = {ref: Asked(ref) for ref in self.objects}
        for message in self.messages:
            for ref in message.objects:
                one = asked[ref]
                asked[ref] = Asked(
                    ref,
                    message.alternatives.get(ref, one.alternative),
                    one.unless_done or message.unless_done or message.receive_count > 1,
                    max(one.lists, message.lists),
                )
        return tuple(asked.values())

    def reply(self, results: Results) -> object:
        """Returns the answer to the event's source, given the results of all `objects` and `sweeps`.

        Raises:
            InvocationFailed: the source must deliver the event again.
        """
        return self.answer(self.messages, results)


class Trigger(Protocol):
    """The protocol of the modules that `handler.triggers.TRIGGERS` names; `NAME` is the source in messages and logs."""

    NAME: str

    def recognises(self, event: dict[str, Any]) -> bool:
        """Returns whether `event` comes from this source."""

    def parse(self, event: dict[str, Any]) -> Request:
        """Returns the request of an event that this source recognises.

        Raises:
            UnrecognisedEvent: the event is malformed, so that it could not be answered.
        """


def name_object(bucket: str, key: str) -> ObjectRef:
    """Returns the address of an object, given its bucket and its decoded key.

    Raises:
        UnreadableMessage: no object can have this key, or no bucket this name.
    """
    try:
        key_bytes = len(key.encode())
    except UnicodeEncodeError as error:
        raise UnreadableMessage(
            "Expected a key in UTF-8. Received: one with halves of characters (lone surrogates)."
        ) from error
    if not 0 < len(bucket) <= MAX_BUCKET_CHARACTERS or not 0 < key_bytes <= MAX_KEY_BYTES:
        raise UnreadableMessage(
            f"Expected a bucket, and a key of 1 to {MAX_KEY_BYTES} bytes. Received: bucket={bucket!r}, and a key of "
            f"{key_bytes} bytes."
        )
    return ObjectRef(bucket, key)
