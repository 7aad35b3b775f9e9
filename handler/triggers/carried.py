"""What queues and topics carry: the events of other sources, as text, perhaps in an envelope of SNS or Lambda. Pure.

S3 -> SQS, S3 -> SNS -> SQS, EventBridge -> SQS, a sweep's work -> SQS, … : each message names what the event within it names.
"""

from __future__ import annotations

from typing import Any

import msgspec

from handler.errors import UnreadableMessage, UnrecognisedEvent
from handler.triggers import direct, eventbridge, s3, schedule
from handler.triggers.request import Message, Request, Trigger

_CARRIED: tuple[Trigger, ...] = (s3, eventbridge, schedule, direct)


def parse_carried(message_id: str, text: str) -> Message:
    """Names what one message asks for; one that is unreadable has a problem, and asks for nothing."""
    try:
        inner = _parse_event(_open(text))
    except (UnreadableMessage, UnrecognisedEvent) as error:
        return Message(message_id, problem=UnreadableMessage(str(error)))
    problems = [message.problem for message in inner.messages if message.problem]
    return Message(message_id, inner.objects, inner.sweeps, inner.alternatives, problems[0] if problems else None)


def _open(text: str) -> Any:
    """Reads a message's JSON, and that of the messages in it; each envelope is longer than what it holds, so this ends.

    What Lambda keeps of an invocation that failed holds the event that failed, so that dead letters can be sent back.
    """
    body = _read(text)
    while isinstance(body, dict) and body.get("Type") == "Notification" and isinstance(body.get("Message"), str):
        body = _read(body["Message"])
    if isinstance(body, dict) and {"requestContext", "requestPayload"} <= body.keys():
        return body["requestPayload"]
    return body


def _read(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise UnreadableMessage(f"Expected a message in JSON. Received: text that is not ({error}).") from error


def _parse_event(event: Any) -> Request:
    if isinstance(event, dict):
        for source in _CARRIED:
            if source.recognises(event):
                return source.parse(event)
    received = f"the keys {sorted(event)}" if isinstance(event, dict) else f"a JSON {type(event).__name__}"
    raise UnreadableMessage(f"Expected a message with one of: {', '.join(s.NAME for s in _CARRIED)}. Received: {received}.")
