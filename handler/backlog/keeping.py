"""Reads and writes the small objects that a run keeps under the output. No AWS here."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import closing

from handler.deadline import Deadline
from handler.errors import ConcurrentWrites
from handler.objects import ObjectRef
from handler.store import Store, WriteResult

JSON, JSON_LINES, GZIP = "application/json", "application/jsonl", "application/gzip"

MAX_ATTEMPTS = 6


def read(store: Store, ref: ObjectRef, deadline: Deadline) -> bytes | None:
    """Returns the content of an object; None if there is none.

    Raises:
        StorageUnavailable: the store failed.
        OutOfTime: a call did not end by `deadline`.
    """
    opened = store.open(ref, deadline=deadline)
    if opened is None:
        return None
    with closing(opened.body) as body:
        return body.read()


def create(
    store: Store,
    ref: ObjectRef,
    content: bytes,
    content_type: str,
    deadline: Deadline,
    metadata: Mapping[str, str] | None = None,
) -> bool:
    """Writes an object unless there is one, and returns whether it did; raises the same as `read`, and ConcurrentWrites."""
    for _ in range(MAX_ATTEMPTS):
        written = store.put(
            ref, io.BytesIO(content), content_type=content_type, metadata=metadata or {}, replacing=None, deadline=deadline
        )
        if written is not WriteResult.CONFLICT:
            return written is WriteResult.WRITTEN
    raise overtaken(ref)


def replace(store: Store, ref: ObjectRef, content: bytes, content_type: str, deadline: Deadline) -> None:
    """Writes an object in the place of the one that is there, if one is; raises the same as `create`."""
    for _ in range(MAX_ATTEMPTS):
        there = store.head(ref, deadline=deadline)
        etag = there.etag if there else None
        written = store.put(ref, io.BytesIO(content), content_type=content_type, metadata={}, replacing=etag, deadline=deadline)
        if written is WriteResult.WRITTEN:
            return
    raise overtaken(ref)


def overtaken(ref: ObjectRef) -> ConcurrentWrites:
    """Returns the error of a write that other writers won at every attempt."""
    return ConcurrentWrites(f"Expected to write {ref}. Received: another writer at {MAX_ATTEMPTS} attempts; try again.")
