"""PNG and JPEG files: one image each, brought to the model's size as the manifest says.

Only these two decoders ever run, and only after the file's parts were counted and its size in the header was judged. Of an
animated PNG the first frame counts. A PNG is read only if it is whole and every checksum holds, which Pillow itself does not
ask of its pixels; a JPEG carries no checksums, so one that was damaged inside may decode to damaged pixels.
"""

from __future__ import annotations

import io
import re
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

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_DECODERS = {_PNG: "PNG", _JPEG: "JPEG"}

# A file of many tiny parts costs a decoder far more time than its size suggests: a progressive JPEG is decoded anew for each
# scan (10 ms a scan at 16 megapixels), and metadata segments are joined in quadratic time. Cameras and editors write up to
# about 10 scans and 300 segments; encoders cut 64 MB of PNG data into 8,192 chunks of 8 KiB.
_MOST_SCANS = 100
_MOST_SEGMENTS = 1_000
_MOST_CHUNKS = 20_000
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")  # neither stuffing, nor fill, nor a restart within a scan
_SCAN, _END = b"\xda", b"\xd9"

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
        values = np.asarray(upright)
        alpha = np.where(values == upright.info.get("transparency", -1), 0, 255)
        upright = PIL.Image.fromarray(np.stack([values >> 8, alpha], axis=-1).astype(np.uint8), "LA")
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
    content = body.read()
    if content.startswith(_PNG):
        _require_sound_png(content)
    else:
        _require_bounded_jpeg(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(io.BytesIO(content), formats=tuple(_DECODERS.values())) as picture:
                _require_pixels(picture, target.max_pixels)
                picture.load()
                return convert(picture, target.shape, target.conversion)
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        raise ObjectTooLarge(f"Expected an image of at most {target.max_pixels} pixels. Received: {error}") from error
    except PIL.UnidentifiedImageError as error:  # its text holds a memory address, and a document must not
        raise UnreadableImage("Expected a whole PNG or JPEG image. Received: one whose header cannot be read.") from error
    except _DECODER_ERRORS as error:
        raise UnreadableImage(f"Expected a whole PNG or JPEG image. Received: one that cannot be decoded ({error}).") from error


def _require_sound_png(content: bytes) -> None:
    """Walks the chunks: each whole and with the right checksum, up to the closing one.

    Source: https://www.w3.org/TR/png-3/#5Chunk-layout
    """
    position = len(_PNG)
    for _ in range(_MOST_CHUNKS):
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
        if kind == b"IEND":
            return
        position = end
    raise UnreadableImage(f"Expected a PNG of at most {_MOST_CHUNKS} chunks. Received: more; save it again.")


def _require_bounded_jpeg(content: bytes) -> None:
    """Counts scans and other segments up to the end of the image; what follows it (a phone's video, say) is not looked at.

    Source: ITU-T T.81, annex B, https://www.w3.org/Graphics/JPEG/itu-t81.pdf
    """
    position, scans, segments = 2, 0, 0
    while scans <= _MOST_SCANS and segments <= _MOST_SEGMENTS:
        found = _MARKER.search(content, position)
        if not found or found[1] == _END:
            return
        scans += found[1] == _SCAN
        segments += found[1] != _SCAN
        length = int.from_bytes(content[found.end() : found.end() + 2], "big")
        position = found.end() + max(length, 2)
    raise UnreadableImage(
        f"Expected a JPEG of at most {_MOST_SCANS} scans and {_MOST_SEGMENTS} other segments. Received: more; save it again."
    )


def _require_pixels(picture: PIL.Image.Image, max_pixels: int) -> None:
    if picture.width * picture.height > max_pixels:
        raise ObjectTooLarge(
            f"Expected an image of at most {max_pixels} pixels. Received: {picture.width}x{picture.height}; scale it down."
        )
