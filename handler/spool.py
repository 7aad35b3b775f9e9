"""Encoded values that wait for the end of their document: in memory while they are few, in temporary files beyond that."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

IN_MEMORY_BYTES = 2**20  # of one file: about 4,000 rows of ten classes; several documents are written at the same time


class Spool:
    """JSON values separated by commas, or lines, in memory while they are few and in a temporary file beyond that."""

    def __init__(self) -> None:
        self.file = cast("BinaryIO", SpooledTemporaryFile(IN_MEMORY_BYTES))  # noqa: SIM115  # closed by its owner
        self.count = 0

    def add(self, value: bytes) -> None:
        """Adds an encoded value; raises OSError if there is no room left for temporary files."""
        self.file.write(b"," + value if self.count else value)
        self.count += 1

    def add_line(self, value: bytes) -> None:
        """Adds an encoded value as a line; raises OSError if there is no room left for temporary files."""
        self.file.write(value + b"\n")
        self.count += 1

    def lines(self) -> Iterator[bytes]:
        """Yields the lines, from the first one on, without their line feeds."""
        self.file.seek(0)
        return (line[:-1] for line in self.file)


class Joined(io.RawIOBase):
    """A file to read that is the concatenation of several files."""

    def __init__(self, files: Iterable[BinaryIO]) -> None:
        super().__init__()
        self._files = tuple(files)
        self._ends: list[int] = []
        for file in self._files:
            self._ends.append(file.seek(0, io.SEEK_END) + (self._ends[-1] if self._ends else 0))
        self._position = 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def tell(self) -> int:
        """Returns the position, in bytes from the beginning of the first file."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to another position, and returns the new position, in bytes."""
        position = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._ends[-1]}[whence] + offset
        if position < 0:
            raise ValueError(f"Expected a position of at least 0. Received: {position}.")
        self._position = position
        return position

    def readinto(self, buffer: Any) -> int:
        """Fills `buffer` from the file at the position, up to the end of that file.

        The result is the number of bytes read, which is 0 only at the end of the last file.
        """
        start = 0
        for file, end in zip(self._files, self._ends, strict=True):
            if self._position < end:
                file.seek(self._position - start)
                part = file.read(len(buffer))
                buffer[: len(part)] = part
                self._position += len(part)
                return len(part)
            start = end
        return 0
