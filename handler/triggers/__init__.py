"""Event sources: each names the objects of its events and answers in its own protocol. Pure.

Each module named in `TRIGGERS` knows one source: `recognises(event)`, which is true for no event of another, and
`parse(event)`, which returns the messages in it together with the way to answer. Adding a source is adding a module and naming
it there.
"""

from __future__ import annotations

from handler.errors import UnrecognisedEvent
from handler.triggers import batch_operations, direct, distributed_map, eventbridge, s3, schedule, sns, sqs
from handler.triggers.request import Request, Trigger

TRIGGERS: tuple[Trigger, ...] = (s3, sqs, sns, eventbridge, schedule, distributed_map, batch_operations, direct)


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
