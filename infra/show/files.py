"""Lists and reads the files in a folder, or the objects under a prefix of S3, by their keys below it. No AWS here."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from handler.deadline import Deadline
from handler.objects import ObjectRef, Prefix
from handler.store import Store
from infra.stores.folders import find_file, open_file, root_folder
from infra.stores.places import keys_under, object_places

READ_S = 60  # for one document in S3, or one block of a larger object
CONCURRENCY = 16  # objects in S3 that are read at the same time
BLOCK_BYTES = 2**22  # of a file that is read piece by piece; most shards have less than half of it


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file at `place`, a path or an address, and the time at which they were written."""

    place: str
    content: bytes
    written_at: datetime | None = field(default=None, compare=False)


class Files(Protocol):
    """The files in a place, each of which has a key, the path to it from there. An error of S3 is StorageUnavailable."""

    def address(self, key: str) -> str:
        """Returns the path or the address of a key, for people."""

    def list(self, under: str = "") -> Iterator[str]:
        """Yields the keys that begin with `under`, in the order of their UTF-8 bytes."""

    def read(self, key: str, start: int = 0, end: int | None = None) -> Content | None:
        """Returns a file from byte `start` up to and without byte `end`; None if it is not there."""

    def read_all(self, keys: Iterable[str]) -> Iterator[tuple[str, Content | None]]:
        """Yields some keys, in their order, each with its file or with None; several are read at a time where this helps."""


def files_in(place: Path | Prefix, store: Callable[[], Store]) -> Files:
    """Returns the files in a folder, or under a prefix of the store that `store` returns; it is not called for a folder."""
    return _Objects(place, store()) if isinstance(place, Prefix) else _Folder(place)


def lines_of(files: Files, key: str) -> Iterator[Content]:
    """Yields the lines of a file, each without its end and with its number in its place; none if there is no such file.

    A block of the file and the longest line are in memory at a time.
    """
    number, start, rest, size = 0, 0, b"", BLOCK_BYTES
    while True:
        block = files.read(key, start, start + size)
        if block is None:
            return
        *lines, rest = (rest + block.content).split(b"\n")
        for line in lines:
            number += 1
            yield Content(f"{block.place}:{number}", line, block.written_at)
        if len(block.content) < size:
            break
        start += size
        size = max(BLOCK_BYTES, len(rest))  # a line that is longer than a block is not copied time and again
    if rest:
        yield Content(f"{block.place}:{number + 1}", rest, block.written_at)


@dataclass(frozen=True, slots=True)
class _Folder:
    """The files in a local folder; no link is followed."""

    folder: Path

    def address(self, key: str) -> str:
        return str(self.folder / key)

    def list(self, under: str = "") -> Iterator[str]:
        with root_folder(self.folder) as root:
            yield from keys_under(root, under, "")

    def read(self, key: str, start: int = 0, end: int | None = None) -> Content | None:
        with root_folder(self.folder) as root:
            return self._read(root, key, start, end)

    def read_all(self, keys: Iterable[str]) -> Iterator[tuple[str, Content | None]]:
        with root_folder(self.folder) as root:
            for key in keys:
                yield key, self._read(root, key, 0, None)

    def _read(self, root: int, key: str, start: int, end: int | None) -> Content | None:
        found = find_file(root, object_places(key))
        file = open_file(root, found[0]) if found else None
        if file is None:
            return None
        with file:
            written_at = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
            file.seek(start)
            return Content(self.address(key), file.read() if end is None else _read_up_to(file, end - start), written_at)


@dataclass(frozen=True, slots=True)
class _Objects:
    """The objects under a prefix of a store."""

    prefix: Prefix
    store: Store

    def address(self, key: str) -> str:
        return str(self._ref(key))

    def list(self, under: str = "") -> Iterator[str]:
        wanted = Prefix(self.prefix.bucket, self.prefix.prefix + under)
        for found in self.store.list(wanted, "", deadline=Deadline.never()):
            yield found.ref.key.removeprefix(self.prefix.prefix)

    def read(self, key: str, start: int = 0, end: int | None = None) -> Content | None:
        opened = self.store.open(self._ref(key), start=start, end=end, deadline=Deadline.after(READ_S))
        if opened is None:
            return None
        with closing(opened.body) as body:
            return Content(self.address(key), body.read(), opened.source.last_modified)

    def read_all(self, keys: Iterable[str]) -> Iterator[tuple[str, Content | None]]:
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            reading: deque[tuple[str, Future[Content | None]]] = deque()
            for key in keys:
                reading.append((key, pool.submit(self.read, key)))
                if len(reading) == CONCURRENCY:
                    key_read, content = reading.popleft()
                    yield key_read, content.result()
            for key_read, content in reading:
                yield key_read, content.result()

    def _ref(self, key: str) -> ObjectRef:
        return ObjectRef(self.prefix.bucket, self.prefix.prefix + key)


def _read_up_to(file: BinaryIO, size: int) -> bytes:
    """Reads a number of bytes, or fewer only at the end of the file: an unbuffered one may return fewer at any time."""
    parts = []
    while size and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
