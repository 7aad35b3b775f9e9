"""Bodies that are read forwards. Pure.

Memory is taken for what has arrived and never for what was announced. What a body itself raises (S3 broke off, say) passes
through untouched.
"""

from __future__ import annotations

from typing import BinaryIO, Protocol, cast

_PIECE_BYTES = 2**20  # asked of a body at once


class Body(Protocol):
    """What can be read forwards."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none only at the end."""


class Stream:
    """A body with its reads made whole, whose beginning can be looked at before it is read."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._head = b""

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end; they are read again."""
        self._head = self.read(size) + self._head
        return self._head[:size]

    def read(self, size: int, /) -> bytes:
        """`size` bytes, fewer only at the end."""
        parts = [self._head[:size]] if self._head else []
        self._head = self._head[size:]
        missing = size - sum(map(len, parts))
        while missing and (part := self._body.read(min(missing, _PIECE_BYTES))):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def rewound(self) -> BinaryIO | None:
        """The body itself, at its start, if it can be read in any order."""
        seekable = getattr(self._body, "seekable", None)
        if not seekable or not seekable():
            return None
        file = cast("BinaryIO", self._body)
        file.seek(0)
        return file
