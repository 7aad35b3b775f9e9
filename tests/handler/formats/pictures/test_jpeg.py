"""JPEG: damaged metadata neither reject a photo nor change it; a large photo is decoded at a fraction of its size."""

import io
import struct

import numpy as np
import PIL.Image
import PIL.ImageFilter
import PIL.JpegImagePlugin
import pytest

from handler.errors import ObjectTooLarge, UnreadableImage
from handler.formats.picture import picture_size, read_picture
from handler.formats.pictures import jpeg
from tests.handler.formats.samples import saved

PICTURE = PIL.Image.fromarray(np.random.default_rng(5).integers(0, 256, (20, 30, 3), np.uint8))
PHOTO = saved(PICTURE, "JPEG", quality=95)
PIXELS = np.asarray(PIL.Image.open(io.BytesIO(PHOTO)))


def segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def tiff(*entries, order="<"):
    """A TIFF block of entries: tag, type, count, and four bytes of a value."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    return head + b"".join(struct.pack(f"{order}HHI", *entry[:3]) + entry[3] for entry in entries) + bytes(4)


def with_segments(*extra):
    return PHOTO[:2] + b"".join(extra) + PHOTO[2:]


TURNED = (0x112, 3, 1, struct.pack("<I", 3))
EXIF = b"Exif\0\0"
METADATA = {
    "EXIF of noise": segment(0xE1, EXIF + bytes(range(200))),
    "EXIF that is empty": segment(0xE1, EXIF),
    "EXIF whose directory is outside": segment(0xE1, EXIF + b"II*\0\xff\xff\xff\x7f"),
    "EXIF whose directory is itself": segment(0xE1, EXIF + b"II*\0\0\0\0\0"),
    "EXIF of 65,535 tags": segment(0xE1, EXIF + b"II*\0\x08\0\0\0\xff\xff"),
    "EXIF with an orientation of 0": segment(0xE1, EXIF + tiff((0x112, 3, 1, bytes(4)))),
    "EXIF with an orientation of 99": segment(0xE1, EXIF + tiff((0x112, 3, 1, struct.pack("<I", 99)))),
    "EXIF with an orientation as text": segment(0xE1, EXIF + tiff((0x112, 2, 4, b"six\0"))),
    "EXIF with an orientation of four billion values": segment(0xE1, EXIF + tiff((0x112, 3, 2**32 - 1, bytes(4)))),
    "EXIF without a resolution's divisor": segment(0xE1, EXIF + tiff((0x11A, 5, 1, bytes(4)), (0x128, 3, 1, bytes(4)))),
    "EXIF with a resolution as text": segment(0xE1, EXIF + tiff((0x11A, 2, 4, b"abc\0"), (0x128, 2, 4, b"abc\0"))),
    "XMP of noise": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0\xff\xfe<x:xmpmeta"),
    "JFIF that is short": segment(0xE0, b"JFIF"),
    "Adobe that is short": segment(0xEE, b"Adobe"),
    "Photoshop that is cut": segment(0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\0\0"),
    "Photoshop of one byte": segment(0xED, b"Photoshop 3.0\x008BIM\x03"),
    "an ICC profile in pieces, one missing": segment(0xE2, b"ICC_PROFILE\0\2\3" + bytes(99)),
    "an ICC profile without a number": segment(0xE2, b"ICC_PROFILE\0"),
    "MPF of noise": segment(0xE2, b"MPF\0" + bytes(range(99))),
    "MPF of an unknown kind": segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\0\1\xb0\1\0\4\0\0\0\1\0\0\0\2\0\0\0\0"),
    "FlashPix": segment(0xE2, b"FPXR\0"),
    "comments of 30 MB": segment(0xFE, bytes(65_533)) * 460,
}


@pytest.mark.parametrize("kind", METADATA)
def test_damaged_metadata_change_nothing(kind):
    assert np.array_equal(np.asarray(read_picture(with_segments(METADATA[kind]))), PIXELS)


@pytest.mark.parametrize("order", "<>")
def test_a_tag_of_a_wrong_type_beside_the_orientation_changes_nothing(order):
    software = (0x131, 5, 1, struct.pack(f"{order}I", 38))
    turned = (0x112, 3, 1, struct.pack(f"{order}HH", 3, 0))

    found = read_picture(with_segments(segment(0xE1, EXIF + tiff(turned, software, order=order))))
    assert np.array_equal(np.asarray(found), PIXELS[::-1, ::-1])


@pytest.mark.parametrize("number", range(1, 9))
def test_a_photo_is_turned_as_pillow_turns_it(number):
    exif = PIL.Image.Exif()
    exif[0x112] = number
    content = saved(PICTURE, "JPEG", quality=95, exif=exif)

    expected = PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(content)))
    assert np.array_equal(np.asarray(read_picture(content)), np.asarray(expected))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_photo_below_the_old_limit_keeps_every_pixel(mode, progressive):
    content = saved(PICTURE.convert(mode), "JPEG", progressive=progressive, exif=EXIF + tiff(TURNED))

    expected = np.asarray(PIL.Image.open(io.BytesIO(content)))[::-1, ::-1]
    assert np.array_equal(np.asarray(read_picture(content)), expected)


def test_the_segment_that_decides_the_colours_is_kept():
    """Without it, these three channels would be taken for YCbCr."""
    content = saved(PICTURE, "JPEG", keep_rgb=True)
    content = content[:2] + METADATA["EXIF of noise"] + content[2:]

    assert b"Adobe" in content
    assert np.abs(np.asarray(read_picture(content)).astype(int) - np.asarray(PICTURE)).mean() < 30


def test_a_photo_of_24_megapixels_is_decoded_at_half_its_size():
    content = saved(PICTURE.resize((5712, 4284)), "JPEG")

    found = read_picture(content, 2**26)
    assert (found.size, picture_size(content, 2**26)) == ((2856, 2142), (5712, 4284))
    whole = PIL.Image.open(io.BytesIO(content)).resize((119, 89), PIL.Image.Resampling.BOX)
    small = found.resize((119, 89), PIL.Image.Resampling.BOX)
    assert np.abs(np.asarray(whole).astype(int) - np.asarray(small)).mean() < 1


def test_a_photo_of_the_old_limit_is_decoded_whole():
    content = saved(PIL.Image.new("L", (4096, 4096), 90), "JPEG")

    assert read_picture(content, 2**26).size == (4096, 4096)


def test_a_turned_photo_of_24_megapixels_is_upright():
    exif = PIL.Image.Exif()
    exif[0x112] = 6
    content = saved(PICTURE.resize((6000, 4000)), "JPEG", exif=exif)

    assert read_picture(content, 2**26).size == (2000, 3000)


@pytest.mark.parametrize("sizes", [(0, 0), (0, 9), (9, 0)])
def test_a_photo_without_a_size_is_refused(sizes):
    at = PHOTO.index(b"\xff\xc0") + 5
    with pytest.raises(UnreadableImage):
        read_picture(PHOTO[:at] + struct.pack(">HH", *sizes) + PHOTO[at + 4 :])


def test_a_photo_of_more_pixels_than_the_limit_is_refused_before_a_decoder_is_made(monkeypatch):
    at = PHOTO.index(b"\xff\xc0") + 5
    monkeypatch.setattr(PIL.JpegImagePlugin, "JpegImageFile", pytest.fail)
    with pytest.raises(ObjectTooLarge, match=r"at most 67108864 pixels \(MAX_IMAGE_PIXELS\). Received: 60000x60000; scale"):
        read_picture(PHOTO[:at] + struct.pack(">HH", 60_000, 60_000) + PHOTO[at + 4 :], 2**26)


FRAME = segment(0xC0, struct.pack(">BHH", 8, 20, 30) + b"\1")
SCAN = segment(0xDA, b"\1")


def of(*segments, end=b"\xff\xd9"):
    return b"\xff\xd8" + b"".join(segments) + end


def test_a_hundred_scans_and_a_thousand_other_segments_are_read_and_one_more_is_refused():
    comment = segment(0xFE, b"")

    assert picture_size(of(FRAME, comment * 999, SCAN * 100)) == (30, 20)
    for content in (
        of(FRAME, comment * 1000, SCAN),
        of(FRAME, SCAN * 101),
        of(comment * 1000, FRAME),
        of(FRAME, SCAN, comment * 1000),
    ):
        with pytest.raises(UnreadableImage, match="at most 100 scans and 1000 other segments"):
            picture_size(content)


def test_what_follows_the_end_of_the_image_does_not_count():
    assert picture_size(of(FRAME, SCAN * 100) + SCAN + FRAME * 2000) == (30, 20)


@pytest.mark.parametrize("marker", range(0xC0, 0xD0))
def test_the_size_is_that_of_the_last_frame_before_the_pixels(marker):
    first, other = (segment(mark, struct.pack(">BHHB", 8, *size, 1)) for mark, size in ((0xC2, (3, 4)), (marker, (5, 6))))
    is_frame = marker not in {0xC4, 0xC8, 0xCC}

    assert picture_size(of(first, other, SCAN)) == ((6, 5) if is_frame else (4, 3))
    assert picture_size(of(other, first, SCAN, other)) == (4, 3)
    if not is_frame:
        with pytest.raises(UnreadableImage, match="Expected a JPEG that states its size"):
            picture_size(of(other, SCAN))


def test_a_frame_that_is_too_short_for_a_size_is_refused():
    assert picture_size(of(segment(0xC0, struct.pack(">BHHB", 8, 20, 30, 1)), SCAN)) == (30, 20)
    for short in (segment(0xC0, struct.pack(">BHH", 8, 20, 30)), segment(0xC0, b""), b"\xff\xc0\0\1"):
        with pytest.raises(UnreadableImage, match="Expected a JPEG that states its size"):
            picture_size(of(FRAME, short, SCAN))


def test_metadata_before_the_pixels_are_left_out_and_those_that_decide_the_colours_are_kept():
    kept = [segment(0xE0, b"JFIF\0" + bytes(9)), segment(0xEE, b"Adobe" + bytes(7)), segment(0xDB, b"?"), FRAME]
    dropped = [segment(marker, b"x" * 20) for marker in (*range(0xE0, 0xF0), 0xFE)]
    dropped += [segment(0xE0, b"JFIF\0" + bytes(8)), segment(0xEE, b"Adobe" + bytes(6)), segment(0xE1, b"JFIF\0" + bytes(9))]
    behind = [SCAN, b"data\xff\0\xff\xd0\xff\xd7", *dropped, SCAN]

    mixed = [part for pair in zip(dropped, kept * 5, strict=False) for part in pair][: 2 * len(kept)]
    content = of(*mixed, *dropped, *behind)
    assert jpeg.judge(content, 600).content == of(*kept, *behind)
    assert jpeg.judge(of(*kept, *behind), 600).content == of(*kept, *behind)


XMP = b"http://ns.adobe.com/xap/1.0/\0tiff:Orientation="


@pytest.mark.parametrize(
    ("segments", "orientation"),
    [
        ([segment(0xE1, EXIF + tiff(TURNED))], 3),
        ([segment(0xEF, EXIF + tiff(TURNED))], 3),
        ([segment(0xE1, XMP + b'"6"')], 6),
        ([segment(0xE1, XMP + b'"6"'), segment(0xE1, EXIF + tiff(TURNED))], 3),
        ([segment(0xE1, EXIF), segment(0xE1, EXIF + tiff(TURNED))], 1),
        ([segment(0xE1, XMP + b'"6"'), segment(0xE1, XMP + b'"8"')], 6),
        ([FRAME, SCAN, segment(0xE1, EXIF + tiff(TURNED))], 1),
    ],
)
def test_the_first_block_of_its_name_before_the_pixels_says_how_a_photo_is_turned(segments, orientation):
    assert jpeg.judge(of(*segments, FRAME, SCAN), 600).orientation == orientation
