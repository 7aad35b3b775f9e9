"""GIF: the first frame, at its place on the screen."""

import struct

import numpy as np
import PIL.Image
import pytest

from handler.errors import ObjectTooLarge, UnreadableImage
from handler.formats.picture import picture_size, read_picture
from handler.formats.pictures import gif as gif_kind
from tests.handler.formats.samples import saved

PIXELS = np.random.default_rng(5).integers(0, 256, (20, 30), np.uint8)
PICTURE = PIL.Image.fromarray(PIXELS)


def gif(screen, box, transparent=None, before=b"", picture=PICTURE):
    """A GIF of one frame at `box` (left, top) of a screen, of the data that Pillow compresses."""
    content = saved(picture, "GIF")
    frame = content.index(b",", 13 + 768)
    control = b"" if transparent is None else b"!\xf9\4\1\0\0" + bytes([transparent]) + b"\0"
    head = content[:6] + struct.pack("<HH", *screen) + content[10:13] + content[13 : 13 + 768]
    return head + before + control + b"," + struct.pack("<HH", *box) + content[frame + 5 :]


@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_a_gif_is_the_picture_it_was_made_of(mode, interlace):
    picture = PICTURE.convert("RGB").quantize(64) if mode == "P" else PICTURE.convert(mode)

    found = read_picture(saved(picture, "GIF", interlace=interlace)).convert("RGB")
    assert np.array_equal(np.asarray(found), np.asarray(picture.convert("RGB")))


def test_an_animation_counts_as_its_first_frame():
    found = read_picture(saved(PICTURE, "GIF", save_all=True, append_images=[PICTURE.rotate(180)], disposal=2))

    assert np.array_equal(np.asarray(found.convert("L")), PIXELS)


def test_a_transparent_colour_is_transparent():
    found = read_picture(gif((30, 20), (0, 0), transparent=7)).convert("RGBA")

    assert np.array_equal(np.asarray(found)[:, :, 3] == 0, PIXELS == 7)


@pytest.mark.parametrize("transparent", [None, 7])
def test_what_the_first_frame_leaves_uncovered_is_transparent(transparent):
    found = np.asarray(read_picture(gif((50, 40), (15, 10), transparent)))

    assert found.shape == (40, 50, 4)
    inside = found[10:30, 15:45]
    assert np.array_equal(inside[:, :, 0][inside[:, :, 3] > 0], PIXELS[inside[:, :, 3] > 0])
    assert (inside[:, :, 3] > 0).all() == (transparent is None)
    assert found[:, :, 3].sum() == inside[:, :, 3].sum()


def test_a_frame_outside_of_the_screen_enlarges_the_screen():
    found = np.asarray(read_picture(gif((5, 5), (15, 10))))

    assert found.shape == (30, 45, 4)
    assert np.array_equal(found[10:, 15:, 0], PIXELS)


@pytest.mark.parametrize(("screen", "box"), [((60_000, 60_000), (0, 0)), ((30, 20), (60_000, 60_000))])
def test_a_screen_of_countless_pixels_is_refused(screen, box):
    with pytest.raises(ObjectTooLarge, match="MAX_IMAGE_PIXELS"):
        read_picture(gif(screen, box), 2**26)


def test_comments_and_other_extensions_are_passed_over():
    comment = b"!\xfe" + b"\xff" + bytes(255) + b"\3abc" + b"\0"
    application = b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0"
    odd = b"!\x01\1?\0"

    found = read_picture(gif((30, 20), (0, 0), before=comment + application + odd))
    assert np.array_equal(np.asarray(found.convert("L")), PIXELS)


@pytest.mark.parametrize("before", [b"!\xfe\1?\0" * 10_001, b"!\xfe" + b"\1?" * 20_001 + b"\0", b"!\xfe\0" * 20_001])
def test_a_gif_of_countless_blocks_is_refused(before):
    with pytest.raises(UnreadableImage, match="at most 20000 blocks"):
        read_picture(gif((30, 20), (0, 0), before=before))


def test_a_gif_cut_within_its_pixels_is_refused():
    content = saved(PICTURE, "GIF")
    for length in range(6, len(content) - 3, 7):
        with pytest.raises(UnreadableImage):
            read_picture(content[:length])


def frame(screen=(9, 8), place=(0, 0), size=(9, 8), *, before=b"", table=b"", flags=0):
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, flags, 0, 0) + table
    return head + before + b"," + struct.pack("<HHHHB", *place, *size, 0)


@pytest.mark.parametrize(
    ("screen", "place", "size", "expected"),
    [
        ((9, 8), (0, 0), (9, 8), (9, 8)),
        ((9, 8), (2, 3), (7, 5), (9, 8)),
        ((9, 8), (3, 4), (7, 5), (10, 9)),
        ((0, 0), (0, 0), (1, 1), (1, 1)),
        ((60_000, 3), (0, 40_000), (1, 25_000), (60_000, 65_000)),
    ],
)
def test_the_size_is_that_of_the_screen_and_of_what_lies_outside_of_it(screen, place, size, expected):
    assert picture_size(frame(screen, place, size), 2**32) == expected
    with pytest.raises(ObjectTooLarge):
        picture_size(frame(screen, place, size), expected[0] * expected[1] - 1)


def test_the_first_frame_itself_has_pixels():
    for size in ((0, 8), (9, 0)):
        with pytest.raises(UnreadableImage, match="at least 1x1 pixels"):
            picture_size(frame(size=size))


def extension(label, *blocks):
    return b"!" + label + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


CONTROL = extension(b"\xf9", b"\1\0\0\7")


@pytest.mark.parametrize("colours", range(8))
def test_only_the_control_block_is_kept_before_the_first_frame(colours):
    """The last one, if there are several, and the table of colours, if there is one."""
    other = extension(b"\xfe", b"comment", b"!" * 255) + extension(b"\x01") + extension(b"\xff", b"NETSCAPE2.0", b"\1\0\0")
    for flags, table in [(0x80 | colours, b"," * (3 * 2 ** (colours + 1))), (colours, b"")]:
        of = {"flags": flags, "table": table}
        for before, kept in [
            (b"", b""),
            (other, b""),
            (other + extension(b"\xf9", bytes(4)) + other + CONTROL + other, CONTROL),
        ]:
            assert gif_kind.judge(frame(before=before, **of) + b"rest", 72).content == frame(before=kept, **of) + b"rest"


def test_a_frame_that_is_cut_or_a_control_block_of_another_length_is_refused():
    content = frame(before=CONTROL)
    assert picture_size(content) == (9, 8)
    for length in range(6, len(content)):
        with pytest.raises(UnreadableImage):
            picture_size(content[:length])
    for control in (extension(b"\xf9", bytes(3)), extension(b"\xf9", bytes(5)), extension(b"\xf9"), CONTROL + b";"):
        with pytest.raises(UnreadableImage, match="Expected a GIF with a picture in it"):
            picture_size(frame(before=control))


@pytest.mark.parametrize("blocks", [[b""] * 20_000, [b"x" * 19_999], [b"x" * 9_999] * 2, [b"", b"x" * 19_998]])
def test_twenty_thousand_blocks_are_read_before_the_picture_and_one_more_is_refused(blocks):
    """Extensions and their parts count alike."""
    extensions = b"".join(b"!\xfe" + b"\1x" * len(parts) + b"\0" for parts in blocks)

    assert picture_size(frame(before=extensions)) == (9, 8)
    with pytest.raises(UnreadableImage, match="at most 20000 blocks"):
        picture_size(frame(before=extensions + b"!\xfe\0"))
    with pytest.raises(UnreadableImage, match="at most 20000 blocks"):
        picture_size(frame(before=extensions[:-1] + b"\1x\0"))
