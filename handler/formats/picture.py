"""PNG and JPEG files: one image each, brought to the model's size as the manifest says.

Only these two decoders ever run, and only after the size in the header was judged. Of an animated PNG the first frame counts.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import PIL.Image
import PIL.ImageOps

from handler.contract import Conversion, PixelShape
from handler.errors import ObjectTooLarge, UnreadableImage
from handler.formats.image import Image, Target

NAME = "PNG or JPEG image"

_DECODERS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}

# What Pillow's decoders raise on broken files, found by cutting and corrupting files at every place.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    IndexError,
    KeyError,
    OverflowError,
    struct.error,
    zlib.error,
)


def recognises(head: bytes) -> bool:
    """Whether `head` begins a PNG or a JPEG file."""
    return any(head.startswith(magic) for magic in _DECODERS)


def decode(body: BinaryIO, name: str, target: Target) -> Iterator[Image]:
    """Yields the one image of the file.

    Raises:
        UnreadableImage: it is truncated, corrupt or not decodable.
        ObjectTooLarge: its header states more pixels than the limit.
    """
    yield Image(name, _read_pixels(body, target))


def convert(picture: PIL.Image.Image, shape: PixelShape, conversion: Conversion) -> np.ndarray:
    """Brings a picture to the model's size: `(height, width, channels)` uint8.

    Turned upright by its EXIF tag, laid on the background, made grey or RGB, scaled until it just fits, centred. A picture
    that has the size and the channels already keeps every pixel as it is.
    """
    upright = PIL.ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I;16"):
        upright = PIL.Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        upright = PIL.Image.alpha_composite(PIL.Image.new("RGBA", layer.size, (conversion.background,) * 3 + (255,)), layer)
    coloured = upright.convert("L" if shape.channels == 1 else "RGB")
    if coloured.size != (shape.width, shape.height):
        background = (conversion.background,) * shape.channels
        size = (shape.width, shape.height)
        coloured = PIL.ImageOps.pad(coloured, size, PIL.Image.Resampling.LANCZOS, color=background)
    return np.asarray(coloured, np.uint8).reshape(shape.as_tuple)


def _read_pixels(body: BinaryIO, target: Target) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(body, formats=tuple(_DECODERS.values())) as picture:
                _require_pixels(picture, target.max_pixels)
                picture.load()
                return convert(picture, target.shape, target.conversion)
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        raise ObjectTooLarge(f"Expected an image of at most {target.max_pixels} pixels. Received: {error}") from error
    except PIL.UnidentifiedImageError as error:  # its text holds a memory address, and a document must not
        raise UnreadableImage("Expected a whole PNG or JPEG image. Received: one whose header cannot be read.") from error
    except _DECODER_ERRORS as error:
        raise UnreadableImage(f"Expected a whole PNG or JPEG image. Received: one that cannot be decoded ({error}).") from error


def _require_pixels(picture: PIL.Image.Image, max_pixels: int) -> None:
    if picture.width * picture.height > max_pixels:
        raise ObjectTooLarge(
            f"Expected an image of at most {max_pixels} pixels. Received: {picture.width}x{picture.height}; scale it down."
        )
