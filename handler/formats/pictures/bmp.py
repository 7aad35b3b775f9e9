"""Judges BMP files: uncompressed, with bit fields, or run-length encoded, of Windows and of OS/2. Pure.

BMP carries no checksums, so a file that was damaged inside may decode to damaged pixels.

Format: https://learn.microsoft.com/en-us/windows/win32/gdi/bitmap-header-types
"""

from __future__ import annotations

import io
import struct

import PIL.Image

from handler.errors import UnreadableImage
from handler.formats.pictures.judged import Judged, loaded, require_pixels

NAME = "BMP"

_OS2_HEADER = 12
_HEADERS = {_OS2_HEADER, 40, 52, 56, 64, 108, 124}  # by their sizes in bytes
_PLAIN, _RUNS_OF_8, _RUNS_OF_4, _FIELDS = range(4)
_MAX_RUN_BYTES = 2**22  # Pillow unpacks runs in Python, at about 4 MB a second
_MAX_RUN_PIXELS = 2**23  # and fills up rows pixel by pixel, 6 million a second; a screen of 3840x2160 pixels has fewer


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a BMP file: its two letters, and a header of a known size with its one plane."""
    if not head.startswith(b"BM") or len(head) < 28:
        return False
    (size,) = struct.unpack_from("<I", head, 14)
    planes = head[22:24] if size == _OS2_HEADER else head[26:28]
    return size in _HEADERS and planes == b"\1\0"


def judge(content: bytes, max_pixels: int) -> Judged:
    """Requires a bounded size, a compression that is read, and as many bytes as uncompressed pixels need."""
    (pixels_at, header) = struct.unpack_from("<II", content, 10)
    width, height, bits, compression = _shape(content, header)
    require_pixels(width, height, max_pixels)
    if compression not in {_PLAIN, _RUNS_OF_8, _RUNS_OF_4, _FIELDS}:
        raise UnreadableImage(
            f"Expected a BMP that is uncompressed, with bit fields, or run-length encoded. "
            f"Received: compression {compression}; save it as PNG."
        )
    if compression in {_RUNS_OF_8, _RUNS_OF_4}:
        if len(content) - pixels_at > _MAX_RUN_BYTES:
            raise UnreadableImage(
                f"Expected a run-length encoded BMP of at most {_MAX_RUN_BYTES} bytes. "
                f"Received: {len(content) - pixels_at}; save it as PNG."
            )
        if width * height > _MAX_RUN_PIXELS:
            raise UnreadableImage(
                f"Expected a run-length encoded BMP of at most {_MAX_RUN_PIXELS} pixels. "
                f"Received: {width}x{height}; save it as PNG."
            )
    elif pixels_at + (width * bits + 31) // 32 * 4 * height > len(content):
        raise UnreadableImage("Expected a BMP with all of its pixels. Received: one that is truncated; upload it again.")
    return Judged(content, width, height)


def decode(judged: Judged, factor: int) -> PIL.Image.Image:
    """Returns the decoded picture; one whose every pixel is transparent has no meaning, and is taken as opaque."""
    from PIL.BmpImagePlugin import BmpImageFile  # late, so that a cold start loads no decoder

    picture = loaded(BmpImageFile(io.BytesIO(judged.content)), judged)
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (0, 0):
        return picture.convert("RGB")
    return picture


def _shape(content: bytes, header: int) -> tuple[int, int, int, int]:
    """Returns width, height, bits of a pixel, and compression; a negative height means that the rows begin at the top."""
    try:
        if header == _OS2_HEADER:
            width, height, _, bits = struct.unpack_from("<HHHH", content, 18)
            return width, height, bits, _PLAIN
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", content, 18)
    except struct.error as error:
        raise UnreadableImage(
            "Expected a BMP with a whole header. Received: one that is truncated; upload it again."
        ) from error
    return width, abs(height), bits, compression
