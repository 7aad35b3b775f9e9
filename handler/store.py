"""Defines the `Store` protocol, and the values that describe stored objects. No AWS here.

`handler.storage` implements the protocol for S3, and `infra.stores` for local files and for memory. `tests/infra/stores` holds
all of them to the same behaviour. To add a store, write a class with the four methods, and name it in these tests.

Methods are ordinary calls, made on threads, and not coroutines. Measured on small objects, 32 calls at a time, with 30 ms of
latency in batches of 25 and of 100, and with 100 ms in batches of 25 (two cores of an AMD EPYC, Python 3.11, medians of three
runs): boto3 scores 203, 265 and 96 objects a second on threads, 204, 260 and 94 on an event loop; a client in Rust 301, 446 and
112 on threads, 297, 431 and 111 on a loop. So a loop gains nothing, and the decoders of archives, which pull their bytes, would
need threads besides the loop. A call ends at its deadline either way, as `handler.aws` explains.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum, auto
from typing import BinaryIO, Protocol

import msgspec

from handler.deadline import Deadline
from handler.objects import ObjectRef, Prefix

STANDARD = "STANDARD"  # the storage class that an object has unless its owner chose another

# The storage classes whose objects can be read at once, whenever that is.
INSTANT = frozenset({STANDARD, "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "REDUCED_REDUNDANCY", "EXPRESS_ONEZONE"})

# The storage classes, and the archive tiers of INTELLIGENT_TIERING, whose objects must be restored before they can be read.
ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE", "ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS"})


class StoredObject(msgspec.Struct, frozen=True):
    """The description of one state of an object.

    `etag` changes with the content and has no quotes. `version_id` is None in an unversioned bucket. A listing contains neither
    `version_id` nor `metadata`. `storage_class` is the archive tier of an object that lies in one, which a listing does not
    show. `is_restored` is True for a copy of an archived object that can be read for some time.
    """

    ref: ObjectRef
    etag: str
    version_id: str | None
    size_bytes: int
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    last_modified: datetime | None = None
    storage_class: str = STANDARD
    is_restored: bool = False

    @property
    def is_archived(self) -> bool:
        """True if the object cannot be read before it is restored, which takes hours and somebody must ask for."""
        return self.storage_class in ARCHIVES and not self.is_restored


class OpenObject(msgspec.Struct, frozen=True):
    """An object that is open for reading.

    `body` is read forwards, once, and closed by the caller that opened the object. It is empty if the object `is_archived`,
    which means that the store gives no byte of it before somebody restores it.
    """

    source: StoredObject
    body: BinaryIO
    is_archived: bool = False


class WriteResult(Enum):
    """The result of a conditional write."""

    WRITTEN = auto()
    STOPPED = auto()  # the condition does not hold
    CONFLICT = auto()  # another write was in progress, so the caller must start again


class Store(Protocol):
    """A collection of objects, each of which has an address.

    Every method may be called from several threads. It ends by `deadline` or raises OutOfTime; the call may still take effect
    later, and the condition of a write is judged when the write takes effect. Any other fault of the store raises
    StorageUnavailable, with the `operation` and the `code` that S3 would give; a bucket that does not exist is such a fault,
    except to `head`.
    """

    def open(
        self, ref: ObjectRef, *, start: int = 0, end: int | None = None, if_match: str | None = None, deadline: Deadline
    ) -> OpenObject | None:
        """Opens an object, to read it from byte `start` up to and without byte `end`; returns None if there is no such object.

        `source` describes the whole object, even if only a part of it is read; a part of no bytes, or one outside of the
        object, is empty. The body is that of `source`, even if the object is replaced meanwhile. Reads of the body end by
        `deadline` too, and raise StorageUnavailable if the body breaks off. Whatever the store can verify, such as the length
        and some checksums, it verifies only at the end of the body, so read it to the end.

        Raises:
            ObjectChanged: the object has another ETag than `if_match`.
        """

    def head(self, ref: ObjectRef, *, deadline: Deadline) -> StoredObject | None:
        """Returns the present state of an object, with its metadata; returns None if there is no such object."""

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
        """Writes an object, whole or not at all, from `content`, which is read from its beginning.

        `replacing` is the ETag that the object there must have; with None there must be no object. The result is STOPPED if
        this condition does not hold, and CONFLICT if another write is in progress or the object that was to be replaced is
        gone. STOPPED may also mean that this very write took effect, and its answer was lost.

        Metadata survive in every store if their names are lower-case ASCII, their values are ASCII, and they have 2 KB in all.
        """

    def list(self, prefix: Prefix, after: str, *, deadline: Deadline) -> Iterator[StoredObject]:
        """Yields the objects under `prefix` whose keys follow the key `after`, lazily, in the order of their keys' UTF-8 bytes.

        Each object is yielded by `deadline`, or OutOfTime is raised.
        """
