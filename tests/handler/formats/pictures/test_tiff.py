"""TIFF: the first page, in the kinds of pixels and compressions that are read; all others are refused by their names."""

import struct

import numpy as np
import PIL.Image
import pytest

from handler.errors import ObjectTooLarge, UnreadableImage
from handler.formats.picture import read_picture
from tests.handler.formats.samples import saved

PIXELS = np.random.default_rng(5).integers(0, 256, (20, 30, 4), np.uint8)
RGB = PIXELS[:, :, :3]
LOSSLESS = ["raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits"]
FLOAT, SIGNED = 3, 2


def tiff(planes, *, order="<", photometric=1, bits=8, compression=1, big=False, **tags):
    """A TIFF of strips or tiles, given as bytes; the names of further tags are t and their number."""
    values = {256: [30], 257: [20], 258: [bits], 259: [compression], 262: [photometric], 277: [1], 278: [20]}
    values |= {int(name[1:]): value for name, value in tags.items()}
    starts, position = [], 16
    for plane in planes:
        starts.append(position)
        position += len(plane)
    offsets, counts = (324, 325) if 322 in values else (273, 279)
    values |= {offsets: starts, counts: [len(plane) for plane in planes]}
    if 322 in values:
        del values[278]
    count, entry, number = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    size = 8 if big else 4
    data_at = position + struct.calcsize(f"{order}{count}") + len(values) * (4 + 2 * size) + size
    entries, data = b"", b""
    for tag, numbers in sorted(values.items()):
        packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
        if len(packed) > size:
            packed, data = struct.pack(f"{order}{number}", data_at + len(data)), data + packed
        entries += struct.pack(f"{order}{entry}", tag, 4, len(numbers)) + packed.ljust(size, b"\0")
    mark = b"II" if order == "<" else b"MM"
    head = mark + (struct.pack(f"{order}HHHQ", 43, 8, 0, position) if big else struct.pack(f"{order}HI", 42, position))
    directory = struct.pack(f"{order}{count}", len(values)) + entries + bytes(size)
    return head.ljust(16, b"\0") + b"".join(planes) + directory + data


def pixels_of(content, mode=None):
    found = read_picture(content)
    return np.asarray(found.convert(mode) if mode else found)


@pytest.mark.parametrize("compression", LOSSLESS)
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "LA", "I;16"])
def test_a_tiff_is_the_picture_it_was_made_of(mode, compression):
    picture = PIL.Image.fromarray(PIXELS)
    if mode == "I;16":
        picture = PIL.Image.fromarray(PIXELS[:, :, 0].astype(np.uint16) * 257)
    else:
        picture = picture.convert("RGB").quantize(64) if mode == "P" else picture.convert(mode)

    found = read_picture(saved(picture, "TIFF", compression=compression))
    if mode == "I;16":
        assert np.array_equal(np.asarray(found.convert("L")), PIXELS[:, :, 0])
    else:
        assert np.array_equal(np.asarray(found.convert("RGBA")), np.asarray(picture.convert("RGBA")))


def test_a_fax_is_read():
    picture = PIL.Image.fromarray(PIXELS[:, :, 0]).convert("1")

    assert np.array_equal(pixels_of(saved(picture, "TIFF", compression="group4")), np.asarray(picture))


@pytest.mark.parametrize("mode", ["L", "RGB", "YCbCr"])
def test_a_jpeg_inside_is_nearly_the_picture(mode):
    picture = PIL.Image.new("RGB", (30, 20), (200, 100, 50))

    found = pixels_of(saved(picture.convert(mode), "TIFF", compression="jpeg", quality=95), "RGB").reshape(-1, 3)
    assert np.abs(found.mean(axis=0) - np.asarray(picture.convert(mode).convert("RGB"))[0, 0]).max() < 4


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
def test_either_order_of_bytes_and_a_tiff_of_64_bits_are_read(order, big):
    assert np.array_equal(pixels_of(tiff([PIXELS[:, :, 0].tobytes()], order=order, big=big)), PIXELS[:, :, 0])


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("photometric", [0, 1])
def test_sixteen_bits_are_scaled_and_not_clipped(order, photometric):
    values = np.tile(np.linspace(0, 65535, 30).astype(np.uint16), (20, 1))
    stored = values if photometric else 65535 - values

    found = pixels_of(tiff([stored.astype(f"{order}u2").tobytes()], order=order, bits=16, photometric=photometric), "L")
    assert np.array_equal(found, values >> 8)


def test_where_white_is_the_smallest_value_it_stays_white():
    assert np.array_equal(pixels_of(tiff([(255 - PIXELS[:, :, 0]).tobytes()], photometric=0)), PIXELS[:, :, 0])


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_are_scaled(bits):
    packed = np.full((20, 30 * bits // 8 + (bits == 2)), 255, np.uint8)

    assert np.unique(pixels_of(tiff([packed.tobytes()], bits=bits))).tolist() == [255]


@pytest.mark.parametrize("bits", [8, 16])
def test_planes_of_their_own_are_put_together(bits):
    planes = [(RGB[:, :, band].astype("<u2") * 257 if bits == 16 else RGB[:, :, band]).tobytes() for band in range(3)]

    content = tiff(planes, photometric=2, t258=[bits] * 3, t277=[3], t284=[2])
    assert np.array_equal(pixels_of(content), RGB)


def test_tiles_are_put_together():
    padded = np.zeros((32, 32), np.uint8)
    padded[:20, :30] = PIXELS[:, :, 0]
    tiles = [padded[y : y + 16, x : x + 16].tobytes() for y in (0, 16) for x in (0, 16)]

    assert np.array_equal(pixels_of(tiff(tiles, t322=[16], t323=[16])), PIXELS[:, :, 0])


@pytest.mark.parametrize(("kind", "mode"), [(0, "RGB"), (1, "RGBA"), (2, "RGBA")])
def test_a_fourth_sample_is_transparency_if_the_file_says_so(kind, mode):
    opaque = PIXELS.copy()
    opaque[:, :, 3] = 255
    content = tiff([opaque.tobytes()], photometric=2, t258=[8] * 4, t277=[4], t338=[kind])

    found = read_picture(content)
    assert found.mode == mode
    assert np.array_equal(np.asarray(found)[:, :, :3], RGB)


@pytest.mark.parametrize("number", range(1, 9))
def test_a_page_is_turned_by_its_tag_once(number):
    exif = PIL.Image.Exif()
    exif[0x112] = number
    picture = PIL.Image.fromarray(RGB)
    as_png = saved(picture, "PNG", exif=exif)
    content = saved(picture, "TIFF", tiffinfo={0x112: number}, compression="tiff_lzw")

    assert np.array_equal(pixels_of(content), pixels_of(as_png))


def test_the_first_page_counts():
    pages = [PIL.Image.new("L", (30, 20), value) for value in (10, 200)]

    assert np.unique(pixels_of(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))).tolist() == [10]


def test_other_tags_change_nothing():
    """A resolution of two shorts, a description in numbers, an EXIF directory at the end of the world."""
    plain = [PIXELS[:, :, 0].tobytes()]
    content = tiff(plain, t270=[1, 2, 3], t282=[1, 2], t306=[5], t34665=[2**32 - 1], t34675=[0] * 9, t700=[7] * 3)

    assert np.array_equal(pixels_of(content), PIXELS[:, :, 0])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"bits": 32, "t339": [FLOAT]}, "32 bits in sample format 3"),
        ({"bits": 32}, "32 bits"),
        ({"bits": 16, "t339": [SIGNED]}, "sample format 2"),
        ({"bits": 12}, "12 bits"),
        ({"photometric": 8, "t258": [8] * 3, "t277": [3]}, "photometric interpretation 8, 3 samples"),
        ({"t258": [16] * 2, "t277": [2], "t338": [2]}, "2 samples of 16 bits"),
        ({"photometric": 2, "t258": [8, 8, 16], "t277": [3]}, "8, 16 bits"),
        ({"photometric": 2, "t258": [8] * 9, "t277": [9], "t338": [0] * 6}, "9 samples"),
        ({"compression": 6}, "compression 6; save it as PNG"),
        ({"compression": 34925}, "compression 34925"),
        ({"compression": 50000}, "compression 50000"),
        ({"compression": 34887}, "compression 34887"),
        ({"photometric": 32803}, "a camera's raw photo"),
        ({"t50706": [1, 4, 0, 0]}, "a camera's raw photo"),
        ({"t254": [1]}, "a camera's raw photo"),
    ],
)
def test_kinds_that_are_not_read_are_refused_by_their_names(change, named):
    with pytest.raises(UnreadableImage, match=named):
        read_picture(tiff([bytes(9000)], **change))


@pytest.mark.parametrize(
    "change",
    [{"t256": [0]}, {"t257": [0]}, {"t278": [0]}, {"t278": [1]}, {"t322": [0], "t323": [0]}, {"t277": [0]}],
)
def test_sizes_that_contradict_each_other_are_refused(change):
    with pytest.raises(UnreadableImage):
        read_picture(tiff([bytes(600)], **change))


@pytest.mark.parametrize("change", [{"t256": [60_000], "t257": [60_000]}, {"t322": [2**31], "t323": [2**31]}])
def test_countless_pixels_are_refused(change):
    with pytest.raises(ObjectTooLarge):
        read_picture(tiff([bytes(600)], **change), 2**26)


def test_a_tiff_that_is_cut_is_refused():
    content = saved(PIL.Image.fromarray(RGB), "TIFF", compression="tiff_lzw")
    for length in range(4, len(content), 37):
        with pytest.raises(UnreadableImage):
            read_picture(content[:length])


def test_damaged_pixels_write_nothing_to_the_log(capfd):
    content = bytearray(saved(PIL.Image.fromarray(RGB), "TIFF", compression="tiff_adobe_deflate"))
    content[100:140] = bytes(40)
    with pytest.raises(UnreadableImage):
        read_picture(bytes(content))

    assert capfd.readouterr() == ("", "")
