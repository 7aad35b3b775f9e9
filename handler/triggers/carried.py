"""Parses the messages that queues and topics carry: events of other sources, as text, perhaps in envelopes. Pure.

SNS puts an event in an envelope, and so does Lambda, for an invocation that failed. Routes are S3 -> SQS, S3 -> SNS -> SQS,
EventBridge -> SQS and sweep -> SQS, for example. A message asks for everything that the event in it asks for.
"""

from __future__ import annotations

from typing import Any

import msgspec

from handler.errors import UnreadableMessage, UnrecognisedEvent
from handler.triggers import direct, eventbridge, s3, schedule
from handler.triggers.request import Message, Request, Trigger

_CARRIED: tuple[Trigger, ...] = (s3, eventbridge, schedule, direct)


def parse_carried(message_id: str, text: str) -> Message:
    """Parses the text of one message, which then asks for everything that the event in it asks for.

    A message whose text cannot be read has a problem, and asks for nothing.
    """
    try:
        inner = _parse_event(_open(text))
    except (UnreadableMessage, UnrecognisedEvent) as error:
        return Message(message_id, problem=UnreadableMessage(str(error)))
    problems = [message.problem for message in inner.messages if message.problem]
    return Message(
        message_id,
        inner.objects,
        inner.sweeps,
        inner.alternatives,
        problems[0] if problems else None,
        unless_done=any(message.unless_done for message in inner.messages),
    )


def _open(text: str) -> Any:
    """Decodes the JSON of a message, and of the messages nested in it.

    The nesting ends, because each envelope is longer than its content. Lambda's record of a failed invocation holds the event
    that failed, so that dead letters can be sent to the queue again.
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
