"""Parses calls of S3's API that CloudTrail reports through EventBridge, each about one object. Pure.

A call that made an object asks for that object. A call that failed, or that makes no object, asks for nothing; an unknown call
is a problem, because it may have made objects. Like the other events on EventBridge, these name the key as it is. CloudTrail
reports calls on objects only if a trail logs data events. Shape of the event:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from handler.errors import UnreadableMessage
from handler.triggers.answers import answer_or_raise
from handler.triggers.converting import convert
from handler.triggers.keys import name_raw
from handler.triggers.request import Message, Request

NAME = "CloudTrail"

_SOURCE = "aws.s3"
_CALL = "AWS API Call via CloudTrail"

_MADE = {"PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload", "RenameObject"}
_IDLE = re.compile(
    "(?:Get|Head|List|Select|Delete|Abort)[A-Z][A-Za-z0-9]*|(?:Create|Put|Update)Bucket[A-Za-z]*|CreateSession|PutPublicAccessBlock"
    "|PutObject(?:Acl|Annotation|LegalHold|LockConfiguration|Retention|Tagging)|RestoreObject|UpdateObjectEncryption"
    "|CreateMultipartUpload|UploadPart(?:Copy)?"
)


class _Call(msgspec.Struct):
    eventSource: str
    eventName: str
    errorCode: str | None = None
    requestParameters: Any = None


class _Parameters(msgspec.Struct):
    bucketName: str
    key: str


def recognises(event: dict[str, Any]) -> bool:
    """Returns whether `event` reports a call of S3's API."""
    return event.get("source") == _SOURCE and event.get("detail-type") == _CALL


def parse(event: dict[str, Any]) -> Request:
    """Returns a request with one message, for the object that the call made."""
    return Request(NAME, (_parse(str(event.get("id")), event.get("detail")),), answer_or_raise)


def _parse(message_id: str, detail: object) -> Message:
    try:
        call = convert(detail, _Call)
        if call.eventSource != "s3.amazonaws.com":
            raise UnreadableMessage(f"Expected a call of s3.amazonaws.com. Received: {call.eventSource!r}.")
        if call.errorCode or _IDLE.fullmatch(call.eventName):
            return Message(message_id)
        if call.eventName not in _MADE:
            known = ", ".join(sorted(_MADE))
            raise UnreadableMessage(f"Expected {known}, or a call that makes no object. Received: {call.eventName!r}.")
        made = convert(call.requestParameters, _Parameters)
        return name_raw(message_id, made.bucketName, made.key)
    except msgspec.ValidationError as error:
        return Message(message_id, problem=UnreadableMessage(f"Expected a call that CloudTrail reports. Received: {error}."))
    except UnreadableMessage as error:
        return Message(message_id, problem=error)
