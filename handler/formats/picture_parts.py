"""Judges the parts of PNG, JPEG and WebP files before a decoder reads them. Pure."""

from __future__ import annotations

import re
import struct
import zlib

from handler.errors import ObjectTooLarge, UnreadableImage

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# A file of many tiny parts costs a decoder far more time than its size suggests: a progressive JPEG is decoded anew for each
# scan (10 ms a scan at 16 megapixels), and metadata segments are joined in quadratic time. Cameras and editors write up to
# about 10 scans and 300 segments; encoders cut 64 MB of PNG data into 8,192 chunks of 8 KiB.
_MAX_SCANS = 100
_MAX_SEGMENTS = 1_000
_MAX_CHUNKS = 20_000
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")  # skips byte stuffing, fill bytes, and restarts within a scan
_SCAN, _END = b"\xda", b"\xd9"
_PNG_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}  # of the types that begin with a capital, which a decoder must know


def require_sound_png(content: bytes, max_pixels: int) -> None:
    """Requires whole chunks with right checksums and known types, up to the closing chunk.

    Source: https://www.w3.org/TR/png-3/#5Chunk-layout
    """
    position = len(PNG_SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        length, kind = struct.unpack_from(">I4s", content, position) if position + 12 <= len(content) else (0, b"")
        end = position + 12 + length
        if not kind or end > len(content):
            raise UnreadableImage(
                "Expected a PNG that ends with its closing chunk. Received: one that is truncated; upload it again."
            )
        if zlib.crc32(content[position + 4 : end - 4]) != int.from_bytes(content[end - 4 : end], "big"):
            raise UnreadableImage(
                f"Expected a PNG whose checksums hold. Received: a wrong one at byte {position}; upload it again."
            )
        if kind[0] < ord("a") and (kind not in _PNG_CRITICAL or (kind == b"IHDR") != (position == len(PNG_SIGNATURE))):
            raise UnreadableImage(
                f"Expected a PNG of the standard's chunks in their order. Received: {kind!r} at byte {position}; save it again."
            )
        if kind == b"IEND":
            return
        position = end
    raise UnreadableImage(f"Expected a PNG of at most {_MAX_CHUNKS} chunks. Received: more; save it again.")


def require_bounded_jpeg(content: bytes, max_pixels: int) -> None:
    """Requires that scans and other segments, up to the end of the image, are not too many.

    Bytes after the image (a phone's video, for example) are ignored.

    Source: ITU-T T.81, annex B, https://www.w3.org/Graphics/JPEG/itu-t81.pdf
    """
    position, scans, segments = 2, 0, 0
    while scans <= _MAX_SCANS and segments <= _MAX_SEGMENTS:
        found = _MARKER.search(content, position)
        if not found or found[1] == _END:
            return
        scans += found[1] == _SCAN
        segments += found[1] != _SCAN
        length = int.from_bytes(content[found.end() : found.end() + 2], "big")
        position = found.end() + max(length, 2)
    raise UnreadableImage(
        f"Expected a JPEG of at most {_MAX_SCANS} scans and {_MAX_SEGMENTS} other segments. Received: more; save it again."
    )


def require_sound_webp(content: bytes, max_pixels: int) -> None:
    """Requires whole chunks up to the end that the header states, of a size that Pillow may allocate on opening.

    Source: https://developers.google.com/speed/webp/docs/riff_container
    """
    position, end = 12, 8 + int.from_bytes(content[4:8], "little")
    chunks = 0
    while position < end <= len(content) and chunks < _MAX_CHUNKS:
        kind, length = struct.unpack_from("<4sI", content.ljust(position + 8, b"\0"), position)
        size = _webp_size(kind, content[position + 8 : position + 18])
        require_pixels(*size, max_pixels)
        position += 8 + length + length % 2
        chunks += 1
    if position != end or end > len(content):
        raise UnreadableImage(
            f"Expected a WebP of at most {_MAX_CHUNKS} whole chunks. Received: a truncated or corrupt one; upload it again."
        )


def _webp_size(kind: bytes, data: bytes) -> tuple[int, int]:
    """Returns the width and height, in pixels, that a chunk beginning with `data` states; zeros if it states none."""
    data = data.ljust(10, b"\0")
    if kind == b"VP8X":
        return int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF
    return 0, 0


def require_pixels(width: int, height: int, max_pixels: int) -> None:
    """Accepts a picture of at most `max_pixels` pixels.

    Raises:
        ObjectTooLarge: the picture has more.
    """
    if width * height > max_pixels:
        raise ObjectTooLarge(
            f"Expected an image of at most {max_pixels} pixels (MAX_IMAGE_PIXELS). Received: {width}x{height}; scale it down."
        )
