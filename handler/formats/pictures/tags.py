"""Reads the tags of TIFF files, and of the EXIF blocks inside other files, which have the same form. Pure.

A tag that is damaged is left out, so that it affects no other tag. Nothing is ever written back.

Format: https://www.adobe.io/open/standards/TIFF.html and, for files of more than 4 GiB, https://www.awaresystems.be/imaging/tiff/bigtiff.html
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection

ORIENTATION = 0x112

_ORDERS = {b"II": "<", b"MM": ">"}
_VALUES = {1: "B", 3: "H", 4: "I", 7: "B", 16: "Q"}  # the types of whole numbers that are not negative
_MAX_TAGS = 65_535  # as many as 16 bits can count
_MAX_VALUES = 65_536  # of one tag; a picture of 64 megapixels in tiles of 32x32 pixels has as many
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def read_tags(block: bytes, wanted: Collection[int]) -> dict[int, tuple[int, ...]]:
    """Returns the numbers of each of the `wanted` tags that the first directory of `block` holds undamaged."""
    order, is_big = _ORDERS.get(block[:2], ""), block[2:4] in {b"+\0", b"\0+"}
    count_of, entry, size = ("Q", "HHQ", 8) if is_big else ("H", "HHI", 4)
    found: dict[int, tuple[int, ...]] = {}
    try:
        (position,) = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", block, size)
        (count,) = struct.unpack_from(f"{order}{count_of}", block, position)
        position += struct.calcsize(f"{order}{count_of}")
        for _ in range(min(count, _MAX_TAGS) if order else 0):
            tag, kind, values = struct.unpack_from(f"{order}{entry}", block, position)
            if (
                tag in wanted
                and tag not in found
                and (numbers := _numbers(block, order, kind, values, position + 4 + size, size))
            ):
                found[tag] = numbers
            position += 4 + 2 * size
    except (struct.error, OverflowError):
        pass  # the block ends early; what was found until there holds
    return found


def _numbers(block: bytes, order: str, kind: int, count: int, position: int, inline_bytes: int) -> tuple[int, ...]:
    code = _VALUES.get(kind)
    if not code or count > _MAX_VALUES:
        return ()
    if struct.calcsize(code) * count > inline_bytes:
        (position,) = struct.unpack_from(f"{order}{'Q' if inline_bytes == 8 else 'I'}", block, position)
    if position + struct.calcsize(code) * count > len(block):
        return ()
    return struct.unpack_from(f"{order}{count}{code}", block, position)


def orientation(exif: bytes, xmp: bytes) -> int:
    """Returns the number from 1 to 8 by which a picture is turned upright, from its EXIF block, or from its XMP block.

    A block that is missing or damaged, or states no such number, means 1: upright as it is.
    """
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    stated = read_tags(exif, {ORIENTATION}).get(ORIENTATION)
    in_xmp = _XMP_ORIENTATION.search(xmp)
    number = stated[0] if stated else int(in_xmp[1]) if in_xmp else 1
    return number if 1 <= number <= 8 else 1
