"""Holds what both clients of S3 share: the body of an object, read block by block, and the error of a call that failed."""

from __future__ import annotations

import io
from typing import Any, BinaryIO, Protocol

from handler.errors import StorageUnavailable
from handler.objects import ObjectRef, Prefix

MAX_SMALL_BYTES = 2**20  # of a document that is sent out of memory, and not out of its file
BLOCK_BYTES = 2**18  # in one read from the network: a small object comes whole, with the call that opens it


class Blocks(Protocol):
    """The blocks of a body after the first one."""

    def read(self) -> bytes:
        """Returns `BLOCK_BYTES` bytes, fewer only if they are the last ones; then the whole body is verified.

        Raises:
            StorageUnavailable: the body broke off, arrived too slowly, or is not what was stored.
            OutOfTime: the block did not arrive by the deadline.
        """

    def close(self) -> None:
        """Closes the connection, unless a read was given up, which closes it when it ends."""


class Body(io.RawIOBase):
    """The body of an object of a block or more, given its first block and the others, each of which arrives by a deadline."""

    def __init__(self, blocks: Blocks, first: bytes) -> None:
        super().__init__()
        self._blocks = blocks
        self._block = memoryview(first)
        self._has_ended = False

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads what is left of a block, or the next one; returns the number of bytes, 0 at the end.

        Raises what `Blocks.read` raises.
        """
        if not self._block and not self._has_ended:
            block = self._blocks.read()
            self._block, self._has_ended = memoryview(block), len(block) < BLOCK_BYTES
        count = min(len(buffer), len(self._block))
        buffer[:count] = self._block[:count]
        self._block = self._block[count:]
        return count

    def close(self) -> None:
        """Closes the connection, unless a read was given up, which closes it when it ends."""
        self._blocks.close()
        super().close()


def unavailable(operation: str, ref: ObjectRef | Prefix, code: str, error: Exception, hint: str = "") -> StorageUnavailable:
    """Returns the error of a call that S3 refused or failed, or that had no answer; `hint` is a sentence more."""
    return StorageUnavailable(
        f"S3 refused or failed {operation} of {ref}: {str(error).rstrip('.')}.{hint}", operation=operation, code=code
    )


def read_small(content: BinaryIO) -> bytes | None:
    """Returns the content of a file from its beginning; None if it has more than `MAX_SMALL_BYTES`."""
    content.seek(0)
    parts: list[bytes] = []
    left = MAX_SMALL_BYTES + 1
    while left and (part := content.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts) if left else None
