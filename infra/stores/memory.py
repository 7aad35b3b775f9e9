"""A store in memory, for tests and for measurements that leave S3 out."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from types import MappingProxyType
from typing import BinaryIO

import msgspec

from handler.deadline import Deadline
from handler.errors import ObjectChanged, OutOfTime
from handler.objects import ObjectRef, Prefix
from handler.store import STANDARD, OpenObject, StoredObject, WriteResult


@dataclass(slots=True)
class MemoryStore:
    """A `handler.store.Store` in memory.

    `before` is called ahead of each call with its name (open, head, create, replace or list) and its object or prefix; what it
    raises is raised, and what it does to the store has happened by then. Objects have a version each if the store
    `is_versioned`. `clock` returns the time at which an object is put.
    """

    before: Callable[[str, ObjectRef | Prefix], None] = lambda _method, _place: None
    is_versioned: bool = False
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _objects: dict[ObjectRef, tuple[StoredObject, bytes]] = field(default_factory=dict)
    _versions: Iterator[int] = field(default_factory=lambda: count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(
        self, ref: ObjectRef, *, start: int = 0, end: int | None = None, if_match: str | None = None, deadline: Deadline
    ) -> OpenObject | None:
        """Opens an object; see `Store`."""
        self._begin("open", ref, deadline)
        found = self._objects.get(ref)
        if found is None:
            return None
        source, content = found
        if if_match not in {None, source.etag}:
            raise ObjectChanged(f"Expected {ref} with etag={if_match}. Received: etag={source.etag}.")
        return OpenObject(source, io.BytesIO(content[start:end]))

    def head(self, ref: ObjectRef, *, deadline: Deadline) -> StoredObject | None:
        """Describes an object; see `Store`."""
        self._begin("head", ref, deadline)
        found = self._objects.get(ref)
        return found[0] if found else None

    def put(
        self,
        ref: ObjectRef,
        content: BinaryIO,
        *,
        content_type: str,  # noqa: ARG002  # nobody reads it here
        metadata: Mapping[str, str],
        replacing: str | None,
        deadline: Deadline,
    ) -> WriteResult:
        """Writes an object on a condition; see `Store`."""
        self._begin("create" if replacing is None else "replace", ref, deadline)
        content.seek(0)
        body = content.read()
        with self._lock:
            standing = self._objects.get(ref)
            if (standing[0].etag if standing else None) != replacing:
                return WriteResult.STOPPED if standing else WriteResult.CONFLICT
            self.place(ref, body, metadata)
        return WriteResult.WRITTEN

    def list(self, prefix: Prefix, after: str, *, deadline: Deadline) -> Iterator[StoredObject]:
        """Lists objects; see `Store`."""
        self._begin("list", prefix, deadline)
        for ref in sorted(self._objects, key=lambda ref: ref.key.encode()):
            self._require_time("list", prefix, deadline)
            found = self._objects.get(ref)
            if found and prefix.holds(ref) and ref.key.encode() > after.encode():
                yield msgspec.structs.replace(found[0], version_id=None, metadata={})

    def place(
        self, ref: ObjectRef, content: bytes, metadata: Mapping[str, str] | None = None, storage_class: str = STANDARD
    ) -> StoredObject:
        """Puts an object into the store without any condition, and returns its state."""
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        version = str(next(self._versions)) if self.is_versioned else None
        described = MappingProxyType(dict(metadata or {}))
        source = StoredObject(ref, etag, version, len(content), described, self.clock(), storage_class)
        self._objects[ref] = source, content
        return source

    def remove(self, ref: ObjectRef) -> None:
        """Takes an object out of the store, if it is there."""
        self._objects.pop(ref, None)

    def content(self, ref: ObjectRef) -> bytes:
        """Returns the content of an object; raises KeyError if it is not there."""
        return self._objects[ref][1]

    def refs(self) -> tuple[ObjectRef, ...]:
        """Returns the address of every object, in the order in which they were first put."""
        return tuple(self._objects)

    def _begin(self, method: str, place: ObjectRef | Prefix, deadline: Deadline) -> None:
        self._require_time(method, place, deadline)
        self.before(method, place)

    def _require_time(self, method: str, place: ObjectRef | Prefix, deadline: Deadline) -> None:
        if deadline.is_over:
            raise OutOfTime(f"Expected time to {method} {place}. Received: none is left.")
