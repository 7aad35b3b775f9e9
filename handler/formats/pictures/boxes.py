"""Reads the boxes of which AVIF and HEIC files are made. Pure.

Format: ISO/IEC 14496-12 (boxes) and 23008-12 (items), https://aomediacodec.github.io/av1-avif/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from handler.errors import UnreadableImage

_MAX_BOXES = 10_000  # of one level; each item of a picture has a few


def brands(head: bytes) -> frozenset[bytes]:
    """Returns the brands, of four letters each, that a file beginning with `head` states; none if it has no such boxes."""
    if head[4:8] != b"ftyp":
        return frozenset()
    stated = head[8 : min(int.from_bytes(head[:4], "big"), len(head))]
    return frozenset(stated[at : at + 4] for at in range(0, len(stated) - 3, 4) if at != 4)  # 4: the version of the first


def children(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields type, start and end of the content of each box between `start` and `end`, up to one that is damaged.

    Raises:
        UnreadableImage: there are too many boxes.
    """
    for _ in range(_MAX_BOXES + 1):  # the last time only sees the end
        if start + 8 > end:
            return
        length, kind = struct.unpack_from(">I4s", content, start)
        inside = start + 8
        if length == 1 and inside + 8 <= end:
            (length,) = struct.unpack_from(">Q", content, inside)
            inside += 8
        box_end = end if length == 0 else start + length
        if box_end < inside or box_end > end:
            return
        yield kind, inside, box_end
        start = box_end
    raise UnreadableImage(f"Expected a picture of at most {_MAX_BOXES} boxes. Received: more; save it again.")
