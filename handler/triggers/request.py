"""What an event asks for, whichever source it has. Pure values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from handler.errors import UnreadableMessage
from handler.objects import MAX_KEY_BYTES, ObjectRef
from handler.outcomes import Outcome, Report


@dataclass(frozen=True, slots=True)
class Message:
    """What its source delivers, and may deliver again, as one.

    A message with a `problem` may still name objects; they are scored, and the message fails all the same.
    """

    id: str
    objects: tuple[ObjectRef, ...] = ()
    problem: UnreadableMessage | None = None

    def is_finished(self, reports: Mapping[ObjectRef, Report]) -> bool:
        """Whether all it asks for is durably done."""
        return not self.problem and all(reports[ref].outcome is not Outcome.FAILED for ref in self.objects)


Answer = Callable[[Sequence[Message], Mapping[ObjectRef, Report]], object]


@dataclass(frozen=True, slots=True)
class Request:
    """An event's messages; `answer` turns what became of their objects into what the source understands."""

    trigger: str
    messages: tuple[Message, ...]
    answer: Answer

    @property
    def objects(self) -> tuple[ObjectRef, ...]:
        """Every object that the event names, in its order, each once."""
        return tuple(dict.fromkeys(ref for message in self.messages for ref in message.objects))

    def reply(self, reports: Mapping[ObjectRef, Report]) -> object:
        """Answers the source, given a report on each of `objects`."""
        return self.answer(self.messages, reports)


def name_object(bucket: str, key: str) -> ObjectRef:
    """Makes the address of an object from a decoded key.

    Raises:
        UnreadableMessage: no object can have such a key.
    """
    try:
        key_bytes = len(key.encode())
    except UnicodeEncodeError as error:
        raise UnreadableMessage("Expected a key in UTF-8. Received: one with lone surrogates.") from error
    if not bucket or not 0 < key_bytes <= MAX_KEY_BYTES:
        raise UnreadableMessage(
            f"Expected a bucket, and a key of 1 to {MAX_KEY_BYTES} bytes. Received: bucket={bucket!r}, a key of {key_bytes}."
        )
    return ObjectRef(bucket, key)
