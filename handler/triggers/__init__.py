"""Parses events of every source: names the objects that an event is about, and answers in the source's protocol. Pure.

Each module named in `TRIGGERS` handles one source: `recognises(event)` is true for no event of another source, and
`parse(event)` returns the messages in the event together with the function that answers it. To add a source, add a module and
name it in `TRIGGERS`, and in `_CARRIED` of `handler.triggers.carried` if queues may carry its events.
"""

from __future__ import annotations

from handler.errors import UnrecognisedEvent
from handler.triggers import batch_operations, direct, distributed_map, eventbridge, s3, schedule, sns, sqs
from handler.triggers.request import Request, Trigger

TRIGGERS: tuple[Trigger, ...] = (s3, sqs, sns, eventbridge, schedule, distributed_map, batch_operations, direct)


def parse_event(event: object) -> Request:
    """Recognises the source of an event, and parses the event to a request.

    Raises:
        UnrecognisedEvent: no trigger recognises the event; the error's message shows the event's keys, not their values.
    """
    if isinstance(event, dict):
        for trigger in TRIGGERS:
            if trigger.recognises(event):
                return trigger.parse(event)
    received = f"an object with the keys {sorted(map(str, event))}" if isinstance(event, dict) else type(event).__name__
    known = ", ".join(trigger.NAME for trigger in TRIGGERS)
    raise UnrecognisedEvent(f"Expected an event of one of: {known}. Received: {received}.")
