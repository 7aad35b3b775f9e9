"""Takes the documents of a shard's objects as rows of one file, in place of an object in S3 each. No AWS here.

A row is byte for byte the document that an upload of the object gets, with the layout of one JSON value, which is one line.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from tempfile import TemporaryFile
from typing import BinaryIO, cast

import msgspec

from handler.backlog.files import Entry
from handler.deadline import Deadline
from handler.documents import Described
from handler.errors import OutOfRoom
from handler.objects import ObjectRef, Prefix
from handler.store import OpenObject, Store, StoredObject, WriteResult

MAX_ROWS_BYTES = (
    192 * 2**20
)  # of a shard; they are there twice, and Lambda has 512 MB of temporary files unless it is told more


class _Position(msgspec.Struct, frozen=True):
    """Where the row of one object lies in the file of the rows as they came, and the metadata that its document would have."""

    start: int
    length: int
    metadata: Mapping[str, str]


class RowStore:
    """A `Store` that keeps the documents that are put into it as rows, and reads from `store`.

    The place of the document of `key` is `output + key + suffix`. The rows are in a temporary file, which `close` removes.
    """

    def __init__(self, store: Store, output: str, suffix: str) -> None:
        self._store, self._output, self._suffix = store, output, suffix
        self._lock = threading.Lock()
        self._came = cast("BinaryIO", TemporaryFile(buffering=0))  # noqa: SIM115  # closed by `close`
        self._size = 0
        self._rows: dict[str, _Position] = {}  # by the key of the object

    def open(
        self, ref: ObjectRef, *, start: int = 0, end: int | None = None, if_match: str | None = None, deadline: Deadline
    ) -> OpenObject | None:
        """Opens an object of the other store; see `Store`."""
        return self._store.open(ref, start=start, end=end, if_match=if_match, deadline=deadline)

    def head(self, ref: ObjectRef, *, deadline: Deadline) -> StoredObject | None:
        """Describes an object of the other store; see `Store`."""
        return self._store.head(ref, deadline=deadline)

    def list(self, prefix: Prefix, after: str, *, deadline: Deadline) -> Iterator[StoredObject]:
        """Lists the objects of the other store; see `Store`."""
        return self._store.list(prefix, after, deadline=deadline)

    def put(
        self,
        ref: ObjectRef,
        content: BinaryIO,
        *,
        content_type: str,  # noqa: ARG002  # that of every row
        metadata: Mapping[str, str],
        replacing: str | None,  # noqa: ARG002  # the row of an earlier attempt, if any
        deadline: Deadline,  # noqa: ARG002  # nobody waits here
    ) -> WriteResult:
        """Keeps a document as the row of its object.

        Raises:
            OutOfRoom: the rows of the shard would be more than `MAX_ROWS_BYTES`.
            OSError: there is no room left for temporary files.
        """
        content.seek(0)
        row = content.read()
        with self._lock:
            if self._size + len(row) + 1 > MAX_ROWS_BYTES:
                raise OutOfRoom(
                    f"Expected the rows of a shard to be at most {MAX_ROWS_BYTES} bytes. Received: more with {ref}. "
                    "It gets a document of its own, or in a run of a model that is not deployed, is left to the next run."
                )
            self._came.seek(self._size)
            rest = memoryview(row + b"\n")
            while rest:  # what has room in part is written in part; then an error is raised
                rest = rest[self._came.write(rest) :]
            key = ref.key.removeprefix(self._output).removesuffix(self._suffix)
            self._rows[key] = _Position(self._size, len(row) + 1, metadata)
            self._size += len(row) + 1
        return WriteResult.WRITTEN

    def entries(self, keys: Iterable[str], rejections: str) -> Iterator[Entry]:
        """Yields what an index says of the rows of some objects, of those that have one that may stay.

        The rejection of an archived object may not, since the object can be restored without any change. `rejections` is the
        maker of what tells of something rejected.
        """
        for key in keys:
            row = self._rows.get(key)
            described = Described.of(row.metadata) if row else None
            if described and described.etag is not None and not described.is_archived:
                yield Entry(key, described.etag, described.maker == rejections)

    def ordered(self, entries: Iterable[Entry]) -> BinaryIO:
        """Returns a file of the rows of some entries, in their order, to be read from its beginning.

        Raises:
            OSError: there is no room left for temporary files.
        """
        rows = cast("BinaryIO", TemporaryFile())  # noqa: SIM115  # closed by the caller
        try:
            for entry in entries:
                row = self._rows[entry.key]
                self._came.seek(row.start)
                rows.write(self._came.read(row.length))
            rows.flush()
        except OSError:
            with suppress(OSError):  # of what has no room, and which the file tries to write once more
                rows.close()
            raise
        return rows

    def close(self) -> None:
        """Removes the rows."""
        self._came.close()
