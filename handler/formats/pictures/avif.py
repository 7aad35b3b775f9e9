"""Judges AVIF files, of which the main picture is read. Pure.

AVIF carries no checksums, so a file that was damaged inside may decode to damaged pixels.

Format: https://aomediacodec.github.io/av1-avif/
"""

from __future__ import annotations

import PIL.Image

from handler.errors import UnreadableImage
from handler.formats.pictures.av1 import stated_sizes
from handler.formats.pictures.boxes import brands
from handler.formats.pictures.items import items_of, without_metadata
from handler.formats.pictures.judged import Judged, require_pixels

NAME = "AVIF"

_BRANDS = {b"avif", b"avis"}
_SEQUENCE, _PICTURE = b"avis", b"avif"
_THREADS = 1  # more would make the memory depend on the machine
_MAX_FRAME_PIXELS = 2**27  # that a frame may have without saying so in the sequence header


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins an AVIF file."""
    return bool(brands(head) & _BRANDS)


def judge(content: bytes, max_pixels: int) -> Judged:
    """Requires a bounded size in the file's header, and in those of the AV1 data, which the decoder allocates."""
    from PIL import _avif  # late, so that a cold start loads no decoder; the plugin would rewrite the EXIF block

    for width, height, frame_pixels in stated_sizes(items_of(content, b"av01")):
        require_pixels(width, height, max_pixels)
        if frame_pixels > max(_MAX_FRAME_PIXELS, max_pixels):
            raise UnreadableImage(
                f"Expected an AVIF of one size. Received: one that states {width}x{height} pixels, and frames of up to "
                f"{frame_pixels} pixels; save it again."
            )
    brand = _PICTURE if content[8:12] == _SEQUENCE else content[8:12]  # the main picture is asked for, and not the film
    plain = b"".join([content[:8], brand, memoryview(without_metadata(content))[12:]])
    (width, height), _, _, _, _, turn, _ = _avif.AvifDecoder(plain, "auto", _THREADS).get_info()
    require_pixels(width, height, max_pixels)
    return Judged(plain, width, height, turn)


def decode(judged: Judged, factor: int) -> PIL.Image.Image:
    """Returns the decoded main picture."""
    from PIL import _avif  # late, so that a cold start loads no decoder

    decoder = _avif.AvifDecoder(judged.content, "auto", _THREADS)
    mode, pixels = decoder.get_info()[2], decoder.get_frame(0)[0]
    del decoder  # which holds the planes that the pixels were made of
    return PIL.Image.frombytes(mode, (judged.width, judged.height), pixels)
