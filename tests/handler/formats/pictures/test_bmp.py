"""BMP: of Windows and OS/2, with a palette, bit fields or runs, upright or upside down."""

import struct

import numpy as np
import PIL.Image
import pytest

from handler.errors import ObjectTooLarge, UnreadableImage, UnrecognisedFormat
from handler.formats import FORMATS
from handler.formats.known import recognise
from handler.formats.picture import picture_size, read_picture
from handler.formats.pictures import bmp as bmp_kind
from tests.handler.formats.samples import saved

PIXELS = np.random.default_rng(5).integers(0, 256, (20, 31, 4), np.uint8)


def bmp(pixels, *, width=31, height=20, bits=24, compression=0, extra=b"", palette=b"", header=40):
    tail = extra.ljust(header - 40, b"\0") if header > 40 else b""
    info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(pixels), 0, 0, len(palette) // 4, 0)
    start = 14 + len(info) + len(tail) + len(palette) + (len(extra) if header == 40 else 0)
    file = struct.pack("<2sIII", b"BM", start + len(pixels), 0, start)
    return file + info + tail + (extra if header == 40 else b"") + palette + pixels


def rows(pixels):
    """Rows of bytes, each padded to four of them, the lowest first."""
    return b"".join(row.tobytes() + bytes(-len(row.tobytes()) % 4) for row in pixels[::-1])


BGRA = PIXELS[:, :, [2, 1, 0, 3]]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_bmp_is_the_picture_it_was_made_of(mode):
    picture = PIL.Image.fromarray(PIXELS).convert("RGB")
    picture = picture.quantize(64) if mode == "P" else picture.convert(mode)

    found = read_picture(saved(picture, "BMP")).convert("RGB")
    assert np.array_equal(np.asarray(found), np.asarray(picture.convert("RGB")))


def test_a_negative_height_means_that_the_rows_begin_at_the_top():
    found = read_picture(bmp(rows(BGRA[::-1, :, :3]), height=-20))

    assert np.array_equal(np.asarray(found), PIXELS[:, :, :3])


@pytest.mark.parametrize("header", [108, 124])
def test_an_alpha_channel_is_transparency(header):
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)

    found = read_picture(bmp(rows(BGRA), bits=32, compression=3, extra=masks, header=header))
    assert np.array_equal(np.asarray(found), PIXELS)


def test_a_bmp_whose_every_pixel_is_transparent_is_opaque():
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    clear = BGRA * np.array([1, 1, 1, 0], np.uint8)

    found = read_picture(bmp(rows(clear), bits=32, compression=3, extra=masks, header=124))
    assert np.array_equal(np.asarray(found), PIXELS[:, :, :3])


def test_the_fourth_byte_without_a_mask_is_no_transparency():
    assert np.array_equal(np.asarray(read_picture(bmp(rows(BGRA), bits=32))), PIXELS[:, :, :3])


@pytest.mark.parametrize(("masks", "shifts"), [((0xF800, 0x7E0, 0x1F), (11, 5, 0)), ((0x7C00, 0x3E0, 0x1F), (10, 5, 0))])
def test_sixteen_bits_are_scaled(masks, shifts):
    values = np.full((20, 31), masks[0] | masks[2], "<u2")  # the most of red and of blue

    found = read_picture(bmp(rows(values), bits=16, compression=3, extra=struct.pack("<III", *masks)))
    assert np.unique(np.asarray(found).reshape(-1, 3), axis=0).tolist() == [[255, 0, 255]]


def test_an_os2_bitmap_is_read():
    palette = bytes(range(256)) * 3
    grey = PIXELS[:, :, 0] & 0x7F
    head = struct.pack("<2sIIIIHHHH", b"BM", 0, 0, 26 + 768, 12, 31, 20, 1, 8)
    colours = np.frombuffer(palette, np.uint8).reshape(256, 3)[:, ::-1]

    found = read_picture(head + palette + rows(grey)).convert("RGB")
    assert np.array_equal(np.asarray(found), colours[grey])


def test_an_os2_bitmap_of_version_2_is_read():
    assert np.array_equal(np.asarray(read_picture(bmp(rows(BGRA[:, :, :3]), header=64))), PIXELS[:, :, :3])


PALETTE = b"".join(bytes([value, 0, value, 0]) for value in range(256))


def test_runs_of_8_bits_are_read():
    """A run, end of line, single values, end of picture."""
    content = bmp(b"\x06\x09\0\0" + b"\0\6\1\2\3\4\5\6" + b"\0\1", width=6, height=2, bits=8, compression=1, palette=PALETTE)

    assert np.asarray(read_picture(content)).tolist() == [[1, 2, 3, 4, 5, 6], [9] * 6]


def test_runs_of_4_bits_are_read():
    content = bmp(
        b"\x06\x12\0\0" + b"\0\6\x12\x34\x56\0" + b"\0\1", width=6, height=2, bits=4, compression=2, palette=PALETTE[:64]
    )

    assert np.asarray(read_picture(content)).tolist() == [[1, 2, 3, 4, 5, 6], [1, 2, 1, 2, 1, 2]]


def test_runs_that_would_take_long_are_refused():
    content = bmp(bytes(2**22 + 1), width=6, height=2, bits=8, compression=1, palette=PALETTE)
    with pytest.raises(UnreadableImage, match="run-length encoded BMP of at most 4194304 bytes"):
        read_picture(content)


@pytest.mark.parametrize("compression", [1, 2])
@pytest.mark.parametrize(
    ("size", "is_read"),
    [
        ((3840, 2160), True),
        ((3840, -2160), True),
        ((2**23, 1), True),
        ((2**23 + 1, 1), False),
        ((1, -(2**23) - 1), False),
        ((2**24, 1), False),
        ((4096, 2049), False),
    ],
)
def test_runs_for_more_than_8_megapixels_are_refused_however_few_they_are(size, is_read, compression):
    """One end of line fills up a row, pixel by pixel: 1,084 bytes for a row of 16 million took three seconds."""
    width, height = size
    content = bmp(b"\1\0\0\0\0\1", width=width, height=height, bits=8, compression=compression, palette=PALETTE)
    if is_read:
        assert picture_size(content) == (width, abs(height))
    else:
        with pytest.raises(UnreadableImage, match=f"at most 8388608 pixels. Received: {width}x{abs(height)}; save it as PNG"):
            picture_size(content)


def test_a_large_picture_without_runs_is_read():
    assert picture_size(bmp(bytes(2**24), width=2**24, height=1, bits=8, palette=PALETTE)) == (2**24, 1)


@pytest.mark.parametrize("compression", [4, 5, 6, 99])
def test_other_compressions_are_refused_by_their_number(compression):
    with pytest.raises(UnreadableImage, match=f"compression {compression}; save it as PNG"):
        read_picture(bmp(rows(BGRA), bits=32, compression=compression))


@pytest.mark.parametrize("length", [27, 30, 53, 54, 100, -1])
def test_a_bmp_that_is_cut_is_refused(length):
    content = bmp(rows(BGRA[:, :, :3]))
    with pytest.raises(UnreadableImage):
        read_picture(content[:length])


@pytest.mark.parametrize("size", [(0, 5), (-5, 5), (5, 0)])
def test_a_bmp_without_pixels_is_refused(size):
    with pytest.raises(UnreadableImage, match="at least 1x1"):
        read_picture(bmp(rows(BGRA), width=size[0], height=size[1]))


def test_a_bmp_of_countless_pixels_is_refused():
    with pytest.raises(ObjectTooLarge):
        read_picture(bmp(b"", width=2**31 - 1, height=-(2**31)), 2**26)


def test_a_text_that_begins_with_bm_is_no_bmp():
    with pytest.raises(UnrecognisedFormat):
        recognise(b"BMW,coat.png\nBMW,bag.png\nmore,and.more", FORMATS[:1])


def os2(pixels, *, width=31, height=20, bits=8, planes=1):
    return struct.pack("<2sIIIIHHHH", b"BM", 0, 0, 26, 12, width, height, planes, bits) + pixels


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (bmp(bytes(2000), header=size), size in {40, 52, 56, 64, 108, 124})
        for size in (0, 13, 39, 40, 41, 52, 56, 64, 108, 124, 125)
    ]
    + [(os2(b"\2\0"), True), (os2(b"\1\0", planes=0), False), (os2(b"\1\0", planes=2), False), (os2(b"?"), False)]
    + [(bmp(b"")[:26] + planes + bytes(30), planes == b"\1\0") for planes in (b"\1\0", b"\0\0", b"\2\0", b"\1\1")]
    + [(bmp(b"")[:28], True), (bmp(b"")[:27], False), (b"bm" + bmp(b"")[2:], False), (b"", False)],
)
def test_a_bmp_is_recognised_by_a_known_header_with_one_plane(content, expected):
    assert bmp_kind.recognises(content) == expected


@pytest.mark.parametrize("bits", [1, 4, 8, 16, 24, 32])
def test_every_row_of_four_bytes_must_be_there(bits):
    for width in (*range(1, 34), 64, 100):
        needed = -(-width * bits // 32) * 4 * 3
        of = {"width": width, "height": 3, "bits": bits}

        assert picture_size(bmp(bytes(needed), **of)) == (width, 3)
        assert picture_size(bmp(bytes(needed), **of | {"height": -3}, extra=bytes(12), compression=3)) == (width, 3)
        assert picture_size(os2(bytes(needed), **of)) == (width, 3)
        for short in (
            bmp(bytes(needed - 1), **of),
            bmp(bytes(needed - 1), **of, extra=bytes(12)),
            os2(bytes(needed - 1), **of),
        ):
            with pytest.raises(UnreadableImage, match="one that is truncated"):
                picture_size(short)


@pytest.mark.parametrize("compression", [1, 2])
def test_runs_may_have_4_megabytes_and_may_be_fewer_than_the_pixels(compression):
    for count in (1, 2**22):
        assert picture_size(bmp(bytes(count), bits=8, compression=compression, palette=PALETTE)) == (31, 20)
    with pytest.raises(UnreadableImage, match="Received: 4194305;"):
        picture_size(bmp(bytes(2**22 + 1), bits=8, compression=compression, palette=PALETTE))


def test_numbers_with_their_highest_bit_are_not_negative():
    for width, height in [(40_000, 1), (1, 40_000)]:
        assert picture_size(os2(bytes(160_000), width=width, height=height, bits=1)) == (width, height)
    for content in (os2(bytes(2000), bits=2**15), bmp(bytes(2000), bits=2**15)):
        with pytest.raises(UnreadableImage, match="one that is truncated"):
            picture_size(content)
    with pytest.raises(UnreadableImage, match=f"compression {2**32 - 1};"):
        picture_size(bmp(bytes(2000), compression=2**32 - 1))


def test_one_pixel_that_is_not_quite_transparent_keeps_the_transparency():
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    nearly = BGRA * np.array([1, 1, 1, 0], np.uint8)
    nearly[7, 7, 3] = 1

    found = read_picture(bmp(rows(nearly), bits=32, compression=3, extra=masks, header=124))
    assert found.mode == "RGBA"
    assert found.getchannel("A").getextrema() == (0, 1)
