"""Judges HEIC files, the default of iPhones, which are read only if the package pi-heif is installed. Pure.

pi-heif decodes and cannot encode: pillow-heif, which also encodes, comes with x265, which is under the GPL.
"""

from __future__ import annotations

import importlib.util

import PIL.Image

from handler.errors import UnreadableImage
from handler.formats.pictures.boxes import brands
from handler.formats.pictures.judged import Judged, require_pixels

NAME = "HEIC"

_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_CONTAINERS = {b"mif1", b"msf1"}  # of pictures in any compression


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a HEIC file."""
    stated = brands(head)
    return bool(stated & _BRANDS) or (bool(stated & _CONTAINERS) and not stated & {b"avif", b"avis"})


def is_installed() -> bool:
    """Returns whether the decoder is there."""
    return importlib.util.find_spec("pi_heif") is not None


def judge(content: bytes, max_pixels: int) -> Judged:
    """Requires a decoder, and a bounded size of the main picture; the decoder refuses pixels that exceed the stated size."""
    if not is_installed():
        raise UnreadableImage(
            "Expected a picture of a kind that this build reads. Received: HEIC; save it as JPEG (iPhones take JPEG with "
            "Settings, Camera, Formats, Most Compatible), or build the function with HEIC=1."
        )
    import pi_heif  # late, because it is an option of the build

    pi_heif.options.DECODE_THREADS = 1
    pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False
    width, height = pi_heif.open_heif(content).size
    require_pixels(width, height, max_pixels)
    return Judged(content, width, height)


def decode(judged: Judged, factor: int) -> PIL.Image.Image:
    """Returns the decoded main picture, which the decoder turns upright itself."""
    import pi_heif  # late, because it is an option of the build

    main = pi_heif.open_heif(judged.content)
    pixels = main.data
    picture = PIL.Image.frombytes(main.mode, main.size, pixels, "raw", main.mode, main.stride)
    return picture.convert("RGBA") if main.premultiplied_alpha else picture
