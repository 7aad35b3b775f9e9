"""AVIF: the main picture, whose size is judged in the header and in the data that the decoder allocates for."""

import struct
from pathlib import Path

import numpy as np
import PIL.features
import PIL.Image
import pytest

from handler.errors import ObjectTooLarge, UnreadableImage
from handler.formats.picture import kind, read_picture
from handler.formats.pictures.av1 import stated_sizes
from handler.formats.pictures.items import items_of
from tests.handler.formats.samples import saved

COLOURS = np.zeros((48, 64, 3), np.uint8)
COLOURS[:24], COLOURS[24:, :32] = (230, 200, 20), (20, 60, 200)
PICTURE = PIL.Image.fromarray(COLOURS)


def avif(picture=PICTURE, **options):
    return saved(picture, "AVIF", **{"speed": 10, "quality": 90} | options)


def test_the_decoder_is_there():
    """In the wheel that the requirements pin."""
    assert PIL.features.check("avif")


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_an_avif_is_nearly_the_picture_it_was_made_of(mode):
    picture = PICTURE.convert(mode)

    found = read_picture(avif(picture)).convert("RGB")
    assert np.abs(np.asarray(found).astype(int) - np.asarray(picture.convert("RGB"))).mean() < 3


def test_an_alpha_channel_is_transparency():
    picture = PICTURE.convert("RGBA")
    picture.putalpha(PIL.Image.new("L", picture.size, 0))

    found = read_picture(avif(picture))
    assert (found.mode, found.getchannel("A").getextrema()) == ("RGBA", (0, 0))


@pytest.mark.parametrize("number", range(1, 9))
def test_an_avif_is_turned_upright(number):
    exif = PIL.Image.Exif()
    exif[0x112] = number
    expected, found = read_picture(saved(PICTURE, "PNG", exif=exif)), read_picture(avif(exif=exif))  # which changes it

    assert np.abs(np.asarray(found).astype(int) - np.asarray(expected)).mean() < 3


@pytest.mark.parametrize("damage", [lambda exif: bytes(len(exif)), lambda exif: b"?" * len(exif), lambda exif: exif])
def test_damaged_metadata_change_nothing(damage):
    exif = b"II*\0\x08\0\0\0\1\0\x31\1\2\0\4\0\0\0abc\0\0\0\0\0"
    content = avif(exif=exif, xmp=b"\xff\xfe", icc_profile=b"?" * 200).replace(exif, damage(exif))

    assert len(content) > len(avif()) + 200
    assert np.array_equal(np.asarray(read_picture(content)), np.asarray(read_picture(avif())))


def test_a_film_counts_as_its_main_picture():
    content = avif(save_all=True, append_images=[PICTURE.rotate(180)])

    assert (kind(content), content[8:12]) == ("avif", b"avis")
    assert np.abs(np.asarray(read_picture(content)).astype(int) - COLOURS).mean() < 3


def test_a_film_of_another_size_changes_nothing():
    """A decoder that is given a file of the brand `avis` would decode the film."""
    content = avif(save_all=True, append_images=[PICTURE])
    end = content.index(b"tkhd") + 100  # of the track's header, which ends with its size in units of 1/65536 pixels
    assert content[end - 8 : end] == struct.pack(">HHHH", 64, 0, 48, 0)

    found = read_picture(content[: end - 8] + struct.pack(">HHHH", 32, 0, 24, 0) + content[end:])
    assert np.array_equal(np.asarray(found), np.asarray(read_picture(content)))


def test_a_header_of_countless_pixels_is_refused():
    content = avif()
    at = content.index(b"ispe") + 8
    with pytest.raises((ObjectTooLarge, UnreadableImage)):
        read_picture(content[:at] + struct.pack(">II", 60_000, 60_000) + content[at + 8 :], 2**26)


def test_data_of_more_pixels_than_the_header_states_are_refused_before_they_are_decoded():
    """The decoder would allocate for the data, and then make them as small as the header says."""
    content = avif(PIL.Image.new("RGB", (2000, 1000)))
    at = content.index(b"ispe") + 8
    with pytest.raises(ObjectTooLarge, match="Received: 2000x1000"):
        read_picture(content[:at] + struct.pack(">II", 100, 50) + content[at + 8 :], 10**6)


@pytest.mark.parametrize("size", [(64, 48), (1, 1), (257, 511), (1920, 1080)])
@pytest.mark.parametrize("frames", [1, 2])
def test_the_sizes_that_av1_data_state_are_read(size, frames):
    picture = PIL.Image.new("RGB", size)
    content = avif(picture, save_all=frames > 1, append_images=[picture] * (frames - 1))

    ((width, height, frame_pixels),) = stated_sizes(items_of(content, b"av01"))
    assert (width, height) == size
    assert width * height <= frame_pixels <= 4 * width * height


@pytest.mark.parametrize("cut", [30, 100, 200, -1])
def test_an_avif_that_is_cut_is_refused(cut):
    with pytest.raises(UnreadableImage):
        read_picture(avif()[:cut])


def box(kind, *parts):
    data = b"".join(parts)
    return struct.pack(">I", 8 + len(data)) + kind + data


def of_items(extents, data, entries=None):
    """An AVIF of one item for each of `extents`: start and length."""
    listed = [box(b"infe", b"\2\0\0\0", struct.pack(">HH", number, 0), b"av01") for number in range(len(extents))]
    listed = listed if entries is None else listed[:1] * entries
    places = b"".join(struct.pack(">HHHII", number, 0, 1, *extent) for number, extent in enumerate(extents))
    kinds = box(b"iinf", bytes(4), struct.pack(">H", len(listed) % 65_536), *listed)
    locations = box(b"iloc", bytes(4), b"\x44\0", struct.pack(">H", len(extents)), places)
    return box(b"ftyp", b"avif\0\0\0\0avifmif1") + box(b"meta", bytes(4), kinds, locations) + box(b"mdat", data)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (of_items([(0, 10**6)] * 1000, bytes(10**6)), "parts have data of their own"),
        (of_items([(0, 10)] * 10_001, bytes(10), entries=1), "at most 10000 parts"),
        (of_items([(300, 30_000)], b"\x0a\0" * 20_000), "at most 10000 units"),
        (of_items([(0, 10)], bytes(10), entries=10_001), "at most 10000 boxes"),
    ],
    ids=["shared", "parts", "units", "boxes"],
)
def test_what_would_take_long_to_judge_is_refused(content, named):
    with pytest.raises(UnreadableImage, match=named):
        read_picture(content)


@pytest.mark.parametrize(("height_bits", "named"), [(13, "a whole AVIF"), (14, "an AVIF of one size")])
def test_frames_may_have_at_most_128_megapixels_that_the_header_does_not_state(height_bits, named):
    """A header of one pixel, whose frames may have a size of their own in 14 and so many bits, and no frame."""
    header = int("0" * 29 + "1101" + f"{height_bits - 1:04b}" + "0" * 35, 2).to_bytes(9, "big")
    with pytest.raises(UnreadableImage, match=named):
        read_picture(of_items([(len(of_items([(0, 0)], b"")), 11)], b"\x0a\x09" + header))


def test_an_avif_without_a_main_picture_is_refused():
    content = avif()
    with pytest.raises(UnreadableImage, match="main picture"):
        read_picture(content.replace(b"meta", b"free", 1))


HEIC = Path(__file__).parent / "heic"


def test_a_container_of_either_kind_is_told_by_its_other_brands():
    assert kind(avif().replace(b"ftypavif", b"ftypmif1", 1)) == "avif"
    assert kind((HEIC / "upright.heic").read_bytes().replace(b"ftypheic", b"ftypmif1", 1)) == "heic"
    assert kind(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom") == ""
