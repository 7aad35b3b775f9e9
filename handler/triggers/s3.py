"""Parses S3 notifications, of S3 itself and of stores that send events of the same shape. Pure.

Each record is a message of its own. If S3 delivers a notification to the function directly, a record that is not finished makes
the invocation raise, and Lambda delivers the whole event again. Keys arrive form-encoded and are decoded here, once; of two
stores they are taken as they are, see `_RAW_KEYS`. Deletions and other known changes that make no object ask for nothing, and
neither does the `s3:TestEvent` that S3 sends when notifications are set up; a record with an unknown event name is a problem,
because an upload could be behind it. Shape of the event:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from handler.errors import UnreadableMessage
from handler.triggers.answers import answer_or_raise
from handler.triggers.converting import convert
from handler.triggers.keys import decode_key, name_raw
from handler.triggers.request import Message, Request, name_object

NAME = "S3 notification"

_MAJOR_VERSION = "2"

# Stores whose documented events have S3's shape; MinIO and RustFS encode even the slashes of keys. Ceph does not encode keys,
# and StorageGRID does not say: https://docs.ceph.com/en/latest/radosgw/notifications/,
# https://docs.netapp.com/us-en/storagegrid-119/tenant/understanding-notifications-for-buckets.html
_RAW_KEYS = {"ceph:s3", "sgws:s3"}
_SOURCES = {"aws:s3", "minio:s3", "rustfs:s3"} | _RAW_KEYS

_ASKING = {"Records", "Items", "objects", "job", "tasks", "detail-type"}  # fields of events that ask for something

_PREFIX = "s3:"  # before the event names of MinIO, RustFS, Dell ObjectScale and early versions of Ceph
_CREATED = "ObjectCreated"
_READABLE = {  # other events after which an object can be read that could not be read before
    "ObjectRestore:Completed",  # from an archive
    *("ObjectSynced:Create", "Replication:Create"),  # Ceph's names for an object that another zone sent
}
_IDLE = {  # the first words of the events that are known to make no object, of S3 and then of the other stores
    *("IntelligentTiering", "LifecycleExpiration", "LifecycleTransition", "ObjectAcl", "ObjectAnnotation", "ObjectRemoved"),
    *("ObjectRestore", "ObjectTagging", "ReducedRedundancyLostObject", "Replication", "TestEvent"),
    *("BucketCreated", "BucketRemoved", "LifecycleDelMarkerExpiration", "ObjectAccessed", "ObjectLifecycle", "ObjectSynced"),
    *("ObjectTransition", "Scanner"),
}


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
    eventSource: str
    eventVersion: str = "2.1"
    s3: Any = None


def recognises(event: dict[str, Any]) -> bool:
    """Returns whether `event` is an S3 notification, or S3's test event."""
    records = event.get("Records")
    named = isinstance(records, list) and records and all(_source(record) in _SOURCES for record in records)
    return bool(named) or _is_test(event)


def parse(event: dict[str, Any]) -> Request:
    """Returns a request with one message for each record, which names the object if it was created."""
    messages = [_parse_record(str(index), record) for index, record in enumerate(event.get("Records", ()))]
    return Request(NAME, tuple(messages), answer_or_raise)


def _source(record: object) -> str | None:
    source = record.get("eventSource") if isinstance(record, dict) else None
    return source if isinstance(source, str) else None


def _is_test(event: dict[str, Any]) -> bool:
    return event.get("Event") == "s3:TestEvent" and not _ASKING & event.keys()


def _parse_record(message_id: str, raw: dict[str, Any]) -> Message:
    try:
        record = convert(raw, _Record)
        if record.eventVersion.split(".")[0] != _MAJOR_VERSION:
            raise UnreadableMessage(f"Expected eventVersion {_MAJOR_VERSION}.x. Received: {record.eventVersion}.")
        name = record.eventName.removeprefix(_PREFIX)
        if not _made_object(name):
            return Message(message_id)
        message = _name(message_id, record.eventSource, convert(record.s3, _Entity))
        return msgspec.structs.replace(message, unless_done=name in _READABLE)
    except msgspec.ValidationError as error:
        return Message(message_id, problem=UnreadableMessage(f"Expected a record of an S3 notification. Received: {error}."))
    except UnreadableMessage as error:
        return Message(message_id, problem=error)


def _made_object(name: str) -> bool:
    """Returns whether an event of this name made an object, or made it readable.

    Raises:
        UnreadableMessage: the name is unknown.
    """
    family = name.partition(":")[0]
    if name in _READABLE or family == _CREATED:
        return True
    if family in _IDLE:
        return False
    raise UnreadableMessage(f"Expected an eventName of {_CREATED}:*, or one that makes no object. Received: {name!r}.")


def _name(message_id: str, source: str, entity: _Entity) -> Message:
    bucket, key = entity.bucket.name, entity.object.key
    if source in _RAW_KEYS:
        return name_raw(message_id, bucket, key)
    return Message(message_id, (name_object(bucket, decode_key(key)),))
