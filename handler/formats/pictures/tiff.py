"""Judges TIFF files, of which the first page is read. Pure.

The tags that the pixels are made of are written anew, as the only directory, so that the decoder sees no other tag, whatever is
in the file. TIFF carries no checksums, so a file that was damaged inside may decode to damaged pixels.

Format: https://www.adobe.io/open/standards/TIFF.html
"""

from __future__ import annotations

import functools
import io
import struct

import numpy as np
import PIL.Image
import PIL.ImageChops

from handler.errors import ObjectTooLarge, UnreadableImage
from handler.formats.pictures.judged import Judged, loaded, require_pixels
from handler.formats.pictures.tags import ORIENTATION, read_tags

NAME = "TIFF"

_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_CANON_RAW = b"CR"  # at byte 8

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 254, 256, 257, 258, 259, 262, 266
_STRIPS, _SAMPLES, _STRIP_ROWS, _STRIP_BYTES, _PLANES, _FAX, _PREDICTOR, _COLOURS = 273, 277, 278, 279, 284, 293, 317, 320
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _EXTRAS, _NUMBERS, _JPEG_TABLES = 322, 323, 324, 325, 338, 339, 347
_SUBSAMPLING, _SITING, _DNG = 530, 531, 50706
_KEPT = {
    *(_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _STRIPS, _SAMPLES, _STRIP_ROWS, _STRIP_BYTES, _PLANES),
    *(_FAX, _PREDICTOR, _COLOURS, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _EXTRAS, _JPEG_TABLES, _SUBSAMPLING, _SITING),
}
_BYTES = {_JPEG_TABLES: 7}  # type; all other tags are numbers of 32 bits

_COMPRESSIONS = {1: "none", 4: "CCITT group 4", 5: "LZW", 7: "JPEG", 8: "deflate", 32946: "deflate", 32773: "PackBits"}
_WHITE_IS_0, _GREY, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
# For each meaning of the samples: how many there are besides extra ones, and which bits each may have.
_MEANINGS = {
    _WHITE_IS_0: (1, {1, 2, 4, 8, 16}),
    _GREY: (1, {1, 2, 4, 8, 16}),
    _RGB: (3, {8, 16}),
    _PALETTE: (1, {1, 2, 4, 8}),
    _CMYK: (4, {8, 16}),
    _YCBCR: (3, {8}),
}
_CAMERAS = {32803, 34892}  # meanings of the samples in raw photos
_MAX_EXTRAS = 2
_MAX_BLOCK_BYTES = 2**29  # of an unpacked strip or tile: 64 megapixels of four 16-bit samples

Tags = dict[int, tuple[int, ...]]


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a TIFF file, other than a Canon camera's raw photo, which is named as such."""
    return head.startswith(_BEGINNINGS) and head[8:10] != _CANON_RAW


def judge(content: bytes, max_pixels: int) -> Judged:
    """Requires a kind of pixels that is read, of a bounded size, with all of their bytes."""
    tags = read_tags(content, _KEPT | {_SUBFILE, _DNG, _NUMBERS, ORIENTATION})
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise UnreadableImage("Expected a TIFF that states its size. Received: a truncated or damaged one; upload it again.")
    width, height = tags[_WIDTH][0], tags[_HEIGHT][0]
    if _DNG in tags or tags.get(_SUBFILE, (0,))[0] & 1 or _CAMERAS & {*tags.get(_PHOTOMETRIC, ())}:
        raise UnreadableImage("Expected a TIFF picture. Received: a camera's raw photo (DNG, NEF, CR2, …); export it as JPEG.")
    require_pixels(width, height, max_pixels)
    meaning = tags.get(_PHOTOMETRIC, (_WHITE_IS_0,))[0]
    _require_kind(tags, meaning)
    _require_blocks(tags, width, height, len(content))
    tags[_PHOTOMETRIC] = (_GREY if meaning == _WHITE_IS_0 else meaning,)
    turn = tags.get(ORIENTATION, (1,))[0]
    return Judged(_rebuilt(content, tags), width, height, turn if 1 <= turn <= 8 else 1, meaning == _WHITE_IS_0)


def decode(judged: Judged, factor: int) -> PIL.Image.Image:
    """Returns the decoded first page."""
    import PIL.TiffImagePlugin  # late, so that a cold start loads no decoder

    _silence()
    PIL.TiffImagePlugin.READ_LIBTIFF = True  # one decoder for every compression; Pillow's own cannot read 16-bit planes
    picture = loaded(PIL.TiffImagePlugin.TiffImageFile(io.BytesIO(judged.content)), judged)
    if picture.mode == "La":
        return picture.convert("LA")
    if not judged.is_negative:
        return picture
    if picture.mode.startswith("I;16"):
        return PIL.Image.fromarray(65535 - np.asarray(picture).astype(np.uint16))
    return PIL.ImageChops.invert(picture)


@functools.cache
def _silence() -> None:
    """Keeps libtiff from writing its errors to the standard error output, which is the function's log."""
    import ctypes  # late, so that a cold start does not load it

    from PIL import _imaging  # which is linked to libtiff

    setter = getattr(ctypes.CDLL(_imaging.__file__), "TIFFSetErrorHandler", None)
    if setter:
        setter(None)


def _require_kind(tags: Tags, meaning: int) -> None:
    compression, numbers = tags.get(_COMPRESSION, (1,))[0], tags.get(_NUMBERS, (1,))
    if compression not in _COMPRESSIONS:
        raise UnreadableImage(
            f"Expected a TIFF compressed in one of these ways: {', '.join(dict.fromkeys(_COMPRESSIONS.values()))}. "
            f"Received: compression {compression}; save it as PNG."
        )
    count, allowed = _MEANINGS.get(meaning, (0, set()))
    bits, samples, extras = tags.get(_BITS, (1,)), tags.get(_SAMPLES, (1,))[0], tags.get(_EXTRAS, ())
    is_known = count and {*bits} <= allowed and len({*bits}) == 1 and {*numbers} == {1}
    is_grey_with_alpha = count == 1 and bool(extras)
    if not is_known or not count <= samples <= count + _MAX_EXTRAS or (is_grey_with_alpha and (meaning == 0 or bits[0] != 8)):
        raise UnreadableImage(
            "Expected a TIFF of grey, RGB, palette, CMYK or YCbCr pixels in whole numbers of up to 16 bits. "
            f"Received: photometric interpretation {meaning}, {samples} samples of {_short(bits)} bits in sample format "
            f"{_short(numbers)}; save it as PNG."
        )


def _short(numbers: tuple[int, ...]) -> str:
    return ", ".join(str(number) for number in sorted({*numbers})[:4])


def _require_blocks(tags: Tags, width: int, height: int, size_bytes: int) -> None:
    """Requires that each strip or tile is in the file, and that neither one nor all are too large to be unpacked."""
    is_tiled = _TILES in tags
    columns = tags.get(_TILE_WIDTH, (0,))[0] if is_tiled else width
    rows = tags.get(_TILE_HEIGHT, (0,))[0] if is_tiled else min(height, tags.get(_STRIP_ROWS, (height,))[0])
    starts = tags.get(_TILES if is_tiled else _STRIPS, ())
    lengths = tags.get(_TILE_BYTES if is_tiled else _STRIP_BYTES, ())
    samples, bits = tags.get(_SAMPLES, (1,))[0], tags.get(_BITS, (1,))[0]
    planes = samples if tags.get(_PLANES, (1,))[0] == 2 else 1
    needed = -(-width // max(1, columns)) * -(-height // max(1, rows)) * planes
    if not columns or not rows or len(starts) != len(lengths) or len(starts) < needed:
        raise UnreadableImage("Expected a TIFF that states where its pixels are. Received: a damaged one; save it again.")
    if any(start + length > size_bytes for start, length in zip(starts, lengths, strict=True)):
        raise UnreadableImage("Expected a TIFF with all of its pixels. Received: one that is truncated; upload it again.")
    block_bytes = columns * rows * samples * bits // 8
    if block_bytes > _MAX_BLOCK_BYTES:
        raise ObjectTooLarge(
            f"Expected a TIFF in strips or tiles of at most {_MAX_BLOCK_BYTES} bytes. Received: larger ones; save it as PNG."
        )
    # Tiles may reach beyond the picture, and may share bytes; the decoder unpacks each, and in one order of bits copies each.
    most_bytes = 2 * max(_MAX_BLOCK_BYTES, width * height * samples * bits // 8)
    in_all_bytes = max(needed // planes * block_bytes, sum(lengths))
    if in_all_bytes > most_bytes:
        raise ObjectTooLarge(
            f"Expected a TIFF in strips or tiles of at most {most_bytes} bytes in all. Received: {in_all_bytes}; "
            "save it as PNG."
        )


def _rebuilt(content: bytes, tags: Tags) -> bytes:
    """Returns the file with one directory, at its end, of the tags that make the pixels."""
    order = "<" if content.startswith(b"II") else ">"
    kept = sorted((tag, values) for tag, values in tags.items() if tag in _KEPT)
    at = len(content) + len(content) % 2
    data_at, entries, data = at + 2 + 12 * len(kept) + 4, b"", b""
    for tag, values in kept:
        kind = _BYTES.get(tag, 4)
        packed = struct.pack(f"{order}{len(values)}{'B' if kind == 7 else 'I'}", *values)
        inline = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack(f"{order}I", data_at + len(data))
        data += packed + bytes(len(packed) % 2) if len(packed) > 4 else b""
        entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + inline
    head = content[:2] + struct.pack(f"{order}HI", 42, at)
    directory = struct.pack(f"{order}H", len(kept)) + entries + bytes(4)
    return b"".join([head, memoryview(content)[8:], bytes(len(content) % 2), directory, data])
