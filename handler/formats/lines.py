"""Reads text line by line. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from handler.errors import RejectedInput
from handler.formats.stream import Body

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # Excel and PowerShell begin UTF-8 text with it

_BLOCK_BYTES = 2**16


def read_lines(body: Body, max_bytes: int, too_long: RejectedInput) -> Iterator[bytes]:
    """Yields the lines of `body` without their line feeds.

    Raises:
        RejectedInput: a line has more than `max_bytes` bytes; the error is `too_long`.
    """
    rest = body.read(_BLOCK_BYTES).removeprefix(BYTE_ORDER_MARK)
    while rest:
        *whole, rest = rest.split(b"\n")
        if any(len(line) > max_bytes for line in (*whole, rest)):
            raise too_long
        yield from whole
        more = body.read(_BLOCK_BYTES)
        if not more:
            if rest:
                yield rest
            return
        rest += more
