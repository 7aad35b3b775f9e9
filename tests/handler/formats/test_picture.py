import io
import struct
import zlib

import numpy as np
import PIL.Image
import pytest

from handler.contract import Conversion, PixelShape
from handler.errors import ObjectTooLarge, UnreadableImage
from handler.formats import decode
from handler.formats.picture import convert

GREY, RGB = PixelShape(height=28, width=28, channels=1), PixelShape(height=28, width=28, channels=3)


def png(picture, **options):
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


def bomb(width, height):
    """A PNG whose header states a size that its few bytes never hold."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def test_a_grey_picture_of_the_right_size_keeps_every_pixel(sample_pixels):
    converted = convert(PIL.Image.fromarray(sample_pixels[0, :, :, 0]), GREY, Conversion())

    assert np.array_equal(converted, sample_pixels[0])


def test_a_larger_picture_is_scaled_to_fit_and_centred_on_the_background():
    converted = convert(PIL.Image.new("L", (200, 100), 255), GREY, Conversion(background=7))

    assert converted.shape == (28, 28, 1)
    assert (converted[7:21] == 255).all()
    assert (converted[:7] == 7).all()
    assert (converted[21:] == 7).all()


def test_colour_becomes_grey_by_luma():
    converted = convert(PIL.Image.new("RGB", (28, 28), (255, 0, 0)), GREY, Conversion())

    assert np.unique(converted).tolist() == [76]  # 0.299 * 255


def test_grey_becomes_three_equal_channels():
    converted = convert(PIL.Image.new("L", (28, 28), 9), RGB, Conversion())

    assert converted.shape == (28, 28, 3)
    assert np.unique(converted).tolist() == [9]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_pixels_show_the_background(mode):
    picture = PIL.Image.new("RGBA", (28, 28), (255, 255, 255, 0)).convert("RGBA" if mode == "PA" else mode)
    if mode == "PA":
        picture = picture.quantize().convert("PA")

    assert np.unique(convert(picture, GREY, Conversion(background=33))).tolist() == [33]


def test_sixteen_bits_are_scaled_and_not_clipped():
    values = np.tile(np.linspace(0, 65535, 28).astype(np.uint16), (28, 1))

    converted = convert(PIL.Image.open(io.BytesIO(png(PIL.Image.fromarray(values)))), GREY, Conversion())

    assert np.array_equal(converted[:, :, 0], values >> 8)


def test_a_photo_is_turned_upright_by_its_exif_tag():
    picture = PIL.Image.fromarray(np.repeat(np.array([[0], [255]], np.uint8), 14, axis=0).repeat(28, axis=1))  # dark above
    exif = PIL.Image.Exif()
    exif[0x0112] = 3  # rotated by 180 degrees

    converted = convert(PIL.Image.open(io.BytesIO(png(picture, exif=exif))), GREY, Conversion())

    assert converted[0, 0, 0] == 255
    assert converted[27, 0, 0] == 0


def test_an_interlaced_or_palette_picture_is_read(fashion_target):
    picture = PIL.Image.new("P", (28, 28), 1)
    picture.putpalette([0, 0, 0, 255, 255, 255])

    (image,) = decode(png(picture), "p.png", fashion_target)

    assert np.unique(image.pixels).tolist() == [255]


def test_an_animated_png_counts_as_its_first_frame(fashion_target):
    frames = [PIL.Image.new("L", (28, 28), value) for value in (10, 200)]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])

    (image,) = decode(file.getvalue(), "a.png", fashion_target)

    assert np.unique(image.pixels).tolist() == [10]


@pytest.mark.parametrize("size", [(20_000, 20_000), (1001, 1000)])
def test_a_bomb_is_refused_by_its_header(size, fashion_target):
    with pytest.raises(ObjectTooLarge, match="pixels"):
        list(decode(bomb(*size), "bomb.png", fashion_target))


def test_a_header_without_its_pixels_is_refused(fashion_target):
    with pytest.raises(UnreadableImage):
        list(decode(bomb(500, 500), "short.png", fashion_target))


@pytest.mark.parametrize("length", [8, 9, 20, 33, 100, -12, -4, -1])
def test_a_truncated_png_is_refused(length, sample_pixels, fashion_target):
    content = png(PIL.Image.fromarray(sample_pixels[40, :, :, 0]))

    with pytest.raises(UnreadableImage):
        list(decode(content[:length], "cut.png", fashion_target))


def test_a_png_with_one_bit_changed_anywhere_is_refused(sample_pixels, fashion_target):
    """Pillow alone decodes some of these to other pixels: it does not ask for the checksum of the pixels."""
    content = png(PIL.Image.fromarray(sample_pixels[40, :, :, 0]))
    for position in range(8, len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (position % 8)

        with pytest.raises(UnreadableImage):
            list(decode(bytes(damaged), "damaged.png", fashion_target))


def test_bytes_behind_a_png_are_no_fault_of_it(fashion_target):
    assert len(list(decode(png(PIL.Image.new("L", (28, 28), 9)) + b"trailing", "x.png", fashion_target))) == 1


def test_a_png_of_countless_chunks_is_refused(fashion_target):
    content = png(PIL.Image.new("L", (28, 28), 9))
    empty = struct.pack(">I", 0) + b"teXt" + struct.pack(">I", zlib.crc32(b"teXt"))

    with pytest.raises(UnreadableImage, match="at most 20000 chunks"):
        list(decode(content[:33] + empty * 20_001 + content[33:], "x.png", fashion_target))


def jpeg(picture, **options):
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()


def test_a_progressive_jpeg_is_read(fashion_target):
    (image,) = decode(jpeg(PIL.Image.new("RGB", (40, 40), (200, 200, 200)), progressive=True), "p.jpg", fashion_target)

    assert image.pixels.mean() == pytest.approx(200, abs=2)


@pytest.mark.parametrize(
    "part", [b"\xff\xda\x00\x08\x01\x01\x00\x01\x05\x01", b"\xff\xe1\x00\x0aExif\x00\x00MM", b"\xff\xfe\x00\x03!"]
)
def test_a_jpeg_of_countless_scans_or_segments_is_refused(part, fashion_target):
    content = jpeg(PIL.Image.new("L", (28, 28), 9))

    with pytest.raises(UnreadableImage, match="at most 100 scans and 1000 other segments"):
        list(decode(content[:2] + part * 1001 + content[2:], "x.jpg", fashion_target))


def test_what_is_appended_to_a_jpeg_is_no_fault_of_it(fashion_target):
    """Phones append videos; megabytes of anything hold thousands of what would be markers elsewhere."""
    content = jpeg(PIL.Image.new("L", (28, 28), 90)) + np.random.default_rng(0).bytes(4 * 2**20)

    (image,) = decode(content, "motion.jpg", fashion_target)

    assert image.pixels.mean() == pytest.approx(90, abs=1)


def test_a_transparent_value_of_sixteen_bits_shows_the_background():
    values = np.full((28, 28), 40_000, np.uint16)
    values[0, 0] = 513
    picture = PIL.Image.open(io.BytesIO(png(PIL.Image.fromarray(values), transparency=513)))

    converted = convert(picture, GREY, Conversion(background=7))

    assert (converted[0, 0, 0], converted[1, 1, 0]) == (7, 40_000 >> 8)


def test_an_unreadable_header_is_refused_with_a_text_that_is_always_the_same(fashion_target):
    content = b"\xff\xd8\xff" + b"not a JPEG"

    texts = set()
    for _ in range(3):
        with pytest.raises(UnreadableImage) as raised:
            list(decode(content, "x.png", fashion_target))
        texts.add(str(raised.value))

    assert texts == {"Expected a whole PNG or JPEG image. Received: one whose header cannot be read."}
