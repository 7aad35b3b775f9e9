"""Parses S3 notifications. Pure.

Each record is a message of its own. If S3 delivers a notification to the function directly, a record that is not finished makes
the invocation raise, and Lambda delivers the whole event again. Keys arrive form-encoded and are decoded here, once. Event
names other than `ObjectCreated:*`, and the `s3:TestEvent` that S3 sends when notifications are set up, ask for nothing. Shape
of the event: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from handler.errors import UnreadableMessage
from handler.triggers.answers import answer_or_raise
from handler.triggers.keys import decode_key
from handler.triggers.request import Message, Request, name_object

NAME = "S3 notification"

_SOURCE = "aws:s3"
_CREATED = "ObjectCreated:"
_MAJOR_VERSION = "2"


class _Bucket(msgspec.Struct):
    name: str


class _Object(msgspec.Struct):
    key: str


class _Entity(msgspec.Struct):
    bucket: _Bucket
    object: _Object


class _Record(msgspec.Struct):
    """The parts of a record that scoring needs.

    `size`, `eTag`, `versionId` and `sequencer` may all be missing, and are ignored: the object is scored in its present state.
    """

    eventName: str
    eventVersion: str = "2.1"
    s3: Any = None


def recognises(event: dict[str, Any]) -> bool:
    """Returns whether `event` is an S3 notification, or S3's test event."""
    records = event.get("Records")
    named = isinstance(records, list) and records and all(_source(record) == _SOURCE for record in records)
    return bool(named) or _is_test(event)


def parse(event: dict[str, Any]) -> Request:
    """Returns a request with one message for each record, which names the object if it was created."""
    messages = [_parse_record(str(index), record) for index, record in enumerate(event.get("Records", ()))]
    return Request(NAME, tuple(messages), answer_or_raise)


def _source(record: object) -> object:
    return record.get("eventSource") if isinstance(record, dict) else None


def _is_test(event: dict[str, Any]) -> bool:
    return event.get("Event") == "s3:TestEvent" and "Records" not in event


def _parse_record(message_id: str, raw: dict[str, Any]) -> Message:
    try:
        record = msgspec.convert(raw, _Record)
        if record.eventVersion.split(".")[0] != _MAJOR_VERSION:
            raise UnreadableMessage(f"Expected eventVersion {_MAJOR_VERSION}.x. Received: {record.eventVersion}.")
        if not record.eventName.startswith(_CREATED):
            return Message(message_id)
        entity = msgspec.convert(record.s3, _Entity)
        return Message(message_id, (name_object(entity.bucket.name, decode_key(entity.object.key)),))
    except msgspec.ValidationError as error:
        return Message(message_id, problem=UnreadableMessage(f"Expected a record of an S3 notification. Received: {error}."))
    except UnreadableMessage as error:
        return Message(message_id, problem=error)
