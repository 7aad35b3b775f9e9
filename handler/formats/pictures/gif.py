"""Judges GIF files, of which only the first frame is read. Pure.

What the first frame leaves uncovered of the screen is transparent, as browsers show it. GIF carries no checksums, so a file
that was damaged inside may decode to damaged pixels.

Format: https://www.w3.org/Graphics/GIF/spec-gif89a.txt
"""

from __future__ import annotations

import io
import struct

import PIL.Image

from handler.errors import UnreadableImage
from handler.formats.pictures.judged import Judged, loaded, require_pixels

NAME = "GIF"

_SIGNATURES = (b"GIF87a", b"GIF89a")
_SCREEN_BYTES = 13  # signature, size of the screen, flags, background, aspect
_FRAME, _EXTENSION, _CONTROL = b",", b"!", b"\xf9"
_MAX_BLOCKS = 20_000  # extensions, and their blocks of up to 255 bytes, before the first frame


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a GIF file."""
    return head.startswith(_SIGNATURES)


def judge(content: bytes, max_pixels: int) -> Judged:
    """Requires a screen and a first frame of bounded size, and leaves out comments and other extensions before the frame."""
    screen_end = _SCREEN_BYTES + _table_bytes(content[10:11])
    control, frame = _first_frame(content, screen_end)
    width, height = struct.unpack_from("<HH", content, 6)
    left, top, frame_width, frame_height = struct.unpack_from("<HHHH", content, frame + 1)
    require_pixels(frame_width, frame_height, max_pixels)
    size = max(width, left + frame_width), max(height, top + frame_height)
    require_pixels(*size, max_pixels)
    return Judged(b"".join([content[:screen_end], control, memoryview(content)[frame:]]), *size)


def decode(judged: Judged, factor: int) -> PIL.Image.Image:
    """Returns the decoded first frame, at its place on the screen."""
    from PIL.GifImagePlugin import GifImageFile  # late, so that a cold start loads no decoder

    opened = GifImageFile(io.BytesIO(judged.content))
    box = opened.tile[0].extents or (0, 0, *opened.size)
    picture = loaded(opened, judged)
    if box == (0, 0, *picture.size):
        return picture
    screen = PIL.Image.new("RGBA", picture.size)
    screen.paste(picture.crop(box).convert("RGBA"), box)
    return screen


def _first_frame(content: bytes, position: int) -> tuple[bytes, int]:
    """Returns the control block of the first frame, which states its transparent colour, and the position of the frame."""
    control, blocks = b"", 0
    while content[position : position + 1] == _EXTENSION:
        start, position, blocks = position, position + 2, blocks + 1
        while blocks <= _MAX_BLOCKS and (length := content[position : position + 1]) > b"\0":
            position += 1 + length[0]
            blocks += 1
        position += 1
        if content[start + 1 : start + 2] == _CONTROL:
            control = content[start:position]
        if blocks > _MAX_BLOCKS:
            raise UnreadableImage(
                f"Expected a GIF of at most {_MAX_BLOCKS} blocks before its picture. Received: more; save it again."
            )
    is_frame = content[position : position + 1] == _FRAME and position + 10 <= len(content)
    if not is_frame or len(control) not in {0, 8}:
        raise UnreadableImage(
            "Expected a GIF with a picture in it. Received: one that is truncated or damaged; upload it again."
        )
    return control, position


def _table_bytes(flags: bytes) -> int:
    """Returns the size of the table of colours that `flags` announce."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0
