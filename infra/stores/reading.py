"""The content of local files, read by a deadline, and the one place where errors of the file system are translated."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

import msgspec

from handler.deadline import Deadline
from handler.errors import OutOfTime, StorageUnavailable
from handler.objects import ObjectRef, Prefix
from handler.store import StoredObject
from infra.stores.folders import Place


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a store's method, as errors name it, and the moment by which it has to end."""

    method: str
    about: ObjectRef | Prefix
    deadline: Deadline

    def require_time(self) -> None:
        """Raises OutOfTime once the deadline is over."""
        if self.deadline.is_over:
            raise OutOfTime(f"Expected time to {self.method} {self.about}. Received: none is left.")

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raises StorageUnavailable for an error of the file system, and for metadata that somebody damaged."""
        try:
            yield
        except (OSError, msgspec.DecodeError) as error:
            number = error.errno if isinstance(error, OSError) else None
            code = errno.errorcode.get(number or 0, type(error).__name__)
            message = f"Expected to {self.method} {self.about}. Received: {error}."
            raise StorageUnavailable(message, operation=self.method, code=code) from error


class FileBody(io.RawIOBase):
    """The content of an object in a file, or a part of it, read forwards.

    A file that somebody changes in place while it is read is StorageUnavailable: what was read of it may be of no one state.
    """

    def __init__(self, ref: ObjectRef, place: Place, file: BinaryIO, call: Call) -> None:
        super().__init__()
        self.place = place
        self.status = os.fstat(file.fileno())
        self._ref = ref
        self._file = file
        self._call = call
        self._left = self.status.st_size

    def digest(self) -> str:
        """Reads all that is left, and returns its MD5 in hexadecimal digits, which is the ETag of a whole object."""
        return hashlib.file_digest(self, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

    def describe(self, etag: str, metadata: Mapping[str, str]) -> StoredObject:
        """Returns the state of the whole object."""
        modified = datetime.fromtimestamp(self.status.st_mtime, UTC)
        return StoredObject(self._ref, etag, None, self.status.st_size, metadata, modified)

    def narrow(self, start: int, end: int | None) -> None:
        """Goes to byte `start`, to be read from there up to and without byte `end`."""
        self._file.seek(start)
        size = self.status.st_size
        self._left = max(0, min(size if end is None else end, size) - start)

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads as much as fits and is left; returns the number of bytes, 0 at the end."""
        self._call.require_time()
        with self._call.translated():
            count: int = self._file.readinto(memoryview(buffer)[: self._left])  # type: ignore[attr-defined]  # it is unbuffered
            status = os.fstat(self._file.fileno())
            if (status.st_size, status.st_mtime_ns) != (self.status.st_size, self.status.st_mtime_ns):
                raise OSError(errno.EBUSY, "The file was changed while it was read")
        self._left -= count
        return count

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        super().close()
