"""Finds the data of the items that AVIF and HEIC files hold. Pure.

Format: ISO/IEC 23008-12, and 14496-12 for the boxes `iinf` and `iloc`
"""

from __future__ import annotations

from collections.abc import Iterator

from handler.errors import UnreadableImage
from handler.formats.pictures.boxes import children

_METADATA = {b"Exif", b"mime"}
_UNKNOWN = b"skip"
_MAX_PARTS = 10_000  # items, or extents of them; a picture of 64 megapixels in tiles of 512x512 pixels has 256


class _Numbers:
    """Reads whole numbers of stated sizes, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    def read(self, size: int) -> int:
        part = self._data[self._position : self._position + size]
        if len(part) < size:
            raise UnreadableImage("Expected a picture whose parts are all listed. Received: a truncated list; upload it again.")
        self._position += size
        return int.from_bytes(part, "big")


def items_of(content: bytes, wanted: bytes) -> Iterator[bytes]:
    """Yields the data of each item of the type `wanted`.

    Raises:
        UnreadableImage: the lists of the items are missing or truncated, or many items share their data.
    """
    inside = _inside(content)
    if b"iinf" not in inside or b"iloc" not in inside:
        raise UnreadableImage("Expected a file with a main picture. Received: one without; upload it again, or as JPEG.")
    ids = {number for number, kind, _ in _entries(content) if kind == wanted}
    stored = slice(*inside.get(b"idat", (0, 0)))
    left = 2 * len(content)
    for item, in_store, extents in _locations(_Numbers(content[slice(*inside[b"iloc"])])):
        if item in ids:
            source = memoryview(content)[stored] if in_store else memoryview(content)
            parts = [source[at : at + length if length else None] for at, length in extents]
            left -= sum(map(len, parts))
            if left < 0:
                raise UnreadableImage(
                    "Expected a picture whose parts have data of their own. Received: parts that share them; save it again."
                )
            yield b"".join(parts)


def without_metadata(content: bytes) -> bytes:
    """Returns a file that lists items, whose metadata are now of an unknown type, which decoders pass over."""
    changed = bytearray(content)
    for _, kind, at in _entries(content):
        if kind in _METADATA:
            changed[at : at + 4] = _UNKNOWN
    return bytes(changed)


def _inside(content: bytes) -> dict[bytes, tuple[int, int]]:
    """Returns start and end of each box inside of the box `meta`."""
    for kind, start, end in children(content, 0, len(content)):
        if kind == b"meta":
            return {kind: (start, end) for kind, start, end in children(content, start + 4, end)}
    return {}


def _entries(content: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yields number, type and position of the type of each item that the box `iinf` lists."""
    start, end = _inside(content)[b"iinf"]
    for kind, inside, _ in children(content, start + (6 if content[start : start + 1] == b"\0" else 8), end):
        version = content[inside : inside + 1]
        number_bytes = 2 if version == b"\2" else 4
        at = inside + 4 + number_bytes + 2
        if kind == b"infe" and version >= b"\2":
            yield int.from_bytes(content[inside + 4 : inside + 4 + number_bytes], "big"), content[at : at + 4], at


def _locations(numbers: _Numbers) -> Iterator[tuple[int, bool, list[tuple[int, int]]]]:
    """Yields, for each item of the box `iloc`: its number, whether it is in the box `idat`, start and length of its parts."""
    version = numbers.read(4) >> 24
    sizes = numbers.read(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    parts = 0
    for _ in range(numbers.read(4 if version > 1 else 2)):
        item = numbers.read(4 if version > 1 else 2)
        in_store = bool(version) and numbers.read(2) & 15 == 1
        numbers.read(2)
        base = numbers.read(base_size)
        extents = []
        for _ in range(numbers.read(2)):
            numbers.read(index_size if version else 0)
            extents.append((base + numbers.read(offset_size), numbers.read(length_size)))
        parts += 1 + len(extents)
        if parts > _MAX_PARTS:
            raise UnreadableImage(f"Expected a picture of at most {_MAX_PARTS} parts. Received: more; save it again.")
        yield item, in_store, extents
