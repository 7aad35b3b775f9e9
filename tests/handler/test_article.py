"""The article of a photo or a cut-out: exactly which pixels are shown, and how light, on small pictures of a few colours."""

import itertools

import numpy as np
import PIL.Image
import pytest

from handler import article
from handler.article import is_white, least, light_ground, show_article, show_cut_out


def plain(size, colour):
    return np.full((*size[::-1], len(colour)), colour, np.uint8)


def shown(pixels):
    return np.asarray(show_article(PIL.Image.fromarray(pixels)))


def corners_of(values, size=(28, 28), side=1):
    pixels = np.zeros(size[::-1], np.uint8)
    for value, (rows, columns) in zip(values, itertools.product((slice(side), slice(-side, None)), repeat=2), strict=True):
        pixels[rows, columns] = value
    return PIL.Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("values", "luma"),
    [
        ((255, 255, 255, 255), 255),
        ((128, 128, 128, 128), 128),
        ((127, 127, 127, 127), None),
        ((127, 127, 128, 128), None),
        ((128, 128, 129, 129), 128),
        ((200, 200, 200, 0), 200),
        ((0, 200, 210, 220), 205),
        ((255, 255, 0, 0), None),
        ((100, 140, 140, 180), 140),
        ((99, 140, 140, 180), 140),
        ((100, 140, 140, 181), 140),
        ((99, 140, 140, 181), None),
        ((140, 180, 180, 255), 180),
        ((139, 180, 180, 255), None),
    ],
)
def test_a_light_ground_is_the_middle_of_the_corners_if_three_of_them_agree(values, luma):
    for order in itertools.permutations(values):
        assert light_ground(corners_of(order)) == luma
        assert light_ground(corners_of(order, (128, 96), 3)) == luma


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (31, 40), (63, 100), (100, 63)])
def test_the_corners_of_a_small_picture_are_single_pixels(size):
    assert light_ground(corners_of((250, 250, 250, 250), size)) == 250


def test_the_corners_of_a_larger_picture_are_averaged():
    """Of 64 and more pixels a side, a square of two and more."""
    pixels = np.zeros((64, 95), np.uint8)
    for rows, columns in itertools.product((slice(2), slice(-2, None)), repeat=2):
        pixels[rows, columns] = [[190, 200], [202, 208]]

    assert light_ground(PIL.Image.fromarray(pixels)) == 200


def test_white_is_a_luma_of_243_and_more():
    assert [luma for luma in range(256) if is_white(luma)] == list(range(243, 256))


def test_the_least_value_is_that_of_the_darkest_pixel():
    for values in ([0, 255], [7, 9], [255, 255]):
        assert least(PIL.Image.fromarray(np.array([values], np.uint8))) == min(values)


# --- photos -------------------------------------------------------------------------------------------------------------------

BOX = slice(10, 30), slice(12, 26)


@pytest.mark.parametrize(
    ("ground", "colour"),
    [
        ((200, 100, 50), (100, 50, 25)),
        ((255, 255, 255), (40, 60, 90)),
        ((255, 255, 255), (242, 255, 255)),
        ((250, 10, 10), (20, 10, 10)),
        ((40, 38, 42), (200, 180, 160)),
        ((0, 0, 0), (0, 13, 0)),
        ((10, 200, 10), (10, 255, 10)),
        ((1, 1, 1), (0, 0, 30)),
        ((255, 255, 254), (255, 240, 255)),
    ],
)
def test_an_article_is_its_difference_from_the_ground_stretched_as_far_as_the_ground_leaves_room(ground, colour):
    pixels = plain((40, 40), ground)
    pixels[BOX] = colour
    luma = PIL.Image.new("RGB", (1, 1), ground).convert("L").getpixel((0, 0))
    is_darker = sum(ground) >= sum(colour)
    differences = [max(0, g - c if is_darker else c - g) for g, c in zip(ground, colour, strict=True)]
    factor = 255 / max(1, luma if is_darker else 255 - luma)

    expected = plain((14, 20), [min(255, round(difference * factor)) for difference in differences])
    assert np.array_equal(shown(pixels), expected)


@pytest.mark.parametrize("channel", range(3))
@pytest.mark.parametrize("sign", [1, -1])
def test_an_article_differs_by_more_than_twelve_in_any_channel(channel, sign):
    pixels = plain((40, 40), (100, 100, 100))
    pixels[(*BOX, channel)] = 100 + 12 * sign
    assert np.array_equal(shown(pixels), np.zeros((40, 40, 3)))
    pixels[(*BOX, channel)] = 100 + 13 * sign
    assert shown(pixels).shape == (20, 14, 3)


def test_of_a_darker_and_a_lighter_half_the_one_with_more_difference_is_shown_and_the_darker_of_equals():
    for more, expected in [(0, [127, 0]), (1, [0, 84])]:
        pixels = plain((40, 40), (100, 100, 100))
        pixels[10:30, 10:20], pixels[10:30, 20:30] = 50, 150 + more

        found = shown(pixels)
        assert found.shape == (20, 20, 3)
        assert [int(np.median(found[:, :10])), int(np.median(found[:, 10:]))] == expected


def test_what_lies_beside_the_article_is_black_and_its_own_outline_is_not():
    """A speck in the bend of an L, and a pixel next to the article that is nearly ground."""
    pixels = plain((60, 60), (255, 255, 255))
    pixels[10:50, 10:20] = pixels[40:50, 10:50] = 0
    pixels[15:17, 40:42] = 0
    pixels[20, 20] = pixels[20, 22] = 245

    found = shown(pixels)[:, :, 0].copy()
    assert found.shape == (40, 40)
    assert (found[:, :10] == 255).all()
    assert (found[30:] == 255).all()
    assert found[10, 10] == 10
    found[10, 10] = 0
    assert not found[:30, 10:].any()


@pytest.mark.parametrize(("width", "is_even"), [(24, True), (25, False)])
def test_a_ground_is_even_while_at_most_three_tenths_of_the_border_differ(width, is_even):
    """Of a border of 160 pixels, 24 above and as many or one more below; else what is faint is ground."""
    pixels = plain((40, 40), (200, 200, 200))
    pixels[:10, 8:32] = pixels[-10:, 8 : 8 + width] = 20
    pixels[15:25, 15:25] = 160
    rows = shown(pixels)[:, 5, 0] > 0
    faint = shown(pixels)[19, 10, 0]

    assert len(rows) == 40
    assert (faint > 0) == is_even


@pytest.mark.parametrize(("side", "difference", "width"), [(111, 36, 1), (112, 36, 0), (111, 39, 1), (112, 39, 3)])
def test_from_112_pixels_a_side_each_is_averaged_with_its_neighbours(side, difference, width):
    """A line of one pixel is a third as strong, and three pixels wide."""
    pixels = plain((side, side + 9), (200, 200, 200))
    pixels[:, 50] = 200 - difference

    assert shown(pixels).shape == ((side + 9, width, 3) if width else (side + 9, side, 3))


@pytest.mark.parametrize("corner", [*itertools.product((slice(2), slice(-2, None)), repeat=2)])
def test_a_corner_that_differs_by_more_than_forty_is_no_ground(corner):
    """By forty, light falls off towards it, and what differs is large."""
    pixels = plain((64, 64), (200, 200, 200))
    pixels[corner] = (200, 159, 200)
    assert shown(pixels).shape == (2, 2, 3)
    pixels[corner] = (200, 160, 200)
    assert min(shown(pixels).shape[:2]) > 20


def test_if_two_corners_are_covered_the_border_is_the_ground():
    pixels = plain((64, 64), (200, 200, 200))
    pixels[:2, :2] = pixels[-2:, -2:] = 60
    pixels[20:40, 20:40] = 100

    found = shown(pixels)
    assert found.shape == (20, 20, 3)
    assert np.unique(found).tolist() == [127]


def test_the_ground_is_interpolated_between_the_middles_of_the_corners():
    pixels = np.repeat(np.linspace(180, 220, 41)[None, :, None], 41, axis=0).repeat(3, axis=2).round().astype(np.uint8)
    pixels[15:25, 18:23] -= 100

    found = shown(pixels)
    assert found.shape == (10, 5, 3)
    assert np.abs(found.astype(int) - round(100 * 255 / 200)).max() <= 2


@pytest.mark.parametrize("seed", range(30))
def test_otsu_s_threshold_makes_the_variance_between_two_classes_the_largest(seed):
    rng = np.random.default_rng(seed)
    histogram = (rng.integers(0, 50, 256) * (rng.random(256) < rng.choice([0.02, 0.1, 1]))).tolist()
    histogram[rng.integers(256)] += 1
    values = np.repeat(np.arange(256), histogram)

    def between(threshold):
        below, above = values[values <= threshold], values[values > threshold]
        return len(below) * len(above) * (below.mean() - above.mean()) ** 2 if len(below) and len(above) else 0.0

    found = article._otsu(histogram)
    assert between(found) == pytest.approx(max(map(between, range(256))))
    assert all(between(lower) < between(found) or between(found) == 0 for lower in range(found))


# --- cut-outs -----------------------------------------------------------------------------------------------------------------


def cut_out(size=(20, 20), box=(slice(4, 16), slice(5, 15)), luma=0, alpha=255, around=0):
    pixels = plain(size, (0, 0, 0, around))
    pixels[box] = (luma, luma, luma, alpha)
    return pixels


def laid_out(pixels):
    return np.asarray(show_cut_out(PIL.Image.fromarray(pixels)))[:, :, 0].astype(int)


@pytest.mark.parametrize(
    ("luma", "value"), [(0, 255), (50, 205), (55, 200), (100, 200), (230, 200), (250, 200), (251, 251), (255, 255)]
)
def test_a_cut_out_of_one_luma_is_negated_and_at_least_200_unless_it_is_nearly_white(luma, value):
    expected = np.zeros((20, 20), int)
    expected[4:16, 5:15] = value

    assert np.array_equal(laid_out(cut_out(luma=luma)), expected)


@pytest.mark.parametrize(("inner", "is_light"), [(108, False), (109, True)])
@pytest.mark.parametrize("side", [1, 2, 3])
def test_a_cut_out_is_light_if_it_is_lighter_by_more_than_eight_inside_than_at_its_rim(inner, is_light, side):
    """The rim is one pixel wide where the longer side has 32 pixels."""
    pixels = cut_out((32, 20), luma=100)
    pixels[5:15, 6:14, :3] = inner
    found = laid_out(pixels.repeat(side, axis=0).repeat(side, axis=1))[::side, ::side]

    negated = [round(155 * 200 / 155), round((255 - inner) * 200 / 155)]
    assert [found[4, 5], found[9, 9]] == ([100, inner] if is_light else negated)


@pytest.mark.parametrize(("rim", "is_light"), [(46, True), (45, False)])
def test_a_cut_out_darker_than_64_on_average_is_dark(rim, is_light):
    """Its rim has 40 pixels, and 80 are inside."""
    pixels = cut_out(luma=rim)
    pixels[5:15, 6:14, :3] = 73

    assert (pixels[pixels[:, :, 3] > 0][:, 0].mean() >= 64) == is_light
    assert laid_out(pixels)[9, 9] == (73 if is_light else 182)


@pytest.mark.parametrize("box", [(slice(9, 10), slice(2, 18)), (slice(2, 18), slice(9, 10)), (slice(9, 11), slice(2, 18))])
def test_a_cut_out_without_an_inside_is_negated(box):
    pixels = cut_out(box=box, luma=100)
    pixels[6:14, 6:14, :3] = 200

    assert laid_out(pixels)[9, 9] == round((255 - 200) * 200 / 155)


@pytest.mark.parametrize("side", range(4))
def test_what_lacks_a_neighbour_at_one_side_is_rim(side):
    """A light line through the middle, open to one side at a time."""
    pixels = cut_out((21, 21), (slice(4, 17), slice(4, 17)), 100)
    pixels[4:10, 8:13, 3] = 0
    pixels[10, 8:13, :3] = 255  # five pixels of the rim, whose inside is as dark as the others

    turned = np.rot90(pixels, side)
    assert np.rot90(laid_out(turned), -side)[10, 10] == 0


@pytest.mark.parametrize(("alpha", "is_seen"), [(12, False), (13, True)])
def test_alpha_above_twelve_covers(alpha, is_seen):
    """What nothing covers is laid on black; a cut-out of black is laid on white, and negated."""
    found = laid_out(cut_out(luma=0, alpha=alpha))

    assert found.max() == (((255 - 242) * 1) if is_seen else 0)


@pytest.mark.parametrize(("alpha", "size"), [(12, (20, 20)), (13, (10, 12))])
def test_an_article_is_trimmed_to_what_alpha_above_twelve_covers(alpha, size):
    picture = PIL.Image.fromarray(cut_out(alpha=alpha))

    assert show_article(picture).size == size


@pytest.mark.parametrize(("alpha", "shape"), [(127, (50, 50, 3)), (128, (20, 20, 3))])
def test_a_rectangle_that_is_solid_is_a_photo_and_one_that_is_not_is_a_cut_out(alpha, shape):
    """A darker square on a ground of its own, in transparent margins."""
    pixels = cut_out((60, 60), (slice(5, 55), slice(5, 55)), 100)
    pixels[20:40, 20:40, :3] = 39
    pixels[5, 5, 3] = alpha

    assert shown(pixels).shape == shape


def test_a_solid_rectangle_of_one_colour_is_a_cut_out_if_it_has_margins_and_nothing_if_it_has_none():
    pixels = cut_out(luma=100)

    assert np.array_equal(shown(pixels), plain((10, 12), (200, 200, 200)))
    assert np.array_equal(shown(pixels[4:16, 5:15]), plain((10, 12), (0, 0, 0)))
