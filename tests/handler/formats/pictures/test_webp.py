"""WebP: damaged metadata neither reject a picture nor change it."""

import struct

import numpy as np
import PIL.Image
import pytest

from handler.errors import ObjectTooLarge, UnreadableImage
from handler.formats.picture import picture_size, read_picture
from handler.formats.pictures import webp
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


# Each states a size in its own way, among bits of other meanings that are all set.
EXTENDED = b"VP8X", b"\xff" * 4 + (0x01_23_45).to_bytes(3, "little") + (0x00_6B_CD).to_bytes(3, "little")
LOSSLESS = b"VP8L", b"\x2f" + (0x2345 | 0x1BCD << 14 | 0xF << 28).to_bytes(4, "little")
LOSSY = b"VP8 ", b"\xff" * 6 + (0x2345 | 0xC000).to_bytes(2, "little") + (0x1BCD | 0xC000).to_bytes(2, "little")


@pytest.mark.parametrize("tail", [b"", b"\xff" * 9])
@pytest.mark.parametrize(
    ("stated", "size"),
    [(EXTENDED, (0x12346, 0x6BCE)), (LOSSLESS, (0x2346, 0x1BCE)), (LOSSY, (0x2345, 0x1BCD))],
    ids=["extended", "lossless", "lossy"],
)
def test_the_size_is_that_of_the_first_chunk_that_states_one(stated, size, tail):
    kind, data = stated
    content = riff(chunk(b"ALPH", b"?" * 20), chunk(kind, data + tail), IMAGE)

    assert picture_size(content, 2**31) == size


@pytest.mark.parametrize("stated", [EXTENDED, LOSSLESS, LOSSY], ids=["extended", "lossless", "lossy"])
def test_every_size_that_is_stated_is_limited(stated):
    with pytest.raises(ObjectTooLarge):
        picture_size(riff(IMAGE, chunk(*stated)), 10**6)


@pytest.mark.parametrize(
    "chunks", [[], [HEADER], [HEADER, chunk(b"ALPH", bytes(20))], [chunk(b"ANMF", bytes(20))], [chunk(b"XMP ", b"VP8L")]]
)
def test_a_file_without_a_size_or_without_pixels_is_refused(chunks):
    with pytest.raises(UnreadableImage, match="Expected a WebP with all of its pixels"):
        picture_size(riff(*chunks))


def test_what_is_no_pixel_is_left_out():
    film = [chunk(kind, b"of 11 bytes") for kind in (b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L")]
    others = [chunk(kind, b"even") for kind in (b"ICCP", b"EXIF", b"XMP ", b"vp8 ", b"VP8x")]
    content = riff(HEADER, *others, *film, *others)

    for each in (content, content + IMAGE, content[:-20]):
        assert webp.judge(each, 2**31).content == riff(HEADER, *film)


def test_the_first_block_of_either_kind_turns_the_picture():
    other = TURNED.replace(b"\0\3\0\0\0\0", b"\0\6\0\0\0\0")
    assert other != TURNED

    for first, second in [(TURNED, other), (other, TURNED)]:
        content = riff(HEADER, IMAGE, chunk(b"EXIF", first), chunk(b"XMP ", b"?"), chunk(b"EXIF", second))
        assert webp.judge(content, 10**6).orientation == (3 if first == TURNED else 6)


def test_pixels_end_where_the_header_says():
    """Two bytes less than the chunk needs, although they are there."""
    content = riff(IMAGE)
    with pytest.raises(UnreadableImage, match="one that is truncated"):
        picture_size(content[:4] + struct.pack("<I", len(content) - 10) + content[8:])


def test_twenty_thousand_chunks_are_read_and_one_more_is_refused():
    tiny = chunk(b"tiny", b"")

    assert picture_size(riff(IMAGE, tiny * 19_999)) == (30, 20)
    with pytest.raises(UnreadableImage, match="at most 20000 chunks"):
        picture_size(riff(IMAGE, tiny * 20_000))
