"""Parses S3's events on EventBridge, each about one object, which are answered like S3 notifications. Pure.

Unlike in an S3 notification, the key is not encoded, so it is taken as it is. If no object has that key but one has the decoded
key, that object is scored, and the log says so. Events of other detail types than "Object Created" ask for nothing. Shape of
the event: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from handler.errors import UnreadableMessage
from handler.triggers.answers import answer_or_raise
from handler.triggers.keys import name_raw
from handler.triggers.request import Message, Request

NAME = "EventBridge"

_SOURCE = "aws.s3"
_CREATED = "Object Created"


class _Bucket(msgspec.Struct):
    name: str


class _Object(msgspec.Struct):
    key: str


class _Detail(msgspec.Struct):
    bucket: _Bucket
    object: _Object


def recognises(event: dict[str, Any]) -> bool:
    """Returns whether `event` is an event of S3 on EventBridge, of any detail type."""
    return event.get("source") == _SOURCE and isinstance(event.get("detail-type"), str)


def parse(event: dict[str, Any]) -> Request:
    """Returns a request with one message, for the object that was created."""
    return Request(NAME, (_parse(event),), answer_or_raise)


def _parse(event: dict[str, Any]) -> Message:
    message_id = str(event.get("id"))
    if event["detail-type"] != _CREATED:
        return Message(message_id)
    try:
        detail = msgspec.convert(event.get("detail"), _Detail)
        return name_raw(message_id, detail.bucket.name, detail.object.key)
    except msgspec.ValidationError as error:
        return Message(message_id, problem=UnreadableMessage(f"Expected an Object Created event. Received: {error}."))
    except UnreadableMessage as error:
        return Message(message_id, problem=error)
