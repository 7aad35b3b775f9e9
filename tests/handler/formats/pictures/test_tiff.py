"""TIFF: the first page, in the kinds of pixels and compressions that are read; all others are refused by their names."""

import struct

import numpy as np
import PIL.Image
import pytest

from handler.errors import ObjectTooLarge, UnreadableImage
from handler.formats.picture import picture_size, read_picture
from handler.formats.pictures import tiff as tiff_kind
from handler.formats.pictures.tags import read_tags
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


@pytest.mark.parametrize("beginning", [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"])
def test_a_tiff_is_recognised_by_its_beginning_unless_it_is_a_canon_camera_s(beginning):
    assert tiff_kind.recognises(beginning)
    assert tiff_kind.recognises(beginning + b"....CS")
    assert not tiff_kind.recognises(beginning + b"....CR")
    assert not tiff_kind.recognises(beginning[:3])
    assert not tiff_kind.recognises(beginning.lower())


@pytest.mark.parametrize("tag", [256, 257])
def test_a_tiff_without_a_width_or_a_height_is_refused(tag):
    content = tiff([bytes(600)]).replace(struct.pack("<HHI", tag, 4, 1), struct.pack("<HHI", 2, 4, 1))
    with pytest.raises(UnreadableImage, match="Expected a TIFF that states its size"):
        picture_size(content)


@pytest.mark.parametrize(
    ("content", "is_raw"),
    [
        (tiff([bytes(600)], photometric=32803), True),
        (tiff([bytes(600)], photometric=34892), True),
        *((tiff([bytes(600)], t254=[flags]), flags & 1 == 1) for flags in range(5)),
        (tiff([bytes(600)], t50706=[0]), True),
        (tiff([bytes(600)])[:9] + b"CR" + tiff([bytes(600)])[11:], False),
    ],
)
def test_a_raw_photo_is_told_by_its_tags(content, is_raw):
    if is_raw:
        with pytest.raises(UnreadableImage, match="a camera's raw photo"):
            picture_size(content)
    else:
        assert picture_size(content) == (30, 20)


def test_every_meaning_has_its_samples_and_up_to_two_more_of_the_bits_that_it_may_have():
    """A tag that is missing means one sample of one bit, where white is 0."""
    meanings = {0: (1, {1, 2, 4, 8, 16}), 1: (1, {1, 2, 4, 8, 16}), 2: (3, {8, 16}), 3: (1, {1, 2, 4, 8}), 5: (4, {8, 16})}
    meanings |= {6: (3, {8}), 4: (1, set()), 8: (3, set())}
    for meaning, (count, allowed) in meanings.items():
        for bits in (0, 1, 2, 4, 8, 12, 16, 24, 32):
            for samples in range(8):
                plane = bytes(30 * 20 * samples * bits // 8)
                content = tiff([plane], photometric=meaning, t258=[bits] * max(1, samples), t277=[samples])
                if bits in allowed and count <= samples <= count + 2:
                    assert picture_size(content) == (30, 20)
                else:
                    named = f"photometric interpretation {meaning}, {samples} samples of {bits} bits in sample format 1;"
                    with pytest.raises(UnreadableImage, match=named):
                        picture_size(content)


@pytest.mark.parametrize(
    ("tags", "is_read"),
    [
        ({"t258": [8, 8, 8]}, True),
        ({"t258": [8]}, True),
        ({"t258": [8, 8, 16]}, False),
        ({"t258": [8, 8, 12]}, False),
        ({"t339": [1]}, True),
        ({"t339": [1, 1, 1]}, True),
        ({"t339": [1, 1, 2]}, False),
        ({"t339": [0]}, False),
        ({"t338": [0]}, True),
    ],
)
def test_all_samples_of_a_pixel_are_whole_numbers_of_as_many_bits(tags, is_read):
    content = tiff([bytes(1800)], photometric=2, **{"t258": [8, 8, 8], "t277": [3]} | tags)
    if is_read:
        assert picture_size(content) == (30, 20)
    else:
        with pytest.raises(UnreadableImage, match="in whole numbers of up to 16 bits"):
            picture_size(content)


@pytest.mark.parametrize("photometric", [0, 1, 3])
@pytest.mark.parametrize("bits", [4, 8, 16])
def test_one_sample_with_transparency_is_read_in_eight_bits_where_black_is_0(photometric, bits):
    content = tiff([bytes(2400)], photometric=photometric, t258=[bits] * 2, t277=[2], t338=[2])
    if photometric and bits == 8:
        assert picture_size(content) == (30, 20)
    else:
        with pytest.raises(UnreadableImage, match=f"interpretation {photometric}, 2 samples of {bits} bits"):
            picture_size(content)


@pytest.mark.parametrize("compression", [1, 4, 5, 7, 8, 32946, 32773])
def test_a_kind_of_compression_that_is_read_passes(compression):
    assert picture_size(tiff([bytes(600)], compression=compression)) == (30, 20)


@pytest.mark.parametrize(
    ("blocks", "tags"),
    [
        (1, {}),
        (1, {"t278": [21]}),
        (1, {"t278": [2**32 - 1]}),
        (2, {"t278": [19]}),
        (2, {"t278": [10]}),
        (3, {"t278": [9]}),
        (20, {"t278": [1]}),
        (2, {"t284": [2], "t277": [2]}),
        (6, {"t284": [2], "t277": [3], "t278": [10], "t262": [2]}),
        (2, {"t284": [1], "t277": [3], "t278": [10], "t262": [2]}),
        (1, {"t322": [30], "t323": [20]}),
        (2, {"t322": [29], "t323": [20]}),
        (2, {"t322": [30], "t323": [19]}),
        (4, {"t322": [16], "t323": [16]}),
        (2, {"t322": [64], "t323": [64], "t284": [2], "t277": [2]}),
    ],
)
def test_as_many_strips_or_tiles_as_cover_the_picture_are_needed(blocks, tags):
    """One more does no harm; each has a place, and a length."""
    tags = {"t258": [8] * tags.get("t277", [1])[0]} | tags
    places, lengths = ("t324", "t325") if "t322" in tags else ("t273", "t279")

    assert picture_size(tiff([b"?"] * blocks, **tags)) == (30, 20)
    assert picture_size(tiff([b"?"] * (blocks + 1), **tags)) == (30, 20)
    numbers = list(range(16, 16 + blocks + 1))
    for starts, sizes in [(numbers[1:-1], numbers[1:-1]), (numbers[1:], numbers), (numbers, numbers[1:])]:
        content = stated([b"?" * 99], tags | {places: starts, lengths: sizes})
        with pytest.raises(UnreadableImage, match="Expected a TIFF that states where its pixels are"):
            picture_size(content)


def stated(planes, tags):
    """A TIFF whose places or lengths are not those of its strips or tiles."""
    own = {name: numbers for name, numbers in tags.items() if name in {"t273", "t279", "t324", "t325"}}
    content = tiff(planes, **{name: numbers for name, numbers in tags.items() if name not in own})
    values = read_tags(content, range(2**16)) | {int(name[1:]): tuple(numbers) for name, numbers in own.items()}
    values = {tag: numbers for tag, numbers in values.items() if numbers}
    data_at, entries, data = len(content) + 2 + 12 * len(values) + 4, b"", b""
    for tag, numbers in sorted(values.items()):
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        if len(packed) > 4:
            packed, data = struct.pack("<I", data_at + len(data)), data + packed
        entries += struct.pack("<HHI", tag, 4, len(numbers)) + packed
    head = content[:4] + struct.pack("<I", len(content)) + content[8:]
    return head + struct.pack("<H", len(values)) + entries + bytes(4) + data


@pytest.mark.parametrize("tags", [{"t322": [0], "t323": [16]}, {"t322": [16], "t323": [0]}, {"t322": [16]}, {"t278": [0]}])
def test_strips_or_tiles_without_a_side_are_refused(tags):
    with pytest.raises(UnreadableImage, match="Expected a TIFF that states where its pixels are"):
        picture_size(tiff([bytes(256)] * 900, **tags))


def test_a_strip_ends_where_the_file_ends_and_no_later():
    content = stated([bytes(600)], {"t279": [600]})

    assert picture_size(stated([bytes(600)], {"t279": [len(content) - 16]})) == (30, 20)
    for tags in ({"t279": [len(content) - 15]}, {"t273": [len(content) - 599]}):
        with pytest.raises(UnreadableImage, match="Expected a TIFF with all of its pixels"):
            picture_size(stated([bytes(600)], tags))


@pytest.mark.parametrize(
    ("tags", "is_read"),
    [
        ({"t256": [2**14], "t257": [2**15], "t278": [2**15]}, True),
        ({"t256": [2**14], "t257": [2**15 + 1], "t278": [2**15 + 1]}, False),
        ({"t256": [2**14], "t257": [2**16], "t278": [2**15]}, True),
        ({"t256": [2**14 + 1], "t257": [2**16], "t278": [2**15]}, False),
        ({"t256": [2**13], "t257": [2**15], "t278": [2**15], "t258": [16]}, True),
        ({"t256": [2**13], "t257": [2**15 + 1], "t278": [2**15 + 1], "t258": [16]}, False),
        ({"t256": [2**17], "t257": [2**15], "t278": [2**15], "t258": [1]}, True),
        ({"t322": [2**14], "t323": [2**15]}, True),
        ({"t322": [2**14], "t323": [2**15 + 1]}, False),
        ({"t322": [2**13], "t323": [2**14], "t277": [3], "t258": [8] * 3, "t262": [2]}, True),
        ({"t322": [2**13], "t323": [2**15], "t277": [3], "t258": [8] * 3, "t262": [2]}, False),
    ],
)
def test_a_strip_or_tile_unpacks_to_at_most_512_megabytes(tags, is_read):
    content = tiff([b"?"] * 2, **tags)
    if is_read:
        assert picture_size(content, 2**33)[0] == tags.get("t256", [30])[0]
    else:
        with pytest.raises(ObjectTooLarge, match="strips or tiles of at most 536870912 bytes"):
            picture_size(content, 2**33)


@pytest.mark.parametrize(
    ("tiles", "tags", "received"),
    [
        (16, {"t256": [16], "t322": [2**22], "t323": [16]}, None),
        (17, {"t256": [16], "t322": [2**22], "t323": [16]}, 17 * 2**26),
        (200, {"t256": [16], "t322": [2**22], "t323": [16]}, 200 * 2**26),
        (3 * 16, {"t256": [16], "t322": [2**20], "t323": [16], "t277": [3], "t258": [8] * 3, "t262": [2], "t284": [2]}, None),
        (
            3 * 32,
            {"t256": [16], "t322": [2**20], "t323": [16], "t277": [3], "t258": [8] * 3, "t262": [2], "t284": [2]},
            96 * 2**24,
        ),
    ],
)
def test_tiles_beyond_the_picture_unpack_to_at_most_a_gigabyte_in_all(tiles, tags, received):
    """Two hundred tiles of the same 65 kB, of 64 MiB each, took 12 s, for a picture of 16x3200 pixels."""
    height = 16 * tiles // (3 if "t284" in tags else 1)
    content = stated([b"?"], tags | {"t257": [height], "t324": [16] * tiles, "t325": [1] * tiles})
    if received is None:
        assert picture_size(content) == (16, height)
    else:
        with pytest.raises(ObjectTooLarge, match=f"tiles of at most 1073741824 bytes in all. Received: {received}; save it"):
            picture_size(content)


@pytest.mark.parametrize(("count", "is_read"), [(1024, True), (1025, False), (60_000, False)])
def test_strips_that_share_bytes_have_at_most_a_gigabyte_in_all(count, is_read):
    """The bits of each are turned around, used or not: 60,000 strips of the same megabyte took half a minute."""
    content = stated([bytes(2**20)], {"t257": [count], "t278": [1], "t266": [2], "t273": [16] * count, "t279": [2**20] * count})
    if is_read:
        assert picture_size(content) == (30, count)
    else:
        with pytest.raises(ObjectTooLarge, match=f"at most 1073741824 bytes in all. Received: {count * 2**20}; save it"):
            picture_size(content)


@pytest.mark.parametrize("side", [16, 64, 256, 512, 1024])
@pytest.mark.parametrize("size", [(8192, 8192), (8193, 8191), (65_000, 1032), (1032, 65_000), (30_001, 2_001), (17, 19)])
@pytest.mark.parametrize("kind", [{}, {"t277": [4], "t258": [16] * 4, "t262": [2], "t338": [2]}])
def test_a_large_picture_in_tiles_of_a_usual_size_is_read(side, size, kind):
    count = -(-size[0] // side) * -(-size[1] // side)
    if count > 2**16:  # more than a tag may have
        return
    tags = {"t256": [size[0]], "t257": [size[1]], "t322": [side], "t323": [side], "t324": [16] * count, "t325": [1] * count}

    assert picture_size(stated([b"?"], tags | kind), 2**27) == size


def test_a_picture_of_more_than_a_gigabyte_is_read_where_the_limit_on_pixels_allows_it():
    tags = {"t256": [18_000], "t257": [18_000], "t277": [4], "t258": [8] * 4, "t262": [2], "t338": [2]}
    tiles = {"t322": [512], "t323": [512], "t324": [16] * 36**2, "t325": [10**6] * 36**2}

    assert picture_size(stated([bytes(10**6)], tags | tiles), 2**29) == (18_000, 18_000)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("size", [600, 601])
@pytest.mark.parametrize("tables", [1, 3, 4, 5, 6])
def test_only_the_tags_of_the_pixels_are_written_anew(order, big, size, tables):
    """At an even place, with every value as it was; JPEG's tables are bytes."""
    numbers = {258: [8], 266: [1], 284: [1], 293: [4], 317: [1], 320: [7] * 768, 338: [0], 530: [2, 1], 531: [1]}
    others = {254: [0], 270: [1, 2, 3], 274: [6], 339: [1], 700: [7] * 3, 34665: [2**32 - 1]}
    content = tiff(
        [bytes(range(200)) * 3 + b"?" * (size - 600)] * 2,
        order=order,
        big=big,
        **{f"t{tag}": values for tag, values in (numbers | others | {347: list(range(tables))}).items()},
    )
    sizes = {256: (30,), 257: (20,), 259: (1,), 262: (1,), 273: (16, 16 + size), 277: (1,), 278: (20,), 279: (size, size)}

    judged = tiff_kind.judge(content, 600)
    assert (judged.width, judged.height, judged.orientation, judged.is_negative) == (30, 20, 6, False)
    (at,) = struct.unpack_from(f"{order}I", judged.content, 4)
    assert at % 2 == 0
    assert judged.content[8:at] == content[8:].ljust(at - 8, b"\0")
    assert judged.content[:4] == (b"II*\0" if order == "<" else b"MM\0*")
    kept = {tag: tuple(values) for tag, values in numbers.items()} | sizes | {347: tuple(range(tables))}
    assert read_tags(judged.content, range(2**16)) == kept
    (count,) = struct.unpack_from(f"{order}H", judged.content, at)
    entries = [struct.unpack_from(f"{order}HH", judged.content, at + 2 + 12 * entry) for entry in range(count)]
    assert entries == [(tag, 7 if tag == 347 else 4) for tag in sorted(kept)]
    assert judged.content[at + 2 + 12 * count :][:4] == bytes(4)


@pytest.mark.parametrize(("stated_turn", "turn"), [(0, 1), (1, 1), (8, 8), (9, 1)])
@pytest.mark.parametrize("photometric", [0, 1])
def test_a_turn_is_one_of_eight_and_white_may_be_the_least(stated_turn, turn, photometric):
    judged = tiff_kind.judge(tiff([bytes(600)], photometric=photometric, t274=[stated_turn]), 600)

    assert (judged.orientation, judged.is_negative) == (turn, photometric == 0)
    assert read_tags(judged.content, {262}) == {262: (1,)}
