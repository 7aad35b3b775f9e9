"""Parses batches of SQS messages, which carry events of other sources. Pure.

The answer names exactly the messages that are not durably finished; it takes effect only with `ReportBatchItemFailures`. A
message with an unreadable body fails alone, and so reaches the dead-letter queue unchanged. Shape of the event:
https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from handler.errors import UnrecognisedEvent
from handler.triggers.carried import parse_carried
from handler.triggers.converting import convert
from handler.triggers.request import Message, Request, Results

NAME = "SQS"

_SOURCE = "aws:sqs"


class _Record(msgspec.Struct):
    """An SQS message, which is scored even if its other fields are of unexpected types."""

    messageId: str
    body: str
    receiptHandle: Any = None
    attributes: Any = None
    eventSourceARN: Any = None


class _Postponed(msgspec.Struct, forbid_unknown_fields=True):
    """A message that the function sent again since other objects used up the time, after so many `failures` of its own.

    `message` is the body of the original message. Parts of it may be done.
    """

    postponed: Literal[True]
    message: str
    failures: Annotated[int, msgspec.Meta(ge=0, le=10**6)]


def recognises(event: dict[str, Any]) -> bool:
    """Returns whether `event` is a batch of queue messages."""
    records = event.get("Records")
    return (
        isinstance(records, list)
        and bool(records)
        and all(isinstance(record, dict) and record.get("eventSource") == _SOURCE for record in records)
    )


def parse(event: dict[str, Any]) -> Request:
    """Returns a request with one message for each SQS message.

    Raises:
        UnrecognisedEvent: a message has no id, so that its failure could not be reported.
    """
    try:
        records = convert(event["Records"], list[_Record])
    except msgspec.ValidationError as error:
        raise UnrecognisedEvent(f"Expected SQS records with messageId and body. Received: {error}.") from error
    if not all(record.messageId for record in records):
        raise UnrecognisedEvent(f"Expected a messageId for each of {len(records)} messages. Received: an empty one.")
    return Request(NAME, tuple(_parse(record) for record in records), _answer)


def _parse(record: _Record) -> Message:
    handle = record.receiptHandle if isinstance(record.receiptHandle, str) else None
    arn = record.eventSourceARN
    postponed = _parse_postponed(record.body)
    body = postponed.message if postponed else record.body
    message = parse_carried(record.messageId, body)
    return msgspec.structs.replace(
        message,
        unless_done=message.unless_done or postponed is not None,
        queue_name=arn.rpartition(":")[2] if isinstance(arn, str) else None,
        body=body,
        receipt_handle=handle,
        receive_count=_receive_count(record.attributes) + (postponed.failures if postponed else 0),
    )


def _parse_postponed(body: str) -> _Postponed | None:
    """Returns the message that the function sent again, if `body` is one; None for every other message."""
    try:
        return msgspec.json.decode(body, type=_Postponed)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def _receive_count(attributes: object) -> int:
    """Returns how often the queue has delivered a message, a count that SQS writes as text.

    The result is 1 if the attributes hold no such count.
    """
    count = attributes.get("ApproximateReceiveCount") if isinstance(attributes, dict) else None
    return int(count) if isinstance(count, str) and re.fullmatch("[1-9][0-9]{0,8}", count) else 1


def _answer(messages: Sequence[Message], results: Results) -> dict[str, object]:
    unfinished = dict.fromkeys(message.id for message in messages if not message.is_finished(results))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in unfinished]}
