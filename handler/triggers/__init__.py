"""Event sources: each names the objects of its events and answers in its own protocol. Pure.

Each module here knows one source: `recognises(event)`, and `parse(event)`, which returns the messages in it together with the
way to answer. Adding a source is adding a module and naming it in `TRIGGERS`.
"""

from __future__ import annotations

from typing import Any, Protocol

from handler.errors import UnrecognisedEvent
from handler.triggers import s3, sqs
from handler.triggers.request import Request


class Trigger(Protocol):
    """What a module of this package offers."""

    NAME: str

    def recognises(self, event: dict[str, Any]) -> bool:
        """Whether `event` comes from this source."""

    def parse(self, event: dict[str, Any]) -> Request:
        """Names the objects of an event that is recognised."""


TRIGGERS: tuple[Trigger, ...] = (s3, sqs)


def parse_event(event: object) -> Request:
    """Finds the source of an event and names its objects.

    Raises:
        UnrecognisedEvent: no source knows it; the message shows its keys, not what they hold.
    """
    if isinstance(event, dict):
        for trigger in TRIGGERS:
            if trigger.recognises(event):
                return trigger.parse(event)
    received = f"an object with the keys {sorted(map(str, event))}" if isinstance(event, dict) else type(event).__name__
    known = ", ".join(trigger.NAME for trigger in TRIGGERS)
    raise UnrecognisedEvent(f"Expected an event of one of: {known}. Received: {received}.")
