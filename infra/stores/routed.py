"""A `Store` of several others: each bucket that is a local folder is read there, and every other one in S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from handler.deadline import Deadline
from handler.objects import ObjectRef, Prefix
from handler.store import OpenObject, Store, StoredObject, WriteResult
from infra.stores.files import FileStore


@dataclass(frozen=True, slots=True)
class RoutedStore:
    """The objects of `local` folders, and of all other buckets; see `handler.store.Store` for what each method promises.

    `remote` returns the store of the other buckets. It is not called before one of them is needed.
    """

    local: FileStore
    remote: Callable[[], Store]

    def open(
        self, ref: ObjectRef, *, start: int = 0, end: int | None = None, if_match: str | None = None, deadline: Deadline
    ) -> OpenObject | None:
        """Opens an object; see `Store`."""
        return self._of(ref).open(ref, start=start, end=end, if_match=if_match, deadline=deadline)

    def head(self, ref: ObjectRef, *, deadline: Deadline) -> StoredObject | None:
        """Describes an object; see `Store`."""
        return self._of(ref).head(ref, deadline=deadline)

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
        """Writes an object on a condition; see `Store`."""
        return self._of(ref).put(
            ref, content, content_type=content_type, metadata=metadata, replacing=replacing, deadline=deadline
        )

    def list(self, prefix: Prefix, after: str, *, deadline: Deadline) -> Iterator[StoredObject]:
        """Lists objects; see `Store`."""
        return self._of(prefix).list(prefix, after, deadline=deadline)

    def _of(self, place: ObjectRef | Prefix) -> Store:
        return self.local if place.bucket in self.local.folders else self.remote()
