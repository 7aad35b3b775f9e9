"""Decodes IDX image files (`*-idx3-ubyte`), gzipped or not, in which MNIST and Fashion-MNIST are published. Pure.

A file is read piece by piece.

Format: http://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from handler.errors import UnreadableIdx
from handler.formats import gunzip
from handler.formats.image import Image, Target, read_pixels, require_shape
from handler.formats.meter import Meter
from handler.formats.stream import Body, Stream

NAME = "IDX images (idx3-ubyte, gzipped or not)"

_IMAGES_MAGIC = b"\x00\x00\x08\x03"  # unsigned byte, three dimensions
_LABELS_MAGIC = b"\x00\x00\x08\x01"
_DTYPES = {0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E}


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins an IDX file of any type, or a gzipped one."""
    magic = gunzip.first_bytes(head, 4) if head.startswith(gunzip.MAGIC) else head[:4]
    return len(magic) == 4 and magic[:2] == b"\x00\x00" and magic[2] in _DTYPES and magic[3] > 0


def kind(head: bytes) -> str:
    """Returns the name that documents give to this format."""
    return "idx.gz" if head.startswith(gunzip.MAGIC) else "idx"


def decode(body: Stream, target: Target) -> Iterator[Image]:
    """Yields the file's images in order, each named by its position, from 0.

    Raises:
        UnreadableIdx: the file does not hold uint8 images, or has too few bytes, too many, or corrupt ones.
        WrongShape: the images are not of the model's size.
        ObjectTooLarge: the gzip stream unpacks to more bytes than the limits allow.
    """
    is_packed = body.peek(2) == gunzip.MAGIC
    plain: Body = gunzip.Gunzip(body, Meter(target.limits), UnreadableIdx) if is_packed else body
    magic, sizes = plain.read(4), plain.read(12)
    if magic != _IMAGES_MAGIC:
        labels = ", a file of labels" if magic == _LABELS_MAGIC else ""
        raise UnreadableIdx(
            f"Expected the IDX magic number {_IMAGES_MAGIC.hex()} of uint8 images. Received: {magic.hex()}{labels}."
        )
    if len(sizes) < 12:
        raise UnreadableIdx("Expected three sizes in the IDX header. Received: a truncated file; upload it again.")
    count = require_shape(struct.unpack(">III", sizes), target.shape)
    yield from read_pixels(plain, count, target.shape, UnreadableIdx)
