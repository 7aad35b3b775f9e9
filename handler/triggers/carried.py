"""Parses the messages that queues and topics carry: events of other sources, as text, perhaps in envelopes. Pure.

SNS puts an event in an envelope, and so does Lambda, for an invocation that failed; one may hold the other. Routes are S3 ->
SQS, S3 -> SNS -> SQS, EventBridge -> SQS, sweep -> SQS and S3 -> SNS -> function -> dead letter -> SQS, for example. A message
asks for everything that the events in it ask for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from handler.errors import UnreadableMessage, UnrecognisedEvent
from handler.triggers import cloudtrail, direct, distributed_map, eventbridge, s3, schedule
from handler.triggers.converting import convert
from handler.triggers.request import Message, Trigger
from handler.triggers.task_token import refuse_task_token

MAX_ENVELOPES = 8  # around one event; a redriven dead letter of a topic has three

_CARRIED: tuple[Trigger, ...] = (s3, eventbridge, cloudtrail, schedule, direct)
_KEPT: tuple[Trigger, ...] = (*_CARRIED, distributed_map)  # a state may invoke the function asynchronously

_TOPIC = "aws:sns"


class _Notification(msgspec.Struct):
    Message: str


class _Record(msgspec.Struct):
    Sns: _Notification


def parse_carried(message_id: str, text: str) -> Message:
    """Parses the text of one message, which then asks for everything that the events in it ask for.

    A message has a problem if a part of it cannot be read; it still asks for what the other parts ask for.
    """
    return _joined(message_id, _parse_text(text, 0))


def parse_notification(message_id: str, record: object) -> Message:
    """Parses one record of a topic's event, as `parse_carried` does with a text."""
    return _joined(message_id, _parse_record(record, 0))


def is_topic_event(event: dict[str, Any]) -> bool:
    """Returns whether `event` holds notifications of a topic.

    Unlike S3 and SQS, SNS writes EventSource with a capital letter.
    """
    records = event.get("Records")
    return (
        isinstance(records, list)
        and bool(records)
        and all(isinstance(record, dict) and record.get("EventSource") == _TOPIC for record in records)
    )


def _joined(message_id: str, parts: Iterator[Message]) -> Message:
    messages = list(parts)
    return Message(
        message_id,
        tuple(dict.fromkeys(ref for message in messages for ref in message.objects)),
        tuple(dict.fromkeys(sweep for message in messages for sweep in message.sweeps)),
        {ref: other for message in messages for ref, other in message.alternatives.items()},
        next((message.problem for message in messages if message.problem), None),
        unless_done=any(message.unless_done for message in messages),
        lists=max((message.lists for message in messages), default=0),
    )


def _parse_record(record: object, envelopes: int) -> Iterator[Message]:
    try:
        text = convert(record, _Record).Sns.Message
    except msgspec.ValidationError as error:
        yield Message("", problem=UnreadableMessage(f"Expected a record of SNS. Received: {error}."))
    else:
        yield from _parse_text(text, envelopes)


def _parse_text(text: str, envelopes: int) -> Iterator[Message]:
    try:
        yield from _parse_body(_read(text), envelopes, _CARRIED)
    except (UnreadableMessage, UnrecognisedEvent) as error:
        yield Message("", problem=UnreadableMessage(str(error)))


def _read(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise UnreadableMessage(f"Expected a message in JSON. Received: text that is not ({error}).") from error


def _parse_body(body: Any, envelopes: int, sources: tuple[Trigger, ...]) -> Iterator[Message]:
    """Yields the messages of a decoded body; `envelopes` is the number of those that were opened on the way to it."""
    if envelopes > MAX_ENVELOPES:
        raise UnreadableMessage(f"Expected an event in at most {MAX_ENVELOPES} envelopes. Received: more.")
    match body:
        case {"Type": "Notification", "Message": str(text)}:
            yield from _parse_text(text, envelopes + 1)
        case {"requestContext": _, "requestPayload": event}:  # Lambda's record of a failed invocation
            yield from _parse_body(event, envelopes + 1, _KEPT)
        case dict() if is_topic_event(body):
            for record in body["Records"]:
                yield from _parse_record(record, envelopes + 1)
        case dict():
            yield from _parse_event(body, sources)
        case _:
            raise UnreadableMessage(f"Expected a message that holds an event. Received: a JSON {type(body).__name__}.")


def _parse_event(event: dict[str, Any], sources: tuple[Trigger, ...]) -> tuple[Message, ...]:
    refuse_task_token(event)
    for source in sources:
        if source.recognises(event):
            return source.parse(event).messages
    names = ", ".join(source.NAME for source in sources)
    raise UnreadableMessage(f"Expected a message with one of: {names}, SNS. Received: the keys {sorted(event)}.")
