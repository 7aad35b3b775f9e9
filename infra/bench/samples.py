"""Provides the sample images in the forms that the benchmark needs, and the limits that they are decoded under."""

from __future__ import annotations

import gzip
import struct

from handler.contract import Manifest
from handler.formats.image import Target
from handler.limits import Limits
from infra.paths import IMAGES

BUCKET, OUTPUT = "in-bucket", "out-bucket"
SINGLES = 10_000  # pictures that the stub of S3 holds: the samples, again and again
PACKED_KEY = "uploads/packed"


def single_key(number: int) -> str:
    """Returns the key of the stub's picture of this number."""
    return f"uploads/{number:05}.png"


def read_pngs() -> list[bytes]:
    """Returns the content of the 100 sample PNG files, in the order of their names."""
    return [path.read_bytes() for path in sorted(IMAGES.glob("*.png"))]


def packed_object(images: int) -> bytes:
    """Returns an IDX object that holds `images` images: the samples, repeated as often as needed."""
    content = gzip.decompress((IMAGES / "packed-idx3-ubyte.gz").read_bytes())[16:]
    pixels = (content * (images * 784 // len(content) + 1))[: images * 784]
    return struct.pack(">IIII", 0x0803, images, 28, 28) + pixels


LIMITS = Limits(
    object_bytes=10**9,
    image_pixels=2**24,
    images=2 * 10**6,
    archive_members=10**6,
    member_bytes=10**9,
    unpacked_bytes=10**9,
    compression_ratio=100,
    list_objects=10**6,
)


def target(manifest: Manifest) -> Target:
    """Returns the form that the model of `manifest` takes images in, with limits that none of the objects exceeds."""
    return Target(manifest.input, manifest.conversion, LIMITS)
