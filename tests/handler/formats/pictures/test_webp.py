"""WebP: damaged metadata neither reject a picture nor change it."""

import struct

import numpy as np
import PIL.Image
import pytest

from handler.errors import UnreadableImage
from handler.formats.picture import read_picture
from tests.handler.formats.samples import saved

PIXELS = np.random.default_rng(5).integers(0, 256, (20, 30, 3), np.uint8)
TURNED = b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\3\0\0\0\0\0\0"  # EXIF: rotated by 180 degrees


def chunk(kind, data):
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def riff(*chunks):
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


IMAGE = saved(PIL.Image.fromarray(PIXELS), "WEBP", lossless=True)[12:]
HEADER = chunk(b"VP8X", bytes([0x2C, 0, 0, 0, 29, 0, 0, 19, 0, 0]))  # promises a profile, EXIF and XMP


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [chunk(b"EXIF", b"Exif\0\0?")],
        [chunk(b"EXIF", b"")],
        [chunk(b"XMP ", b"\xff\xfe")],
        [chunk(b"XYZ ", b"?")],
        [chunk(b"EXIF", b"MM\0*\xff\xff\xff\xff")],
    ],
)
def test_damaged_metadata_change_nothing(metadata):
    content = riff(HEADER, chunk(b"ICCP", b"no profile"), IMAGE, *metadata)

    assert np.array_equal(np.asarray(read_picture(content)), PIXELS)


@pytest.mark.parametrize("cut", [1, 5, 20, 33, 41])
def test_metadata_behind_the_pixels_may_be_cut(cut):
    content = riff(HEADER, IMAGE, chunk(b"EXIF", TURNED + bytes(8)))

    assert np.array_equal(np.asarray(read_picture(content[:-cut])), PIXELS)


def test_pixels_may_not_be_cut():
    content = riff(HEADER, IMAGE, chunk(b"EXIF", TURNED))
    for length in range(12, 12 + len(HEADER) + len(IMAGE)):
        with pytest.raises(UnreadableImage):
            read_picture(content[:length])


@pytest.mark.parametrize(
    "block", [chunk(b"EXIF", TURNED), chunk(b"EXIF", b"Exif\0\0" + TURNED), chunk(b"XMP ", b'tiff:Orientation="3"')]
)
def test_a_picture_is_turned_upright_by_its_tag(block):
    assert np.array_equal(np.asarray(read_picture(riff(HEADER, IMAGE, block))), PIXELS[::-1, ::-1])
