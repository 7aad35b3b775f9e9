"""Judges JPEG files. Pure.

JPEG carries no checksums, so a file that was damaged inside may decode to damaged pixels. Bytes after the image (a phone's
video, for example) are ignored.

Format: ITU-T T.81, annex B, https://www.w3.org/Graphics/JPEG/itu-t81.pdf
"""

from __future__ import annotations

import io
import itertools
import re
import struct
from collections.abc import Iterator

import PIL.Image

from handler.errors import UnreadableImage
from handler.formats.pictures.judged import Judged, loaded, require_pixels
from handler.formats.pictures.tags import orientation

NAME = "JPEG"

# A file of many tiny parts costs a decoder far more time than its size suggests: a progressive JPEG is decoded anew for each
# scan (10 ms a scan at 16 megapixels), and metadata segments are joined in quadratic time. Cameras and editors write up to
# about 10 scans and 300 segments.
_MAX_SCANS = 100
_MAX_SEGMENTS = 1_000
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")  # skips byte stuffing, fill bytes, and restarts within a scan
_SCAN, _END = b"\xda", b"\xd9"
_FRAMES = {bytes([marker]) for marker in range(0xC0, 0xD0)} - {b"\xc4", b"\xc8", b"\xcc"}
_METADATA = {bytes([marker]) for marker in (*range(0xE0, 0xF0), 0xFE)}
# The two of these segments that decide how colours are stored, if they are as long as decoders ask for.
_COLOURS = {b"\xe0": (b"JFIF\0", 14), b"\xee": (b"Adobe", 12)}
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a JPEG file."""
    return head.startswith(b"\xff\xd8\xff")


def judge(content: bytes, max_pixels: int) -> Judged:
    """Requires a size and few parts, and leaves out the metadata before the pixels."""
    header = list(itertools.takewhile(lambda segment: segment[0] != _SCAN, list(_segments(content))))
    frames = [content[start + 4 : end] for marker, start, end in header if marker in _FRAMES]
    if not frames or len(frames[-1]) < 6:
        raise UnreadableImage("Expected a JPEG that states its size. Received: one whose header is damaged; upload it again.")
    height, width = struct.unpack_from(">HH", frames[-1], 1)
    require_pixels(width, height, max_pixels)
    metadata = [(marker, start, end) for marker, start, end in header if marker in _METADATA]
    dropped = [(start, end) for marker, start, end in metadata if not _decides_colours(marker, content[start + 4 : end])]
    blocks = [content[start + 4 : end] for start, end in dropped]
    exif, xmp = (next((block[len(name) :] for block in blocks if block.startswith(name)), b"") for name in (_EXIF, _XMP))
    return Judged(_without(content, dropped), width, height, orientation(exif, xmp))


def decode(judged: Judged, factor: int) -> PIL.Image.Image:
    """Returns the decoded picture, at 1/`factor` of its size, which libjpeg makes of a part of the coefficients."""
    from PIL.JpegImagePlugin import JpegImageFile  # late, so that a cold start loads no decoder

    return loaded(JpegImageFile(io.BytesIO(judged.content)), judged, factor)


def _segments(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields marker, start and end of each segment, up to the end of the image."""
    position, scans, segments = 2, 0, 0
    while scans <= _MAX_SCANS and segments <= _MAX_SEGMENTS:
        found = _MARKER.search(content, position)
        if not found or found[1] == _END:
            return
        scans += found[1] == _SCAN
        segments += found[1] != _SCAN
        length = int.from_bytes(content[found.end() : found.end() + 2], "big")
        position = found.end() + max(length, 2)
        yield found[1], found.start(), position
    raise UnreadableImage(
        f"Expected a JPEG of at most {_MAX_SCANS} scans and {_MAX_SEGMENTS} other segments. Received: more; save it again."
    )


def _decides_colours(marker: bytes, data: bytes) -> bool:
    name, least_bytes = _COLOURS.get(marker, (b"", 2**16))
    return len(data) >= least_bytes and data.startswith(name)


def _without(content: bytes, dropped: list[tuple[int, int]]) -> bytes:
    starts, ends = [0, *(end for _, end in dropped)], [*(start for start, _ in dropped), len(content)]
    return b"".join(memoryview(content)[start:end] for start, end in zip(starts, ends, strict=True))
