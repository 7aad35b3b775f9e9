"""Judges WebP files. Pure.

A WebP is read only if its pixels are whole. It carries no checksums, so a file that was damaged inside may decode to damaged
pixels. Of an animation only the first frame is read.

Format: https://developers.google.com/speed/webp/docs/riff_container
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator

import PIL.Image

from handler.errors import UnreadableImage
from handler.formats.pictures.judged import Judged, loaded, require_pixels
from handler.formats.pictures.tags import orientation

NAME = "WebP"

_BEGINNING = re.compile(rb"RIFF....WEBP", re.DOTALL)
_MAX_CHUNKS = 20_000  # far above any file's; many tiny ones would cost far more time than the size suggests
_IMAGES = (b"VP8 ", b"VP8L", b"ANMF")
_PIXELS = (*_IMAGES, b"VP8X", b"ALPH", b"ANIM")


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a WebP file."""
    return bool(_BEGINNING.match(head))


def judge(content: bytes, max_pixels: int) -> Judged:
    """Requires whole chunks of pixels, of a size that the decoder may allocate on opening, and leaves out all other chunks."""
    chunks = list(_chunks(content))
    view = memoryview(content)
    stated = [size for kind, start, end in chunks if (size := _size(kind, view[start + 8 : end]))]
    for size in stated:
        require_pixels(*size, max_pixels)
    if not stated or not any(kind in _IMAGES for kind, *_ in chunks):
        raise UnreadableImage("Expected a WebP with all of its pixels. Received: one that is truncated; upload it again.")
    blocks = {kind: content[start + 8 : end] for kind, start, end in reversed(chunks) if kind in {b"EXIF", b"XMP "}}
    pixels = [view[start:end] for kind, start, end in chunks if kind in _PIXELS]
    riff = b"".join([b"RIFF", struct.pack("<I", 4 + sum(map(len, pixels))), b"WEBP", *pixels])
    return Judged(riff, *stated[0], orientation(blocks.get(b"EXIF", b""), blocks.get(b"XMP ", b"")))


def decode(judged: Judged, factor: int) -> PIL.Image.Image:
    """Returns the decoded picture."""
    from PIL.WebPImagePlugin import WebPImageFile  # late, so that a cold start loads no decoder

    return loaded(WebPImageFile(io.BytesIO(judged.content)), judged)


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields type, start and end of each whole chunk, up to the end that the header states, or to metadata that are cut."""
    position, stated_end = 12, 8 + int.from_bytes(content[4:8], "little")
    for _ in range(_MAX_CHUNKS + 1):  # the last time only sees the end
        if position + 8 > min(stated_end, len(content)):
            return
        kind, length = struct.unpack_from("<4sI", content, position)
        end = position + 8 + length + length % 2
        if end > min(stated_end, len(content)):
            if kind in _PIXELS:
                raise UnreadableImage(
                    "Expected a WebP with all of its pixels. Received: one that is truncated; upload it again."
                )
            return
        yield kind, position, end
        position = end
    raise UnreadableImage(f"Expected a WebP of at most {_MAX_CHUNKS} chunks. Received: more; save it again.")


def _size(kind: bytes, data: memoryview) -> tuple[int, int] | None:
    """Returns the width and height, in pixels, that a chunk beginning with `data` states; None if it states none."""
    if kind == b"VP8X":
        return int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF
    return None
