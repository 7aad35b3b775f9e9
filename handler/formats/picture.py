"""Decodes single pictures, each to one image in the model's size, as the manifest's conversion says. Pure.

Only the decoder of the kind that the first bytes name runs, and only after the parts of the file were counted, and the size in
its header was checked. This module is the one place where an error of a decoder, of whichever type, becomes the error of its
picture alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import PIL.Image

from handler.conversion import convert
from handler.errors import RejectedInput, UnreadableImage
from handler.formats.image import Image, Target
from handler.formats.meter import read_whole
from handler.formats.pictures import KINDS, heic
from handler.formats.pictures.judged import Kind
from handler.formats.pictures.upright import reduction, upright
from handler.formats.stream import Stream

NAME = "PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF picture"

MAX_PIXELS = 1024**3 // 4 // 3  # width times height; Pillow refuses more than twice as many


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a picture of one of `KINDS`."""
    return _kind(head) is not None


def kind(head: bytes) -> str:
    """Returns the name that documents give to this format: png, jpeg, webp, and so on."""
    found = _kind(head)
    return found.NAME.lower() if found else ""


def readable_kinds() -> tuple[str, ...]:
    """Returns the names of the kinds that are read; heic is one of them only if its decoder is installed."""
    return tuple(each.NAME.lower() for each in KINDS if each is not heic or heic.is_installed())


def decode(body: Stream, target: Target) -> Iterator[Image]:
    """Yields the one image of the file, without a name.

    Raises:
        UnreadableImage: the file is truncated, corrupt or not decodable.
        ObjectTooLarge: the header states more pixels than the limit, or the file has more bytes than may be in memory at once.
    """
    content = read_whole(body, target.limits, "a picture")
    found = _kind_of(content)
    with _alone(found):
        pixels = convert(_read(content, found, target.limits.image_pixels), target.shape, target.conversion)
    yield Image("", pixels)


def read_picture(content: bytes, max_pixels: int = MAX_PIXELS) -> PIL.Image.Image:
    """Returns the picture of a file, decoded, upright, and in eight bits a sample; a very large one is made smaller.

    Raises:
        UnreadableImage: the file is truncated, corrupt, or of another kind.
        ObjectTooLarge: its header states more than `max_pixels` pixels.
    """
    found = _kind_of(content)
    with _alone(found):
        return _read(content, found, max_pixels)


def picture_size(content: bytes, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Returns the width and height of the picture of a file, as stored, without decoding its pixels.

    Raises:
        UnreadableImage: the file is truncated, corrupt, or of another kind.
        ObjectTooLarge: its header states more than `max_pixels` pixels.
    """
    found = _kind_of(content)
    with _alone(found):
        judged = found.judge(content, max_pixels)
        return judged.width, judged.height


def _read(content: bytes, found: Kind, max_pixels: int) -> PIL.Image.Image:
    judged = found.judge(content, max_pixels)
    factor = reduction(judged.width, judged.height)
    return upright(found.decode(judged, factor), judged, factor)


def _kind(head: bytes) -> Kind | None:
    return next((each for each in KINDS if each.recognises(head)), None)


def _kind_of(content: bytes) -> Kind:
    found = _kind(content)
    if found is None:
        raise UnreadableImage(f"Expected a {NAME}. Received: content that begins with {content[:8]!r}; save it as PNG or JPEG.")
    return found


@contextmanager
def _alone(found: Kind) -> Iterator[None]:
    """Turns every error in the reading of one picture, including a bug, into the error of that picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # decoders warn of what they ignore
            yield
    except RejectedInput:
        raise
    except Exception as error:  # decoders raise errors of every type on damaged files, and their texts are not for users
        raise UnreadableImage(
            f"Expected a whole {found.NAME} picture. Received: one that is truncated or damaged; upload it again, or save it "
            "as PNG."
        ) from error
