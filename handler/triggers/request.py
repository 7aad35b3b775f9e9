"""What an event asks for, whichever source it has. Pure values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from handler.errors import UnreadableMessage
from handler.jobs import Sweep, SweepReport
from handler.objects import MAX_BUCKET_CHARACTERS, MAX_KEY_BYTES, ObjectRef
from handler.outcomes import Report

Results = Mapping[ObjectRef | Sweep, Report | SweepReport]


@dataclass(frozen=True, slots=True)
class Message:
    """What its source delivers, and may deliver again, as one.

    A message with a `problem` may still name objects; they are scored, and the message fails all the same. `alternatives` are
    the objects to try where there is none of the name given, for sources of which it is not known whether they encode keys.
    """

    id: str
    objects: tuple[ObjectRef, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    alternatives: Mapping[ObjectRef, ObjectRef] = field(default_factory=dict)
    problem: UnreadableMessage | None = None

    @property
    def asked(self) -> tuple[ObjectRef | Sweep, ...]:
        """All it asks for."""
        return *self.objects, *self.sweeps

    def is_finished(self, results: Results) -> bool:
        """Whether all it asks for is durably done."""
        return not self.problem and all(results[asked].is_finished for asked in self.asked)

    def reasons(self, results: Results) -> list[str]:
        """Why it is not finished."""
        failed = [asked for asked in self.asked if not results[asked].is_finished]
        reasons = [f"{asked} ({type(results[asked].error).__name__}: {results[asked].error})" for asked in failed]
        return [str(self.problem), *reasons] if self.problem else reasons


Answer = Callable[[Sequence[Message], Results], object]


@dataclass(frozen=True, slots=True)
class Request:
    """An event's messages; `answer` turns what became of what they ask for into what the source understands."""

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
        """For some of the objects, the one to try if there is none of that name."""
        return {ref: other for message in self.messages for ref, other in message.alternatives.items()}

    def reply(self, results: Results) -> object:
        """Answers the source, given what became of each of `objects` and `sweeps`."""
        return self.answer(self.messages, results)


class Trigger(Protocol):
    """What each module of `handler.triggers` offers that knows a source."""

    NAME: str

    def recognises(self, event: dict[str, Any]) -> bool:
        """Whether `event` comes from this source."""

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
