"""Parses SNS notifications that are delivered to the function directly; they carry events of other sources. Pure.

They are answered like S3 notifications. Shape of the event: https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from handler.errors import UnreadableMessage
from handler.triggers.answers import answer_or_raise
from handler.triggers.carried import parse_carried
from handler.triggers.request import Message, Request

NAME = "SNS"

_SOURCE = "aws:sns"


class _Notification(msgspec.Struct):
    Message: str


class _Record(msgspec.Struct):
    Sns: _Notification


def recognises(event: dict[str, Any]) -> bool:
    """Returns whether `event` holds notifications of a topic.

    Unlike S3 and SQS, SNS writes EventSource with a capital letter.
    """
    records = event.get("Records")
    return (
        isinstance(records, list)
        and bool(records)
        and all(isinstance(record, dict) and record.get("EventSource") == _SOURCE for record in records)
    )


def parse(event: dict[str, Any]) -> Request:
    """Returns a request with one message for each notification."""
    return Request(NAME, tuple(_parse(str(index), raw) for index, raw in enumerate(event["Records"])), answer_or_raise)


def _parse(message_id: str, raw: dict[str, Any]) -> Message:
    try:
        return parse_carried(message_id, msgspec.convert(raw, _Record).Sns.Message)
    except msgspec.ValidationError as error:
        return Message(message_id, problem=UnreadableMessage(f"Expected a record of SNS. Received: {error}."))
