import io
import struct
import zlib

import msgspec
import numpy as np
import PIL.features
import PIL.Image
import PIL.ImageFile
import pytest

from handler.contract import Conversion, PixelShape
from handler.conversion import convert
from handler.errors import ObjectTooLarge, UnreadableImage
from handler.formats import decode
from handler.formats.picture import read_picture
from handler.formats.pictures.judged import Judged
from handler.formats.pictures.upright import upright
from tests.handler.formats.samples import chunk, decoded, limited

GREY, RGB = PixelShape(height=28, width=28, channels=1), PixelShape(height=28, width=28, channels=3)


PNG = b"\x89PNG\r\n\x1a\n"


def png(picture, **options):
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


def bomb(width, height):
    """A PNG whose header states a size that its few bytes never hold."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


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

    converted = convert(read_picture(png(PIL.Image.fromarray(values))), GREY, Conversion())

    assert np.array_equal(converted[:, :, 0], values >> 8)


def test_a_photo_is_turned_upright_by_its_exif_tag():
    picture = PIL.Image.fromarray(np.repeat(np.array([[0], [255]], np.uint8), 14, axis=0).repeat(28, axis=1))  # dark above
    exif = PIL.Image.Exif()
    exif[0x0112] = 3  # rotated by 180 degrees

    converted = convert(read_picture(png(picture, exif=exif)), GREY, Conversion())

    assert converted[0, 0, 0] == 255
    assert converted[27, 0, 0] == 0


def interlaced(pixels):
    """A grey PNG of seven passes, each a coarse picture of its own. Source: https://www.w3.org/TR/png-3/#8Interlace"""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    lines = [line.tobytes() for y, x, down, right in passes for line in pixels[y::down, x::right]]
    header = struct.pack(">IIBBBBB", *pixels.shape[::-1], 8, 0, 0, 0, 1)
    data = zlib.compress(b"".join(b"\0" + line for line in lines))
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_an_interlaced_picture_is_read(sample_pixels, fashion_target):
    (image,) = decode(io.BytesIO(interlaced(sample_pixels[3, :, :, 0])), "i.png", fashion_target)

    assert np.array_equal(image.pixels, sample_pixels[3])


def test_a_palette_picture_is_read(fashion_target):
    picture = PIL.Image.new("P", (28, 28), 1)
    picture.putpalette([0, 0, 0, 255, 255, 255])

    (image,) = decode(io.BytesIO(png(picture)), "p.png", fashion_target)

    assert np.unique(image.pixels).tolist() == [255]


def test_an_animated_png_counts_as_its_first_frame(fashion_target):
    frames = [PIL.Image.new("L", (28, 28), value) for value in (10, 200)]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])

    (image,) = decode(io.BytesIO(file.getvalue()), "a.png", fashion_target)

    assert np.unique(image.pixels).tolist() == [10]


@pytest.mark.parametrize("size", [(20_000, 20_000), (1001, 1000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_by_its_header(size, fashion_target, monkeypatch):
    monkeypatch.setattr(PIL.ImageFile.ImageFile, "__init__", pytest.fail)
    with pytest.raises(ObjectTooLarge, match="pixels"):
        list(decode(io.BytesIO(bomb(*size)), "bomb.png", fashion_target))


def test_a_header_without_its_pixels_is_refused(fashion_target):
    with pytest.raises(UnreadableImage):
        list(decode(io.BytesIO(bomb(500, 500)), "short.png", fashion_target))


@pytest.mark.parametrize("length", [8, 9, 20, 33, 100, -24, -13])
def test_a_truncated_png_is_refused(length, sample_pixels, fashion_target):
    content = png(PIL.Image.fromarray(sample_pixels[40, :, :, 0]))

    with pytest.raises(UnreadableImage):
        list(decode(io.BytesIO(content[:length]), "cut.png", fashion_target))


def test_bytes_behind_a_png_are_no_fault_of_it(fashion_target):
    assert len(list(decode(io.BytesIO(png(PIL.Image.new("L", (28, 28), 9)) + b"trailing"), "x.png", fashion_target))) == 1


def test_a_png_of_countless_chunks_is_refused(fashion_target):
    content = png(PIL.Image.new("L", (28, 28), 9))
    empty = struct.pack(">I", 0) + b"teXt" + struct.pack(">I", zlib.crc32(b"teXt"))

    with pytest.raises(UnreadableImage, match="at most 20000 chunks"):
        list(decode(io.BytesIO(content[:33] + empty * 20_001 + content[33:]), "x.png", fashion_target))


def jpeg(picture, **options):
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()


def test_a_progressive_jpeg_is_read(fashion_target):
    (image,) = decode(
        io.BytesIO(jpeg(PIL.Image.new("RGB", (40, 40), (200, 200, 200)), progressive=True)), "p.jpg", fashion_target
    )

    assert image.pixels.mean() == pytest.approx(200, abs=2)


@pytest.mark.parametrize(
    "part", [b"\xff\xda\x00\x08\x01\x01\x00\x01\x05\x01", b"\xff\xe1\x00\x0aExif\x00\x00MM", b"\xff\xfe\x00\x03!"]
)
def test_a_jpeg_of_countless_scans_or_segments_is_refused(part, fashion_target):
    content = jpeg(PIL.Image.new("L", (28, 28), 9))

    with pytest.raises(UnreadableImage, match="at most 100 scans and 1000 other segments"):
        list(decode(io.BytesIO(content[:2] + part * 1001 + content[2:]), "x.jpg", fashion_target))


def test_what_is_appended_to_a_jpeg_is_no_fault_of_it(fashion_target):
    """Phones append videos; megabytes of anything hold thousands of what would be markers elsewhere."""
    content = jpeg(PIL.Image.new("L", (28, 28), 90)) + np.random.default_rng(0).bytes(4 * 2**20)

    (image,) = decode(io.BytesIO(content), "motion.jpg", fashion_target)

    assert image.pixels.mean() == pytest.approx(90, abs=1)


def test_a_transparent_value_of_sixteen_bits_shows_the_background():
    values = np.full((28, 28), 40_000, np.uint16)
    values[0, 0] = 513
    picture = read_picture(png(PIL.Image.fromarray(values), transparency=513))

    converted = convert(picture, GREY, Conversion(background=7))

    assert (converted[0, 0, 0], converted[1, 1, 0]) == (7, 40_000 >> 8)


def test_an_unreadable_header_is_refused_with_a_text_that_is_always_the_same(fashion_target):
    content = b"\xff\xd8\xff" + b"not a JPEG"

    texts = set()
    for _ in range(3):
        with pytest.raises(UnreadableImage) as raised:
            list(decode(io.BytesIO(content), "x.png", fashion_target))
        texts.add(str(raised.value))

    assert texts == {"Expected a JPEG that states its size. Received: one whose header is damaged; upload it again."}


def parts(content):
    """The chunks of a PNG, as it has them."""
    position = len(PNG)
    while position < len(content):
        end = position + 12 + int.from_bytes(content[position : position + 4], "big")
        yield content[position:end]
        position = end


@pytest.mark.parametrize(
    "change",
    [
        lambda header, data, end: [header, header, data, end],
        lambda header, data, end: [data, header, end],
        lambda header, data, end: [data, end],
        lambda header, data, end: [header, chunk(b"FAKE", b""), data, end],
        lambda header, data, end: [header, end],
        lambda header, data, end: [header, end, data],
        lambda header, data, end: [header[:-1] + bytes([header[-1] ^ 1]), data, end],  # a wrong checksum
        lambda header, data, end: [header, data[:-1] + bytes([data[-1] ^ 1]), end],
        lambda header, data, end: [end],
    ],
)
def test_a_png_of_unknown_or_misplaced_parts_is_refused(change, sample_pixels, fashion_target):
    header, data, end = parts(png(PIL.Image.fromarray(sample_pixels[40, :, :, 0])))

    with pytest.raises(UnreadableImage):
        decoded(PNG + b"".join(change(header, data, end)), fashion_target)


def test_a_cmyk_photo_is_read(fashion_target):
    picture = PIL.Image.new("RGB", (28, 28), (250, 250, 250)).convert("CMYK")

    (image,) = decoded(jpeg(picture), fashion_target)
    assert image.pixels.mean() == pytest.approx(250, abs=2)


@pytest.mark.parametrize("size", [(0, 0), (0, 28), (28, 0)])
def test_a_picture_without_pixels_is_refused(size, fashion_target):
    with pytest.raises(UnreadableImage, match=f"at least 1x1 pixels. Received: {size[0]}x{size[1]}"):
        decoded(bomb(*size), fashion_target)


@pytest.mark.parametrize("size", [(1, 1), (1, 1000), (29, 28), (1000, 1)])
def test_a_picture_of_any_size_becomes_one_of_the_model_s(size, fashion_target):
    (image,) = decoded(png(PIL.Image.new("L", size, 200)), fashion_target)

    assert image.pixels.shape == (28, 28, 1)
    assert image.pixels.max() == 200  # however thin, it does not vanish


def test_a_picture_of_more_bytes_than_may_be_in_memory_is_refused(fashion_target):
    content = png(PIL.Image.new("L", (28, 28))) + bytes(1000)

    with pytest.raises(ObjectTooLarge, match=r"a picture of at most 1000 bytes \(MAX_MEMBER_BYTES\). Received: more; make"):
        decoded(content, limited(fashion_target, member_bytes=1000))


def test_the_limit_on_pixels_is_named(fashion_target):
    message = r"at most 783 pixels \(MAX_IMAGE_PIXELS\). Received: 28x28; scale it down"
    target = limited(fashion_target, image_pixels=783)

    for save in (png, jpeg, webp):
        with pytest.raises(ObjectTooLarge, match=message):
            decoded(save(PIL.Image.new("L", (28, 28))), target)


def webp(picture, **options):
    file = io.BytesIO()
    picture.save(file, "WEBP", **{"lossless": True} | options)
    return file.getvalue()


def riff(*chunks):
    """A WebP of these chunks: kind and data."""
    content = b"WEBP" + b"".join(kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def test_the_decoder_of_webp_is_there():
    """In the wheel that the requirements pin."""
    assert PIL.features.check("webp")


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "LA", "1"])
def test_a_lossless_webp_is_the_picture_it_was_made_of(mode, sample_pixels, fashion_target):
    picture = PIL.Image.fromarray(sample_pixels[7, :, :, 0]).convert(mode)
    (from_png,), (from_webp,) = decoded(png(picture), fashion_target), decoded(webp(picture), fashion_target)

    assert np.array_equal(from_webp.pixels, from_png.pixels)


def test_a_lossy_webp_is_nearly_the_picture_it_was_made_of(sample_pixels, fashion_target):
    picture = PIL.Image.fromarray(sample_pixels[7, :, :, 0])

    (image,) = decoded(webp(picture, lossless=False, quality=95), fashion_target)
    assert np.abs(image.pixels.astype(int) - sample_pixels[7]).mean() < 6


def test_transparent_pixels_of_a_webp_show_the_background(fashion_target):
    target = msgspec.structs.replace(fashion_target, conversion=Conversion(background=33))

    (image,) = decoded(webp(PIL.Image.new("RGBA", (28, 28), (255, 255, 255, 0))), target)
    assert np.unique(image.pixels).tolist() == [33]


def test_a_webp_is_turned_upright_by_its_exif_tag(fashion_target):
    picture = PIL.Image.fromarray(np.repeat(np.array([[0], [255]], np.uint8), 14, axis=0).repeat(28, axis=1))
    exif = PIL.Image.Exif()
    exif[0x0112] = 3  # rotated by 180 degrees

    (image,) = decoded(webp(picture, exif=exif), fashion_target)
    assert (image.pixels[0, 0, 0], image.pixels[27, 0, 0]) == (255, 0)


def test_an_animated_webp_counts_as_its_first_frame(fashion_target):
    frames = [PIL.Image.new("L", (28, 28), value) for value in (10, 200)]

    (image,) = decoded(webp(frames[0], save_all=True, append_images=frames[1:]), fashion_target)
    assert np.unique(image.pixels).tolist() == [10]


def test_bytes_behind_a_webp_are_no_fault_of_it(fashion_target):
    assert len(decoded(webp(PIL.Image.new("L", (28, 28), 9)) + b"trailing", fashion_target)) == 1


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"VP8X", struct.pack("<I", 0x10) + b"\xff" * 6)],
        [(b"VP8L", b"\x2f" + b"\xff\xff\xff\x0f")],
        [(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + b"\xff\x3f" * 2)],
        [(b"ICCP", b"odd"), (b"VP8L", b"\x2f" + b"\xff\xff\xff\x0f")],
    ],
)
def test_a_webp_of_countless_pixels_is_refused_before_its_decoder_runs(chunks, fashion_target, monkeypatch):
    """It would allocate two canvases when it opens the file."""
    monkeypatch.setattr(PIL.Image, "open", pytest.fail)

    with pytest.raises(ObjectTooLarge, match="MAX_IMAGE_PIXELS"):
        decoded(riff(*chunks), fashion_target)


@pytest.mark.parametrize(
    "content",
    [
        riff(),
        riff((b"VP8L", b"")),
        riff((b"VP8 ", b"\0\0")),
        riff((b"VP8X", b"\0")),
        riff((b"VP8L", b"\x2f" + bytes(20))),
        riff(*[(b"EXIF", b"")] * 20_001),
        b"RIFF\xff\xff\xff\xffWEBPVP8L" + bytes(99),
        b"RIFF\0\0\0\0WEBPVP8L" + bytes(99),
    ],
    ids=range(8),
)
def test_a_webp_that_is_not_whole_is_refused(content, fashion_target):
    with pytest.raises(UnreadableImage):
        decoded(content, fashion_target)


def test_damaged_metadata_is_no_fault_of_the_picture(sample_pixels, fashion_target):
    """Pillow warns of it, and warnings are errors in these tests."""
    content = png(PIL.Image.fromarray(sample_pixels[0, :, :, 0]), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01")

    (image,) = decoded(content, fashion_target)
    assert np.array_equal(image.pixels, sample_pixels[0])


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(70_001, 7), (2 * 65_536, 3), (1, 1025), (9, 513), (65_537, 1), (3, 3)])
@pytest.mark.parametrize("factor", [2, 8])
def test_a_picture_that_is_made_smaller_block_by_block_has_the_pixels_of_one_made_smaller_whole(mode, size, factor):
    pattern = np.arange(size[0] * size[1], dtype=np.uint64).reshape(size[::-1]) * 2_654_435_761 >> 8
    if mode == "I;16":
        picture = PIL.Image.fromarray(pattern.astype(np.uint16))
        whole = PIL.Image.fromarray((pattern.astype(np.uint16) >> 8).astype(np.uint8))
    else:
        whole = picture = PIL.Image.fromarray(pattern.astype(np.uint8)).convert(mode)
    if mode in {"LA", "RGBA"}:
        picture.putalpha(PIL.Image.fromarray((pattern >> 8).astype(np.uint8)))
        whole = picture.convert("RGBA")

    small = upright(picture, Judged(b"", *size), factor)
    assert np.array_equal(np.asarray(small), np.asarray(whole.reduce(factor)))


@pytest.mark.parametrize("size", [(2**25, 1), (2**24 + 1, 2)])
def test_no_block_of_a_very_long_picture_is_the_whole_picture(size, monkeypatch):
    """Sixteen bits a sample take 30 bytes a pixel while they become eight."""
    cropped, crop = [], PIL.Image.Image.crop
    monkeypatch.setattr(PIL.Image.Image, "crop", lambda *args: cropped.append(crop(*args)) or cropped[-1])

    small = upright(PIL.Image.new("I;16", size, 2**15), Judged(b"", *size), 2)
    assert small.getextrema() == (128, 128)
    assert sum(block.width * block.height for block in cropped) == size[0] * size[1]
    assert max(block.width * block.height for block in cropped) <= 2**25 // 4
