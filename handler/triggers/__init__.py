"""Parses events of every source: names the objects that an event is about, and answers in the source's protocol. Pure.

Each module named in `TRIGGERS` handles one source: `recognises(event)` is true for no event of another source, and
`parse(event)` returns the messages in the event together with the function that answers it. To add a source, add a module and
name it in `TRIGGERS`, and in `_CARRIED` of `handler.triggers.carried` if queues may carry its events.
"""

from __future__ import annotations

from typing import Any

from handler.errors import UnrecognisedEvent
from handler.triggers import batch_operations, cloudtrail, direct, distributed_map, eventbridge, s3, schedule, sns, sqs
from handler.triggers.request import Request, Trigger
from handler.triggers.task_token import refuse_task_token

TRIGGERS: tuple[Trigger, ...] = (s3, sqs, sns, eventbridge, cloudtrail, schedule, distributed_map, batch_operations, direct)


def parse_event(event: object) -> Request:
    """Recognises the source of an event, and parses the event to a request.

    Raises:
        UnrecognisedEvent: no trigger recognises the event, or its sender waits for a task token; the error's message shows the
            event's keys and the sources of its records, and no other values.
    """
    if isinstance(event, dict):
        refuse_task_token(event)
        for trigger in TRIGGERS:
            if trigger.recognises(event):
                return trigger.parse(event)
    known = ", ".join(trigger.NAME for trigger in TRIGGERS)
    raise UnrecognisedEvent(
        f"Expected an event of one of: {known}. Received: {_shown(event)}. "
        'To have objects scored by hand, send {"objects": ["s3://bucket/key"]}.'
    )


def _shown(event: object) -> str:
    if not isinstance(event, dict):
        return type(event).__name__
    records = event.get("Records")
    named = [record.get("eventSource", record.get("EventSource")) for record in _objects(records)]
    sources = sorted({source[:50] for source in named if isinstance(source, str)})
    return f"an object with the keys {sorted(map(str, event))}" + (f" and records of {sources}" if sources else "")


def _objects(records: object) -> list[dict[str, Any]]:
    return [record for record in records if isinstance(record, dict)] if isinstance(records, list) else []
