"""Reads the sizes that AV1 data state, which a decoder allocates whatever the file around them states. Pure.

Format: https://aomediacodec.github.io/av1-spec/#obu-syntax
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from handler.errors import UnreadableImage

_SEQUENCE_HEADER = 1
_HEADER_BYTES = 512  # the sizes in a sequence header end before, whatever it states besides
_MAX_UNITS = 10_000  # in a file; a picture has a few, and one of 64 megapixels in tiles of 512x512 pixels a thousand


class _Bits:
    """Reads single bits."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def read(self, count: int) -> int:
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)


def stated_sizes(pictures: Iterable[bytes]) -> Iterator[tuple[int, int, int]]:
    """Yields, for each sequence header in the data of `pictures`, width and height, and the most pixels that a frame can have.

    Raises:
        UnreadableImage: the data are in too many units.
    """
    units = 0
    for data in pictures:
        position = 0
        while position < len(data):
            head = data[position]
            position += 2 if head & 4 else 1
            length = len(data)  # to the end, if the unit states no length
            if head & 2:
                length, position = _leb128(data, position)
            if head >> 3 & 15 == _SEQUENCE_HEADER:
                header = data[position : position + min(length, _HEADER_BYTES)]
                yield _frame(_Bits(header.ljust(_HEADER_BYTES, b"\0")))
            position += length
            units += 1
            if units > _MAX_UNITS:
                raise UnreadableImage(f"Expected AV1 data in at most {_MAX_UNITS} units. Received: more; save it again.")


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 56, 7):
        byte = data[position] if position < len(data) else 0
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    return value, position


def _frame(bits: _Bits) -> tuple[int, int, int]:
    bits.read(4)  # profile, still picture
    is_reduced = bits.read(1)
    if is_reduced:
        bits.read(5)  # level
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    width, height = bits.read(width_bits) + 1, bits.read(height_bits) + 1
    # A frame of a full header may state a size of its own, of as many bits.
    return width, height, width * height if is_reduced else 1 << (width_bits + height_bits)


def _skip_operating_points(bits: _Bits) -> None:
    delay_bits = 0
    if bits.read(1):  # timing
        bits.read(64)
        if bits.read(1):  # equal intervals, whose length is preceded by as many zeros as it has bits; after 32, it has none
            bits.read(next((zeros for zeros in range(32) if bits.read(1)), 0))
        if bits.read(1):  # a decoder model
            delay_bits = bits.read(5) + 1
            bits.read(32 + 5 + 5)
    has_display_delay = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:  # level
            bits.read(1)
        if delay_bits and bits.read(1):
            bits.read(2 * delay_bits + 1)
        if has_display_delay and bits.read(1):
            bits.read(4)
