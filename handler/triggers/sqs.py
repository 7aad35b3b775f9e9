"""SQS messages that carry S3 notifications, answered with exactly the messages that are not durably finished.

An unreadable body fails alone, so that it reaches the dead-letter queue as it is. Needs `ReportBatchItemFailures`. Shape:
https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from handler.errors import UnreadableMessage, UnrecognisedEvent
from handler.objects import ObjectRef
from handler.outcomes import Report
from handler.triggers import s3
from handler.triggers.request import Message, Request

NAME = "SQS"

_SOURCE = "aws:sqs"


class _SqsRecord(msgspec.Struct):
    messageId: str
    body: str


def recognises(event: dict[str, Any]) -> bool:
    """Whether `event` is a batch of queue messages."""
    records = event.get("Records")
    return (
        isinstance(records, list)
        and bool(records)
        and all(isinstance(record, dict) and record.get("eventSource") == _SOURCE for record in records)
    )


def parse(event: dict[str, Any]) -> Request:
    """Names the objects in each message.

    Raises:
        UnrecognisedEvent: a message has no id, so that its failure could not be told.
    """
    try:
        records = msgspec.convert(event["Records"], list[_SqsRecord])
    except msgspec.ValidationError as error:
        raise UnrecognisedEvent(f"Expected SQS records with messageId and body. Received: {error}.") from error
    if not all(record.messageId for record in records):
        raise UnrecognisedEvent(f"Expected a messageId for each of {len(records)} messages. Received: an empty one.")
    return Request(NAME, tuple(_parse_message(record) for record in records), _answer)


def _parse_message(record: _SqsRecord) -> Message:
    try:
        body = msgspec.json.decode(record.body)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        return _unreadable(record, f"a body that is not JSON ({error})")
    if not isinstance(body, dict) or not s3.recognises(body):
        return _unreadable(record, f"the keys {sorted(body)}" if isinstance(body, dict) else f"a JSON {type(body).__name__}")
    inner = s3.parse(body)
    problem = next((message.problem for message in inner.messages if message.problem), None)
    return Message(record.messageId, inner.objects, problem)


def _unreadable(record: _SqsRecord, received: str) -> Message:
    return Message(
        record.messageId, problem=UnreadableMessage(f"Expected a body that is an S3 notification. Received: {received}.")
    )


def _answer(messages: Sequence[Message], reports: Mapping[ObjectRef, Report]) -> dict[str, object]:
    unfinished = dict.fromkeys(message.id for message in messages if not message.is_finished(reports))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in unfinished]}
