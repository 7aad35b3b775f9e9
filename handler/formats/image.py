"""Defines the items that formats decode, and reads the raw pixels of array formats. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec
import numpy as np

from handler.contract import Conversion, PixelShape
from handler.errors import RejectedInput, WrongShape
from handler.formats.stream import Body
from handler.limits import Limits

T = TypeVar("T")

_BLOCK_IMAGES = 64  # images in one read: enough to amortise the call, few enough to stay in the processor's cache


class Image(msgspec.Struct, frozen=True):
    """One decoded image: `pixels` is `(height, width, channels)` uint8, 0..255, in the model's size.

    `name` is the position of the image in an array, or the path of its member in an archive. It is empty for the only image of
    a file, which is named after the file.
    """

    name: str
    pixels: np.ndarray


class Unreadable(msgspec.Struct, frozen=True):
    """An image, or a line of a list, that cannot be read although other items of its object can; `error` says why."""

    name: str
    error: RejectedInput

    @classmethod
    def because(cls, name: str, error: RejectedInput) -> Unreadable:
        """Returns the item called `name` with a copy of `error`, and drops the traceback of `error` itself.

        The traceback holds the variables of every frame, and so the bytes of the member.
        """
        error.__traceback__ = None
        return cls(name, type(error)(str(error)))


class Named(msgspec.Struct, frozen=True):
    """An object that a list names; `key` is decoded, and `bucket` is None for the bucket of the list itself."""

    bucket: str | None
    key: str


Item = Image | Unreadable | Named


class Target(msgspec.Struct, frozen=True):
    """The form in which images are wanted: the model's input size, the conversion of foreign images, and the limits."""

    shape: PixelShape
    conversion: Conversion
    limits: Limits


def require_shape(received: tuple[int, ...], shape: PixelShape) -> int:
    """Returns the number of images in an array of the shape `received`, or 1 if it is that of one image.

    The shape must be `(n, height, width, channels)`, `(n, height, width)` if the model takes grey images, or the flat `(n,
    height * width * channels)`, with or without the n.

    Raises:
        WrongShape: the images are not of the model's size. Arrays are never resized, because a wrong size is a mistake.
    """
    expected = _one_image_shapes(shape)
    if received in expected:
        return 1
    if received[1:] not in expected or received[0] < 0:
        wanted = " or ".join(f"(n, {', '.join(map(str, sides))})" for sides in expected)
        raise WrongShape(
            f"Expected an array of shape {wanted}. Received: {received}. "
            f"Resize the images to {shape.height}x{shape.width}, or upload them as pictures, which are converted."
        )
    return received[0]


def _one_image_shapes(shape: PixelShape) -> list[tuple[int, ...]]:
    """Returns the shapes that an array of one image may have."""
    grey = [shape.as_tuple[:2]] if shape.channels == 1 else []
    return [shape.as_tuple, *grey, (math.prod(shape.as_tuple),)]


def read_pixels(body: Body, count: int, shape: PixelShape, error: type[RejectedInput]) -> Iterator[Image]:
    """Yields `count` images from raw bytes in C order, each named by its position, and requires that no bytes follow.

    Raises:
        RejectedInput: `body` holds fewer bytes than `count` images need, or more; the error is of the class `error`.
    """
    image_bytes = math.prod(shape.as_tuple)
    for start in range(0, count, _BLOCK_IMAGES):
        wanted = min(_BLOCK_IMAGES, count - start)
        block = body.read(wanted * image_bytes)
        if len(block) < wanted * image_bytes:
            whole = start + len(block) // image_bytes
            raise error(f"Expected {count} images of {image_bytes} bytes. Received: {whole} whole ones; upload it again.")
        for offset, pixels in enumerate(np.frombuffer(block, np.uint8).reshape(wanted, *shape.as_tuple)):
            yield Image(str(start + offset), pixels)
    if body.read(1):
        raise error(
            f"Expected nothing after {count} images of {image_bytes} bytes. Received: more bytes; "
            "save what was appended as an object of its own."
        )


def or_refuse(items: Iterable[T | Unreadable], error: type[RejectedInput], wanted: str, parts: str) -> Iterator[T | Unreadable]:
    """Yields `items`, and refuses an object all of whose parts are unreadable: one reason tells more than a row for each part.

    Raises:
        RejectedInput: all items are unreadable; the error is of the class `error`, and quotes the first of them.
    """
    count, first, is_refused = 0, None, True
    for item in items:
        count += 1
        first = first or item
        is_refused &= isinstance(item, Unreadable)
        yield item
    if isinstance(first, Unreadable) and is_refused:
        raise error(f"Expected {wanted}. Received: {count} {parts} without one. The first, {first.name}: {first.error}")
