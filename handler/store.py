"""What objects are stored in: the `Store` protocol, and what is known of an object there. Values and a protocol, no AWS.

`handler.storage` is S3 as a store; `infra.stores` has one over local files and one in memory. `tests/infra/stores` holds all of
them to the same behaviour. To add a store, write a class with these four methods and name it there.

Methods are ordinary calls, made on threads, and not coroutines. Measured on small objects, 32 calls at a time, with 30 ms of
latency in batches of 25 and of 100, and with 100 ms in batches of 25 (two cores of an AMD EPYC, Python 3.11, medians of three
runs): boto3 scores 203, 265 and 96 objects a second on threads, 204, 260 and 94 on an event loop; a client in Rust 301, 446 and
112 on threads, 297, 431 and 111 on a loop. So a loop gains nothing, and the decoders of archives, which pull their bytes, would
need threads beside it all the same. A call ends at its deadline either way: see `handler.aws`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import BinaryIO, Protocol

from handler.deadline import Deadline
from handler.objects import ObjectRef, Prefix

STANDARD = "STANDARD"  # the storage class of an object that can be read at once


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One state of an object.

    `etag` changes with the content and has no quotes. `version_id` is None in an unversioned bucket. A listing tells neither
    `version_id` nor `metadata`.
    """

    ref: ObjectRef
    etag: str
    version_id: str | None
    size_bytes: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    last_modified: datetime | None = None
    storage_class: str = STANDARD


@dataclass(frozen=True, slots=True)
class OpenObject:
    """An object that is being read. `body` is read forwards, once, and closed by whoever opened it."""

    source: StoredObject
    body: BinaryIO


class WriteResult(Enum):
    """What became of a conditional write."""

    WRITTEN = auto()
    STOPPED = auto()  # the condition does not hold
    CONFLICT = auto()  # another write was under way: start again


class Store(Protocol):
    """Objects by their address.

    Every method is safe to call from several threads. It ends by `deadline` or raises OutOfTime, and may take effect later all
    the same: the condition of a write is judged when it lands. Every other fault of the store is raised as StorageUnavailable.
    """

    def open(
        self, ref: ObjectRef, *, start: int = 0, end: int | None = None, if_match: str | None = None, deadline: Deadline
    ) -> OpenObject | None:
        """Opens an object, to be read from byte `start` up to and without byte `end`; returns None if there is none.

        `source` describes the whole object, also where a part of it is read; a part that lies outside of it is empty. Reads of
        the body end by `deadline` too. They raise StorageUnavailable if the body breaks off; whether it arrived as it was sent
        is only known once the body has been read to its end.

        Raises:
            ObjectChanged: the object has another ETag than `if_match`.
        """

    def head(self, ref: ObjectRef, *, deadline: Deadline) -> StoredObject | None:
        """Returns an object's present state, metadata included; None if there is none."""

    def put(
        self,
        ref: ObjectRef,
        content: BinaryIO,
        *,
        content_type: str,
        metadata: Mapping[str, str],
        replacing: str | None,
        deadline: Deadline,
    ) -> WriteResult:
        """Writes an object, whole or not at all, out of `content`, which is read from its beginning.

        `replacing` is the ETag that the object there must have; with None there must be no object. The result is STOPPED if
        that does not hold, and CONFLICT also if the object that was to be replaced is gone.
        """

    def list(self, prefix: Prefix, after: str, *, deadline: Deadline) -> Iterator[StoredObject]:
        """Yields what lies under `prefix` after the key `after`, in the order of the keys' UTF-8 bytes, as it is asked for."""
