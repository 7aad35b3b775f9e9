"""Reads bodies forwards. Pure.

Memory is allocated for bytes that have arrived, never for a size that was only announced. Errors of the body itself (a broken
connection to S3, for example) pass through unchanged.
"""

from __future__ import annotations

from typing import BinaryIO, Protocol, cast

_PIECE_BYTES = 2**20  # of one read from a body, at most


class Body(Protocol):
    """The content of an object, or of a part of it, that can be read forwards."""

    def read(self, size: int, /) -> bytes:
        """Returns up to `size` bytes; an empty result means the end."""


class Stream:
    """A body whose reads return all bytes that were asked for, and whose beginning can be looked at before it is read.

    `tells_truncation` is True if the body itself raises an error where it was truncated, as packed streams do.
    """

    def __init__(self, body: Body, *, tells_truncation: bool = False) -> None:
        self.tells_truncation = tells_truncation
        self._body = body
        self._head = b""

    def peek(self, size: int) -> bytes:
        """Returns the next `size` bytes, fewer only at the end, without consuming them."""
        self._head = self.read(size) + self._head
        return self._head[:size]

    def read(self, size: int, /) -> bytes:
        """Returns the next `size` bytes, fewer only at the end."""
        parts = [self._head[:size]] if self._head else []
        self._head = self._head[size:]
        missing = size - sum(map(len, parts))
        while missing and (part := self._body.read(min(missing, _PIECE_BYTES))):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def rewound(self) -> BinaryIO | None:
        """Returns the body itself, at its start, if the body is seekable; None otherwise."""
        seekable = getattr(self._body, "seekable", None)
        if not seekable or not seekable():
            return None
        file = cast("BinaryIO", self._body)
        file.seek(0)
        return file
