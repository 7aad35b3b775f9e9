"""Defines what every kind of picture offers, and what is left of a file after its parts were judged. Pure."""

from __future__ import annotations

from typing import Protocol

import msgspec
import PIL.Image

from handler.errors import ObjectTooLarge, UnreadableImage


class Judged(msgspec.Struct, frozen=True):
    """A file whose parts were judged: `content` is what its pixels are made of, without the metadata.

    `width` and `height` are in pixels, as stored, before the picture is turned upright by `orientation`, EXIF's number from 1
    to 8. `is_negative` is True if the smallest value is white.
    """

    content: bytes
    width: int
    height: int
    orientation: int = 1
    is_negative: bool = False


class Kind(Protocol):
    """The protocol of the modules that `handler.formats.pictures.KINDS` names; `NAME` names the kind in error messages."""

    NAME: str

    def recognises(self, head: bytes) -> bool:
        """Returns whether a file that begins with `head` is of this kind."""

    def judge(self, content: bytes, max_pixels: int) -> Judged:
        """Judges the parts of a file before a decoder reads them.

        Damaged metadata are left out, because they are no pixels.

        Raises:
            UnreadableImage: the file is truncated, corrupt, or of a sort that is not read.
            ObjectTooLarge: the file states more than `max_pixels` pixels.
        """

    def decode(self, judged: Judged, factor: int) -> PIL.Image.Image:
        """Returns the decoded picture, at 1/`factor` of its size if the decoder of this kind can leave out pixels.

        Errors of any type mean that the file is at fault.
        """


def require_pixels(width: int, height: int, max_pixels: int) -> None:
    """Requires a picture of at least one pixel and at most `max_pixels`.

    Raises:
        UnreadableImage: the picture has none.
        ObjectTooLarge: the picture has more.
    """
    if width < 1 or height < 1:
        raise UnreadableImage(f"Expected a picture of at least 1x1 pixels. Received: {width}x{height}; save it again.")
    if width * height > max_pixels:
        raise ObjectTooLarge(
            f"Expected an image of at most {max_pixels} pixels (MAX_IMAGE_PIXELS). Received: {width}x{height}; scale it down."
        )


def loaded(picture: PIL.Image.Image, judged: Judged, factor: int = 1) -> PIL.Image.Image:
    """Decodes the pixels of an opened file, whose size must be the one that was judged.

    Raises:
        UnreadableImage: the decoder understands another size.
    """
    size = judged.width, judged.height
    if picture.size != size:
        raise UnreadableImage(
            f"Expected a picture of {size[0]}x{size[1]} pixels, as its header states. "
            f"Received: {picture.width}x{picture.height}; save it again."
        )
    if factor > 1:
        picture.draft(None, (max(1, size[0] // factor), max(1, size[1] // factor)))
    picture.load()
    return picture
