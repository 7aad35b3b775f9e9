"""Judges HEIC files, the default of iPhones, which are read only if the package pi-heif is installed. Pure.

pi-heif decodes and cannot encode: pillow-heif, which also encodes, comes with x265, which is under the GPL. Its C module is
called, because the Python one reads the metadata of every file, and some damaged ones end the process there.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import PIL.Image

from handler.errors import UnreadableImage
from handler.formats.pictures.boxes import brands
from handler.formats.pictures.judged import Judged, require_pixels

NAME = "HEIC"

_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_CONTAINERS = {b"mif1", b"msf1"}  # of pictures in any compression
_THREADS = 1  # more would make the memory depend on the machine
_FORM = (True, False, True, True)  # eight bits a sample; RGB and not BGR; rows without padding; 16 bits if not eight
_ANY_DECODER, _IS_UNLIMITED = "", False


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a HEIC file."""
    stated = brands(head)
    return bool(stated & _BRANDS) or (bool(stated & _CONTAINERS) and not stated & {b"avif", b"avis"})


def is_installed() -> bool:
    """Returns whether the decoder is there."""
    return importlib.util.find_spec("_pi_heif") is not None


def judge(content: bytes, max_pixels: int) -> Judged:
    """Requires a decoder, and a bounded size of the main picture; the decoder refuses pixels that exceed the stated size."""
    if not is_installed():
        raise UnreadableImage(
            "Expected a picture of a kind that this build reads. Received: HEIC; save it as JPEG (iPhones take JPEG with "
            "Settings, Camera, Formats, Most Compatible), or build the function with HEIC=1."
        )
    (width, height), _ = _main(content).size_mode
    require_pixels(width, height, max_pixels)
    return Judged(content, width, height)


def decode(judged: Judged, factor: int) -> PIL.Image.Image:
    """Returns the decoded main picture, which the decoder turns upright itself."""
    main = _main(judged.content)
    pixels = main.data  # decodes, and only then states the size and the length of a row for certain
    size, mode = main.size_mode
    picture = PIL.Image.frombytes(mode, size, pixels, "raw", mode, main.stride)
    return picture.convert("RGBA") if mode == "RGBa" else picture


def _main(content: bytes) -> Any:
    """Returns the main picture of a file, not decoded yet, in eight bits a sample."""
    import _pi_heif  # late, because it is an option of the build

    pictures = _pi_heif.load_file(content, _THREADS, *_FORM, _ANY_DECODER, _IS_UNLIMITED)
    return next(picture for picture in pictures if picture is not None and picture.primary)
