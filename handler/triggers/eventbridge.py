"""Parses S3's events on EventBridge, each about one object, which are answered like S3 notifications. Pure.

Unlike in an S3 notification, the key is not encoded, so it is taken as it is. If no object has that key but one has the decoded
key, that object is scored, and the log says so. Deletions and the other detail types that make no object ask for nothing; an
unknown detail type is a problem, because an upload could be behind it. Shape of the event:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from handler.errors import UnreadableMessage
from handler.triggers import cloudtrail
from handler.triggers.answers import answer_or_raise
from handler.triggers.converting import convert
from handler.triggers.keys import name_raw
from handler.triggers.request import Message, Request

NAME = "EventBridge"

_SOURCE = "aws.s3"
_CREATED = "Object Created"
_RESTORED = "Object Restore Completed"  # from an archive, in which it could not be read
_IDLE = {  # https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-s3.html
    *("Object Deleted", "Object Restore Initiated", "Object Restore Expired", "Object Tags Added", "Object Tags Deleted"),
    *("Object ACL Updated", "Object Storage Class Changed", "Object Access Tier Changed"),
}


class _Bucket(msgspec.Struct):
    name: str


class _Object(msgspec.Struct):
    key: str


class _Detail(msgspec.Struct):
    bucket: _Bucket
    object: _Object


def recognises(event: dict[str, Any]) -> bool:
    """Returns whether `event` is an event of S3 itself on EventBridge, of any detail type but CloudTrail's."""
    return event.get("source") == _SOURCE and isinstance(event.get("detail-type"), str) and not cloudtrail.recognises(event)


def parse(event: dict[str, Any]) -> Request:
    """Returns a request with one message, for the object that was created or restored."""
    return Request(NAME, (_parse(event),), answer_or_raise)


def _parse(event: dict[str, Any]) -> Message:
    message_id, detail_type = str(event.get("id")), event["detail-type"]
    if detail_type in _IDLE:
        return Message(message_id)
    try:
        if detail_type not in {_CREATED, _RESTORED}:
            raise UnreadableMessage(f"Expected detail-type {_CREATED}, or one that makes no object. Received: {detail_type!r}.")
        detail = convert(event.get("detail"), _Detail)
        message = name_raw(message_id, detail.bucket.name, detail.object.key)
        return msgspec.structs.replace(message, unless_done=detail_type == _RESTORED)
    except msgspec.ValidationError as error:
        return Message(message_id, problem=UnreadableMessage(f"Expected an Object Created event. Received: {error}."))
    except UnreadableMessage as error:
        return Message(message_id, problem=error)
