"""Judges PNG files. Pure.

A PNG is read only if every chunk that its pixels are made of is whole, in its place, and has the right checksum, although
Pillow does not verify the checksums of pixels. All other chunks are left out, whatever is wrong with them. Of an animation only
the default image is read, which is the first frame.

Format: https://www.w3.org/TR/png-3/#5Chunk-layout
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import PIL.Image

from handler.errors import UnreadableImage
from handler.formats.pictures.judged import Judged, loaded, require_pixels
from handler.formats.pictures.tags import orientation

NAME = "PNG"

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_AT = len(_SIGNATURE)
_HEADER_BYTES = 12 + 13
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")  # the palette and the transparency are a part of the pixels
_END = b"\0\0\0\0IEND\xae\x42\x60\x82"
_PALETTE_COLOURS = 3
# A file of many tiny chunks costs a decoder far more time than its size suggests. Encoders cut 64 MB of data into 8,192 chunks
# of 8 KiB.
_MAX_CHUNKS = 20_000
_MAX_TEXT_BYTES = 2**20  # unpacked, of a text in which the orientation is looked for


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a PNG file."""
    return head.startswith(_SIGNATURE)


def judge(content: bytes, max_pixels: int) -> Judged:
    """Requires whole chunks of pixels with right checksums, and leaves out all other chunks."""
    chunks = list(_chunks(content))
    if not chunks or chunks[0] != (b"IHDR", _HEADER_AT, _HEADER_AT + _HEADER_BYTES):
        raise UnreadableImage("Expected a PNG that begins with its header. Received: another beginning; upload it again.")
    width, height, colours = struct.unpack_from(">IIxB", content, _HEADER_AT + 8)
    require_pixels(width, height, max_pixels)
    kept = [(kind, start, end) for kind, start, end in chunks if kind in _PIXELS]
    kinds = [kind for kind, *_ in kept]
    if kinds.count(b"IHDR") != 1 or b"IDAT" not in kinds or (colours == _PALETTE_COLOURS and b"PLTE" not in kinds):
        raise UnreadableImage(
            "Expected a PNG of one header, its pixels and, if it needs one, its palette. "
            "Received: one in which they are missing or repeated; save it again."
        )
    blocks = [
        (kind, content[start + 8 : end - 4]) for kind, start, end in chunks if kind in {b"eXIf", b"iTXt", b"tEXt", b"zTXt"}
    ]
    pixels = b"".join([_SIGNATURE, *(memoryview(content)[start:end] for _, start, end in kept), _END])
    return Judged(pixels, width, height, orientation(_exif(blocks), _xmp(blocks)))


def decode(judged: Judged, factor: int) -> PIL.Image.Image:
    """Returns the decoded picture."""
    from PIL.PngImagePlugin import PngImageFile  # late, so that a cold start loads no decoder

    return loaded(PngImageFile(io.BytesIO(judged.content)), judged)


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields type, start and end of each sound chunk, up to the closing one, or up to the end of a file without it."""
    position, before, has_pixels = _HEADER_AT, b"", False
    for _ in range(_MAX_CHUNKS + 1):  # the last time only sees the end
        length, kind = struct.unpack_from(">I4s", content, position) if position + 8 <= len(content) else (0, b"")
        end = position + 12 + length
        is_cut = not kind or end > len(content)
        if kind == b"IEND" or (is_cut and has_pixels and not _may_be_pixels(kind, content[position + 8 :], None)):
            return
        if is_cut:
            raise UnreadableImage("Expected a PNG with all of its pixels. Received: one that is truncated; upload it again.")
        is_apart = kind == b"IDAT" and has_pixels and before != b"IDAT"
        if not kind.isalpha() or (kind[0] < ord("a") and kind not in _PIXELS) or is_apart:
            raise UnreadableImage(
                f"Expected a PNG of the standard's chunks in their order. Received: {kind!r} at byte {position}; save it again."
            )
        if _is_sound(kind, content[position + 8 : end - 4], int.from_bytes(content[end - 4 : end], "big"), position):
            yield kind, position, end
        position, before, has_pixels = end, kind, has_pixels or kind == b"IDAT"
    raise UnreadableImage(f"Expected a PNG of at most {_MAX_CHUNKS} chunks. Received: more; save it again.")


def _is_sound(kind: bytes, data: bytes, checksum: int, position: int) -> bool:
    """Returns whether a chunk has the right checksum; one that may be of pixels must have it."""
    if zlib.crc32(data, zlib.crc32(kind)) == checksum:
        return True
    if _may_be_pixels(kind, data, checksum):
        raise UnreadableImage(
            f"Expected a PNG whose checksums hold. Received: a wrong one at byte {position}; upload it again."
        )
    return False


def _may_be_pixels(kind: bytes, data: bytes, checksum: int | None) -> bool:
    """Returns whether a damaged chunk may be one of pixels.

    Its type may be damaged, which the checksum of the true type shows, or its length, so that it covers the chunks behind it.
    """
    return any(
        kind == pixels or pixels in data or (checksum is not None and zlib.crc32(data, zlib.crc32(pixels)) == checksum)
        for pixels in _PIXELS
    )


def _exif(blocks: list[tuple[bytes, bytes]]) -> bytes:
    """Returns the EXIF block: that of its own chunk, or the one that ImageMagick writes as hexadecimal text."""
    for kind, data in blocks:
        if kind == b"eXIf":
            return data
    for kind, data in blocks:
        name, _, text = data.partition(b"\0")
        if name == b"Raw profile type exif":
            lines = (_unpacked(text[1:]) if kind == b"zTXt" else text).split(b"\n")[3:]
            try:
                return bytes.fromhex(b"".join(lines).decode("ascii", "replace"))
            except ValueError:
                return b""
    return b""


def _xmp(blocks: list[tuple[bytes, bytes]]) -> bytes:
    prefix = b"XML:com.adobe.xmp\0"
    for kind, data in blocks:
        if kind == b"iTXt" and data.startswith(prefix):
            flags, text = data[len(prefix) : len(prefix) + 2], data[len(prefix) + 2 :].split(b"\0", 2)[-1]
            return text if flags[:1] == b"\0" else _unpacked(text)
    return b""


def _unpacked(text: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(text, _MAX_TEXT_BYTES)
    except zlib.error:
        return b""
