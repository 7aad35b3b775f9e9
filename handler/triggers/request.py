"""The requests of an event, whichever source it has. Pure values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from handler.errors import UnreadableMessage
from handler.jobs import Sweep, SweepReport
from handler.objects import MAX_BUCKET_CHARACTERS, MAX_KEY_BYTES, ObjectRef
from handler.outcomes import Report, Reports


@dataclass(frozen=True, slots=True)
class Results:
    """The result of everything that an event asks for: a report on each object and on each sweep, by how it was asked for."""

    reports: Reports
    sweeps: Mapping[Sweep, SweepReport] = field(default_factory=dict)

    def of(self, asked: ObjectRef | Sweep) -> Report | SweepReport:
        """Returns the report on one object or sweep."""
        return self.sweeps[asked] if isinstance(asked, Sweep) else self.reports[asked]


@dataclass(frozen=True, slots=True)
class Message:
    """The smallest part of an event that its source can deliver again.

    A message with a `problem` may still name objects; they are scored, and the message fails all the same. `alternatives` are
    the objects to try where there is none of the name given, for sources of which it is not known whether they encode keys. A
    queue's message has a `receipt_handle`, by which it can be given back, and a `receive_count`, which is 1 when it is
    delivered for the first time.
    """

    id: str
    objects: tuple[ObjectRef, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    alternatives: Mapping[ObjectRef, ObjectRef] = field(default_factory=dict)
    problem: UnreadableMessage | None = None
    receipt_handle: str | None = None
    receive_count: int = 1

    @property
    def asked(self) -> tuple[ObjectRef | Sweep, ...]:
        """Everything that it asks for."""
        return *self.objects, *self.sweeps

    def is_finished(self, results: Results) -> bool:
        """Returns whether everything that it asks for is durably done."""
        return not self.problem and all(results.of(asked).is_finished for asked in self.asked)

    def reasons(self, results: Results) -> list[str]:
        """Returns the reasons why it is not finished; none if it is."""
        failed = [(asked, results.of(asked).error) for asked in self.asked if not results.of(asked).is_finished]
        reasons = [f"{asked} ({type(error).__name__}: {error})" for asked, error in failed]
        return [str(self.problem), *reasons] if self.problem else reasons


Answer = Callable[[Sequence[Message], Results], object]


@dataclass(frozen=True, slots=True)
class Request:
    """The messages of an event; `answer` turns the results of what they ask for into what the source understands."""

    trigger: str
    messages: tuple[Message, ...]
    answer: Answer

    @property
    def objects(self) -> tuple[ObjectRef, ...]:
        """Every object that the event names, in its order, each once."""
        return tuple(dict.fromkeys(ref for message in self.messages for ref in message.objects))

    @property
    def sweeps(self) -> tuple[Sweep, ...]:
        """Every sweep that the event asks for, in its order, each once."""
        return tuple(dict.fromkeys(sweep for message in self.messages for sweep in message.sweeps))

    @property
    def alternatives(self) -> dict[ObjectRef, ObjectRef]:
        """The objects to try where there is none of the name given, by that name."""
        return {ref: other for message in self.messages for ref, other in message.alternatives.items()}

    def reply(self, results: Results) -> object:
        """Answers the source, given the results of all `objects` and `sweeps`."""
        return self.answer(self.messages, results)


class Trigger(Protocol):
    """The names that each module of `handler.triggers` offers which is named in `TRIGGERS`."""

    NAME: str

    def recognises(self, event: dict[str, Any]) -> bool:
        """Returns whether `event` comes from this source."""

    def parse(self, event: dict[str, Any]) -> Request:
        """Names the objects of an event that is recognised."""


def name_object(bucket: str, key: str) -> ObjectRef:
    """Makes the address of an object from a decoded key.

    Raises:
        UnreadableMessage: no object can have such a key.
    """
    try:
        key_bytes = len(key.encode())
    except UnicodeEncodeError as error:
        raise UnreadableMessage("Expected a key in UTF-8. Received: one with lone surrogates.") from error
    if not 0 < len(bucket) <= MAX_BUCKET_CHARACTERS or not 0 < key_bytes <= MAX_KEY_BYTES:
        raise UnreadableMessage(
            f"Expected a bucket, and a key of 1 to {MAX_KEY_BYTES} bytes. Received: bucket={bucket!r}, a key of {key_bytes}."
        )
    return ObjectRef(bucket, key)
