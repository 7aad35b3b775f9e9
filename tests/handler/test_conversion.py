"""The way of `fashion-mnist`: photos become what the data set's own photos became. `contain` is tested with the pictures."""

import dataclasses
import io
import itertools

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageOps
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handler.contract import Conversion, PixelShape
from handler.conversion import convert
from handler.formats import decode
from handler.model import BUNDLED_ARTIFACT, directory_reader, load_model
from tests.handler.formats.samples import saved

GREY, RGB = PixelShape(height=28, width=28, channels=1), PixelShape(height=28, width=28, channels=3)
FASHION = Conversion(fit="fashion-mnist")
WHITE, BLACK, OFF_WHITE = (255, 255, 255), (0, 0, 0), (244, 241, 236)


def photo(pixels, ground=WHITE):
    """A sample image of 28x28 as a photo: 8 times as large, on a ground from which its intensity leads to the far end."""
    large = PIL.Image.fromarray(pixels[:, :, 0]).resize((224, 224), PIL.Image.Resampling.BICUBIC)
    strength = PIL.ImageOps.expand(large, 50)
    far = 0 if sum(ground) > 3 * 128 else 255
    return PIL.Image.merge("RGB", [strength.point([g + (far - g) * v // 255 for v in range(256)]) for g in ground])


def card(size=(300, 400), ground=WHITE, colour=(40, 60, 90), box=(90, 80, 209, 319)):
    """A picture of an article that is a plain rectangle, 120x240 pixels large."""
    picture = PIL.Image.new("RGB", size, ground)
    PIL.ImageDraw.Draw(picture).rectangle(box, colour)
    return picture


def seen(picture, shape=GREY):
    return convert(picture, shape, FASHION)[:, :, 0].astype(int)


def is_card(pixels):
    """Whether these are a rectangle twice as high as wide, from top to bottom in the middle of black, give or take a pixel."""
    return bool((pixels[1:27, 7:21] > 100).all() and (pixels[:, :6] == 0).all() and (pixels[:, 22:] == 0).all())


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_grey_of_the_right_size_is_taken_as_it_is_however_it_is_stored(mode, sample_pixels):
    for pixels in sample_pixels:
        assert np.array_equal(convert(PIL.Image.fromarray(pixels[:, :, 0]).convert(mode), GREY, FASHION), pixels)


@pytest.mark.parametrize("ground", [WHITE, OFF_WHITE, (200, 200, 205), BLACK, (40, 38, 42)])
def test_a_photo_comes_back_close_to_the_image_it_was_made_of(ground, sample_pixels):
    differences = [np.abs(seen(photo(pixels, ground)) - pixels[:, :, 0]).mean() for pixels in sample_pixels]

    assert np.mean(differences) < 18  # 16 to 17 on these grounds; of the images among each other it is 72
    assert max(differences) < 60


@pytest.mark.parametrize("ground", [WHITE, OFF_WHITE, BLACK])
def test_a_photo_is_mostly_predicted_as_the_image_it_was_made_of(ground, sample_pixels):
    model = load_model(directory_reader(BUNDLED_ARTIFACT))
    photos = np.stack([convert(photo(pixels, ground), GREY, FASHION) for pixels in sample_pixels])

    same = model.classify(photos).probabilities.argmax(axis=1) == model.classify(sample_pixels).probabilities.argmax(axis=1)
    assert same.sum() >= 85


def test_a_dark_article_on_a_light_ground_is_negated():
    pixels = seen(card())

    assert is_card(pixels)
    assert pixels[14, 14] == pytest.approx(255 - 57, abs=2)  # 57 is the luma of its colour


def test_a_light_article_on_a_dark_ground_is_not_negated():
    pixels = seen(card(ground=BLACK, colour=(200, 180, 160)))

    assert is_card(pixels)
    assert pixels[14, 14] == pytest.approx(184, abs=2)


def test_a_small_picture_in_colour_goes_the_same_way():
    assert is_card(seen(card((28, 28), box=(10, 8, 17, 23))))


@pytest.mark.parametrize("size", [(8, 12), (27, 27), (60, 80), (1200, 900), (4000, 3000)])
def test_the_size_of_the_picture_does_not_matter(size):
    width, height = size
    side = max(height // 5, 2)

    assert is_card(seen(card(size, box=(width // 2 - side // 2, side, width // 2 - side // 2 + side - 1, 3 * side - 1))))


def test_light_that_falls_off_across_the_ground_is_ground():
    lit = np.asarray(card()) * np.linspace(1, 0.85, 400)[:, None, None]

    assert is_card(seen(PIL.Image.fromarray(lit.round().astype(np.uint8))))


@pytest.mark.parametrize("quality", [30, 60, 90])
def test_the_noise_of_jpeg_is_ground(quality):
    noisy = np.asarray(card(ground=OFF_WHITE)) + np.random.default_rng(0).normal(0, 4, (400, 300, 1))
    content = saved(PIL.Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), "JPEG", quality=quality)

    assert is_card(seen(PIL.Image.open(io.BytesIO(content))))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_a_cut_out_lies_on_white(mode):
    cut_out = card(ground=BLACK).convert("RGBA")
    mask = card(ground=BLACK, colour=WHITE).convert("L")
    cut_out.putalpha(mask)
    cut_out = cut_out.quantize(64).convert("PA") if mode == "PA" else cut_out.convert(mode)

    assert is_card(seen(cut_out))
    assert seen(cut_out)[14, 14] == pytest.approx(255 - 57, abs=8)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "I;16"])
def test_every_way_to_store_a_picture_shows_the_same(mode):
    grey = card(colour=BLACK).convert("L")
    picture = PIL.Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)

    assert is_card(seen(picture))


def test_a_photo_is_turned_upright_first():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    lying = card().rotate(90, expand=True)

    assert is_card(seen(PIL.Image.open(io.BytesIO(saved(lying, "JPEG", exif=exif)))))


@pytest.mark.parametrize("covered", list(itertools.combinations(range(4), 2)))
def test_an_article_that_covers_two_corners_is_not_the_ground(covered):
    picture = card()
    corners = [(0, 0, 39, 39), (260, 0, 299, 39), (0, 360, 39, 399), (260, 360, 299, 399)]
    for corner in covered:
        PIL.ImageDraw.Draw(picture).rectangle(corners[corner], (40, 60, 90))

    pixels = seen(picture)
    assert np.median(pixels[pixels > 60]) == pytest.approx(255 - 57, abs=15)  # negated: the ground is light still
    assert np.median(pixels) == 0


def test_an_article_that_touches_the_edges_is_kept_whole():
    pixels = seen(card((120, 300), box=(0, 30, 119, 269)))

    assert is_card(pixels)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (28, 28), (3, 2), (2**22, 1), (1, 2**22)])
@pytest.mark.parametrize("value", [1, 127, 128, 255])
def test_a_picture_of_one_colour_shows_nothing(size, value):
    colour = (value, value, value - 1)  # not quite grey, so that it is never taken as it is

    assert not seen(PIL.Image.new("RGB", size, colour)).any()


@pytest.mark.parametrize("size", [(40, 4000), (4000, 40)])
def test_an_article_of_extreme_proportions_does_not_vanish(size):
    picture = PIL.Image.new("RGB", size, WHITE)
    picture.paste((10, 10, 10), (size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4))

    assert (seen(picture).max(axis=int(size[1] > size[0])) > 100).all()


def test_a_model_in_colour_gets_colour():
    pixels = convert(card(colour=(200, 20, 20)), RGB, FASHION)

    assert pixels.shape == (28, 28, 3)
    assert pixels[14, 14].tolist() == pytest.approx([55, 235, 235], abs=3)


@settings(max_examples=150, deadline=None)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"]),
    shape=st.sampled_from([GREY, RGB, PixelShape(height=5, width=11, channels=1)]),
    kind=st.sampled_from(["noise", "plain", "steps"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_whatever_the_picture_pixels_of_the_model_s_size_come_out_always_the_same(width, height, mode, shape, kind, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 256, (height, width, 4), np.uint8)
    values = {"noise": values, "plain": values * 0 + values[:1, :1], "steps": values // 128 * 255}[kind]
    picture = PIL.Image.fromarray(values, "RGBA")
    if mode == "I;16":
        picture = PIL.Image.fromarray(values[:, :, 0].astype(np.uint16) * 257)
    elif mode != "RGBA":
        picture = picture.convert("RGB").convert(mode)

    pixels = convert(picture, shape, FASHION)
    assert pixels.shape == shape.as_tuple
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, convert(picture.copy(), shape, FASHION))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_photo_in_a_file_is_converted_as_its_manifest_says(kind, fashion_target):
    target = dataclasses.replace(fashion_target, conversion=FASHION)

    (image,) = decode(io.BytesIO(saved(card(), kind)), f"photo.{kind.lower()}", target)
    assert is_card(image.pixels[:, :, 0])
