"""One image as the model takes it, one that cannot be read, and the raw pixels that array formats hold. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from handler.contract import Conversion, PixelShape
from handler.errors import RejectedInput, WrongShape
from handler.formats.stream import Body
from handler.limits import Limits

_BLOCK_IMAGES = 64  # read at once: large enough to amortise a call, small enough to stay in the cache


@dataclass(frozen=True, slots=True)
class Image:
    """One image: `pixels` is `(height, width, channels)` uint8, 0..255.

    `name` is the position in an array, and the member in an archive; it is empty for the one image of a file, which is named
    after the file.
    """

    name: str
    pixels: np.ndarray


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An image, or a line of a list, that cannot be read, while others of its object can; `error` says why."""

    name: str
    error: RejectedInput

    @classmethod
    def because(cls, name: str, error: RejectedInput) -> Unreadable:
        """Keeps the error that was raised, without what it holds on to.

        It is a copy, and the original's traceback is dropped: that holds every frame's variables, and so the member's bytes.
        """
        error.__traceback__ = None
        return cls(name, type(error)(str(error)))


@dataclass(frozen=True, slots=True)
class Named:
    """An object that a list names; `bucket` is None where that is the list's own. `key` is decoded."""

    bucket: str | None
    key: str


Item = Image | Unreadable | Named


@dataclass(frozen=True, slots=True)
class Target:
    """The images that are wanted: the model's size, how foreign images are brought to it, and the limits."""

    shape: PixelShape
    conversion: Conversion
    limits: Limits


def require_shape(received: tuple[int, ...], shape: PixelShape) -> int:
    """Returns the number of images in an array of shape `received`: `(n, h, w, c)`, or `(n, h, w)` of grey ones.

    Raises:
        WrongShape: its images are not of the model's size. Arrays are never resized: a wrong one is a mistake.
    """
    expected = one_image_shapes(shape)
    if received[1:] not in expected or received[0] < 0:
        wanted = " or ".join(f"(n, {', '.join(map(str, sides))})" for sides in expected)
        raise WrongShape(f"Expected an array of shape {wanted}. Received: {received}.")
    return received[0]


def one_image_shapes(shape: PixelShape) -> list[tuple[int, ...]]:
    """Returns the shapes that one image may have in an array: `(h, w, c)`, and `(h, w)` if it is grey."""
    return [shape.as_tuple] + ([shape.as_tuple[:2]] if shape.channels == 1 else [])


def read_pixels(body: Body, count: int, shape: PixelShape, error: type[RejectedInput]) -> Iterator[Image]:
    """Yields `count` images from raw bytes in C order, named by position, and requires that nothing follows them.

    Raises:
        RejectedInput: of the class `error`, if there are fewer bytes than `count` images need, or more.
    """
    image_bytes = int(np.prod(shape.as_tuple))
    for start in range(0, count, _BLOCK_IMAGES):
        wanted = min(_BLOCK_IMAGES, count - start)
        block = body.read(wanted * image_bytes)
        if len(block) < wanted * image_bytes:
            whole = start + len(block) // image_bytes
            raise error(f"Expected {count} images of {image_bytes} bytes. Received: {whole} whole ones; it is truncated.")
        for offset, pixels in enumerate(np.frombuffer(block, np.uint8).reshape(wanted, *shape.as_tuple)):
            yield Image(str(start + offset), pixels)
    if body.read(1):
        raise error(f"Expected nothing after {count} images of {image_bytes} bytes. Received: more bytes.")
