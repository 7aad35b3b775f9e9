"""Decodes PNG, JPEG and WebP files, each to one image in the model's size, as the manifest's conversion says. Pure.

Only the decoder for the format of the first bytes runs, and only after the parts of the file were counted and the image size in
its header was checked. Of an animation only the first frame is read. A PNG is read only if it is whole, has known chunks, and
every checksum holds, although Pillow does not verify those of the pixels; a WebP is read only if it is whole. JPEG and WebP
carry no checksums, so a file that was damaged inside may decode to damaged pixels.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import PIL.Image
import PIL.WebPImagePlugin  # Pillow would import every decoder it has to find this one

from handler.conversion import convert
from handler.errors import ObjectTooLarge, UnreadableImage
from handler.formats.image import Image, Target
from handler.formats.meter import read_whole
from handler.formats.picture_parts import (
    PNG_SIGNATURE,
    require_bounded_jpeg,
    require_pixels,
    require_sound_png,
    require_sound_webp,
)
from handler.formats.stream import Stream

NAME = "PNG, JPEG or WebP image"

MAX_PIXELS = 1024**3 // 4 // 3  # width times height; Pillow warns of more

_JPEG = b"\xff\xd8\xff"
_WEBP = re.compile(rb"RIFF....WEBP", re.DOTALL)

_JUDGES = {"PNG": require_sound_png, "JPEG": require_bounded_jpeg, "WEBP": require_sound_webp}

# The errors that Pillow's decoders raise on broken files, found by truncating and corrupting files at every place.
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
    """Returns whether `head` begins a PNG, JPEG or WebP file."""
    return _kind(head) is not None


def kind(head: bytes) -> str:
    """Returns the name that documents give to this format: png, jpeg or webp."""
    return (_kind(head) or "").lower()


def decode(body: Stream, target: Target) -> Iterator[Image]:
    """Yields the one image of the file, without a name.

    Raises:
        UnreadableImage: the file is truncated, corrupt or not decodable.
        ObjectTooLarge: the header states more pixels than the limit, or the file has more bytes than may be in memory at once.
    """
    content = read_whole(body, target.limits, "a picture")
    with opened_picture(content, target.limits.image_pixels) as picture:
        picture.load()
        pixels = convert(picture, target.shape, target.conversion)
    yield Image("", pixels)


def _kind(head: bytes) -> str | None:
    """Returns the name of Pillow's decoder for a file that begins with `head`; None if the file is of another format."""
    if head.startswith(PNG_SIGNATURE):
        return "PNG"
    if head.startswith(_JPEG):
        return "JPEG"
    return "WEBP" if _WEBP.match(head) else None


@contextmanager
def opened_picture(content: bytes, max_pixels: int = MAX_PIXELS) -> Iterator[PIL.Image.Image]:
    """Opens a PNG, JPEG or WebP file whose parts and size are judged first; its pixels are decoded when they are needed.

    Raises:
        UnreadableImage: the file is truncated, corrupt or of another kind, or what is done with the picture finds that it is.
        ObjectTooLarge: its header states more than `max_pixels` pixels.
    """
    kind = _kind(content)
    if kind is None:
        raise UnreadableImage(f"Expected a {NAME}. Received: content that begins with {content[:8]!r}.")
    _JUDGES[kind](content, max_pixels)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of metadata that it ignores
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(io.BytesIO(content), formats=(kind,)) as picture:
                require_pixels(picture.width, picture.height, max_pixels)
                yield picture
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        raise ObjectTooLarge(f"Expected an image of at most {max_pixels} pixels. Received: {error}") from error
    except PIL.UnidentifiedImageError as error:  # its text holds a memory address, which a document must not
        raise UnreadableImage(f"Expected a whole {kind} image. Received: one whose header cannot be read.") from error
    except _DECODER_ERRORS as error:
        raise UnreadableImage(f"Expected a whole {kind} image. Received: one that cannot be decoded ({error}).") from error
