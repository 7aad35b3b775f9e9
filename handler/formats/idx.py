"""Decodes IDX image files (`*-idx3-ubyte`), in which MNIST and Fashion-MNIST are published. Pure.

A file is read piece by piece.

Format: http://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from handler.errors import UnreadableIdx
from handler.formats.image import Image, Target, read_pixels, require_shape
from handler.formats.stream import Stream

NAME = "IDX images (idx3-ubyte)"

_UINT8 = 0x08
_DTYPES = {_UINT8, 0x09, 0x0B, 0x0C, 0x0D, 0x0E}
_MAX_SIZES = 4  # of an array of colour images


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins an IDX file of any type."""
    return len(head) >= 4 and head[:2] == b"\x00\x00" and head[2] in _DTYPES and head[3] > 0


def kind(head: bytes) -> str:
    """Returns the name that documents give to this format."""
    return "idx"


def decode(body: Stream, target: Target) -> Iterator[Image]:
    """Yields the file's images in order, each named by its position, from 0.

    Raises:
        UnreadableIdx: the file does not hold uint8 images, or has too few bytes, too many, or corrupt ones.
        WrongShape: the images are not of the model's size.
    """
    magic = body.read(4)
    dtype, dimensions = magic[2:]
    if dtype != _UINT8 or not 2 <= dimensions <= _MAX_SIZES:
        labels = ", a file of labels, which are not read" if dimensions == 1 else ""
        raise UnreadableIdx(
            "Expected the IDX magic number 00000803 of uint8 images. "
            f"Received: {magic.hex()}{labels}; upload the file of the images."
        )
    sizes = body.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise UnreadableIdx(f"Expected {dimensions} sizes in the IDX header. Received: a truncated file; upload it again.")
    count = require_shape(struct.unpack(f">{dimensions}I", sizes), target.shape)
    yield from read_pixels(body, count, target.shape, UnreadableIdx)
