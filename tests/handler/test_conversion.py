"""The way of `fashion-mnist`: photos become what the data set's own photos became. `contain` is tested with the pictures."""

import gzip
import io
import itertools
from pathlib import Path

import msgspec
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageOps
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handler import conversion
from handler.contract import Conversion, PixelShape
from handler.conversion import convert
from handler.formats import decode
from handler.formats.picture import read_picture
from handler.model import BUNDLED_ARTIFACT, directory_reader, load_model
from tests.handler.formats.samples import saved

DATA = Path("/usr/share/datasets/fashion-mnist")
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


def covers(pixels):
    return (pixels > 0) * 255


def seen(picture, shape=GREY):
    return convert(picture, shape, FASHION)[:, :, 0].astype(int)


def is_card(pixels):
    """Whether these are a rectangle twice as high as wide, from top to bottom in the middle of black, give or take a pixel."""
    return bool((pixels[1:27, 7:21] > 100).all() and (pixels[:, :6] == 0).all() and (pixels[:, 22:] == 0).all())


MODES = ["L", "LA", "P", "RGB", "RGBA"]


@pytest.mark.parametrize("mode", MODES)
def test_light_on_black_of_the_right_size_is_taken_as_it_is_however_it_is_stored(mode, sample_pixels):
    for pixels in sample_pixels:
        assert np.array_equal(convert(PIL.Image.fromarray(pixels[:, :, 0]).convert(mode), GREY, FASHION), pixels)


@pytest.mark.parametrize("mode", MODES)
def test_dark_on_white_of_the_right_size_is_negated_and_keeps_every_pixel_in_its_place(mode, sample_pixels):
    for pixels in sample_pixels:
        assert np.array_equal(convert(PIL.Image.fromarray(255 - pixels[:, :, 0]).convert(mode), GREY, FASHION), pixels)


def test_a_picture_of_one_bit_is_negated_by_its_ground_too(sample_pixels):
    for pixels in sample_pixels:
        light = PIL.Image.fromarray(pixels[:, :, 0] >= 128)
        dark = PIL.Image.fromarray(pixels[:, :, 0] < 128)
        assert light.mode == dark.mode == "1"
        assert np.array_equal(seen(light), seen(dark))
        assert np.array_equal(seen(light) > 0, pixels[:, :, 0] >= 128)


@pytest.mark.parametrize("side", [28, 32, 56, 224])
def test_neither_a_picture_nor_its_negative_is_turned_over_at_any_size(side, sample_pixels):
    def grown(pixels):
        return PIL.Image.fromarray(pixels[:, :, 0]).resize((side, side), PIL.Image.Resampling.BICUBIC)

    for pixels in sample_pixels:
        for picture in grown(pixels), PIL.ImageOps.invert(grown(pixels)):
            assert np.abs(seen(picture) - pixels[:, :, 0]).mean() < 60  # of a picture and its negative it is 100 and more


@pytest.mark.skipif(not DATA.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_of_the_ten_thousand_test_images_none_is_turned_over_and_one_negative_is_not():
    content = gzip.decompress((DATA / "t10k-images-idx3-ubyte.gz").read_bytes())
    images = np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28)

    kept = sum(np.array_equal(seen(PIL.Image.fromarray(image)), image) for image in images)
    left = sum(np.array_equal(seen(PIL.Image.fromarray(255 - image)), 255 - image) for image in images)
    assert (kept, left) == (10_000, 1)


@pytest.mark.parametrize(
    "pixels",
    [
        np.tile(np.linspace(0, 255, 28).astype(np.uint8), (28, 1)),
        np.repeat([0, 255], 14 * 28).reshape(28, 28).astype(np.uint8),
        np.full((28, 28), 127, np.uint8),
        255
        - np.eye(28, dtype=np.uint8) * 255 * (np.indices((28, 28)).sum(0) % 27 == 0)
        - np.flipud(np.eye(28, dtype=np.uint8)) * 255,
    ],
    ids=["a gradient", "halves", "grey", "an article in every corner"],
)
def test_a_picture_of_the_right_size_whose_ground_is_ambiguous_is_taken_as_it_is(pixels):
    pixels = pixels.astype(np.uint8)

    assert np.array_equal(seen(PIL.Image.fromarray(pixels)), pixels)


def test_a_ground_of_light_grey_becomes_black_at_the_right_size_too():
    pixels = seen(card((28, 28), ground=(200, 200, 200), colour=(60, 60, 60), box=(7, 1, 20, 26)))

    assert is_card(pixels)


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


@pytest.mark.parametrize("side", [28, 224])
@pytest.mark.parametrize(
    ("luma", "alpha", "least"),
    [
        (lambda a: a * 0, lambda a: a, 86),  # black, of which alpha alone shows anything
        (lambda a: a * 0 + 255, lambda a: a, 86),  # white
        (lambda a: a * 0 + 240, lambda a: a, 86),
        (lambda a: 255 - a, covers, 84),  # as on a white ground
        (lambda a: a, covers, 84),  # as on a black ground
        (lambda a: 255 - a * (25 / 255), covers, 84),  # nearly white, from 230 to 255
        (lambda a: a * 0 + 255, covers, 55),  # an outline alone, which the model mostly knows
    ],
)
def test_a_cut_out_of_any_brightness_is_seen(luma, alpha, least, side, sample_pixels, truth):
    model = load_model(directory_reader(BUNDLED_ARTIFACT))
    cut_outs = [
        PIL.Image.merge("LA", [PIL.Image.fromarray(layer(pixels[:, :, 0]).astype(np.uint8)) for layer in (luma, alpha)])
        for pixels in sample_pixels
    ]
    grown = [cut_out.resize((side, side), PIL.Image.Resampling.BICUBIC) for cut_out in cut_outs]

    predicted = model.classify(np.stack([convert(picture, GREY, FASHION) for picture in grown])).probabilities.argmax(axis=1)
    names = [model.manifest.classes[index] for index in predicted]
    assert sum(name == label for name, label in zip(names, truth.values(), strict=True)) >= least


@pytest.mark.parametrize("colour", [WHITE, (250, 250, 250), (128, 128, 128), BLACK])
def test_a_cut_out_is_trimmed_by_its_alpha_whatever_its_colour(colour):
    cut_out = card(ground=WHITE, colour=colour).convert("RGBA")
    cut_out.putalpha(card(ground=BLACK, colour=WHITE).convert("L"))

    assert is_card(seen(cut_out))


def test_black_on_transparency_of_the_right_size_keeps_every_pixel(sample_pixels):
    for pixels in sample_pixels:
        alpha = PIL.Image.fromarray(pixels[:, :, 0])
        assert np.array_equal(seen(PIL.Image.merge("LA", [PIL.Image.new("L", (28, 28), 0), alpha])), pixels[:, :, 0])
        assert np.array_equal(seen(PIL.Image.merge("LA", [PIL.Image.new("L", (28, 28), 255), alpha])), pixels[:, :, 0])


@pytest.mark.parametrize("size", [(28, 28), (60, 50)])
def test_a_picture_that_is_all_transparent_shows_nothing(size):
    assert not seen(PIL.Image.new("RGBA", size, (255, 0, 0, 0))).any()


@pytest.mark.parametrize("least", [128, 250, 254])
def test_alpha_that_hides_nothing_makes_no_cut_out_of_a_drawing(least, sample_pixels):
    """One pixel that is not quite opaque must not turn light on black over."""
    for pixels in sample_pixels[::10, :, :, 0]:
        alpha = np.full((28, 28), 255, np.uint8)
        alpha[0, 0] = least
        picture = PIL.Image.fromarray(np.dstack([pixels] * 3 + [alpha]), "RGBA")

        assert np.array_equal(convert(picture, GREY, FASHION)[:, :, 0], pixels)


def test_alpha_that_covers_everything_changes_nothing():
    assert np.array_equal(seen(card().convert("RGBA")), seen(card()))


def test_a_photo_in_transparent_margins_is_no_cut_out():
    page = PIL.Image.new("RGBA", (400, 400))
    page.paste(card().convert("RGBA"), (50, 0))

    assert np.array_equal(seen(page), seen(card()))


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "I;16"])
def test_every_way_to_store_a_picture_shows_the_same(mode):
    grey = card(colour=BLACK).convert("L")
    picture = PIL.Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)

    assert is_card(seen(picture))


def test_a_photo_is_turned_upright_first():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    lying = card().rotate(90, expand=True)

    assert is_card(seen(read_picture(saved(lying, "JPEG", exif=exif))))


@pytest.mark.parametrize("covered", list(itertools.combinations(range(4), 2)))
def test_an_article_that_covers_two_corners_is_not_the_ground(covered):
    picture = card()
    corners = [(0, 0, 39, 39), (260, 0, 299, 39), (0, 360, 39, 399), (260, 360, 299, 399)]
    for corner in covered:
        PIL.ImageDraw.Draw(picture).rectangle(corners[corner], (40, 60, 90))

    pixels = seen(picture)
    assert np.median(pixels[pixels > 60]) == pytest.approx(255 - 57, abs=15)  # negated: the ground is light still
    assert is_card(pixels)  # and what lies in the corners is no part of the article


@pytest.mark.parametrize("ground", [(150, 70, 40), (70, 70, 70), (110, 110, 110)])
def test_an_article_darker_than_a_rather_dark_ground_is_negated(ground):
    assert is_card(seen(card(ground=ground, colour=(12, 12, 12))))


def test_an_article_lighter_than_a_light_ground_is_not_negated():
    assert is_card(seen(card(ground=(180, 180, 180), colour=WHITE)))


@pytest.mark.parametrize("seed", range(3))
def test_the_pattern_of_an_uneven_ground_is_ground(seed):
    tiles = np.random.default_rng(seed).integers(150, 210, (40, 30)).astype(np.uint8)
    floor = PIL.Image.fromarray(tiles).resize((300, 400), PIL.Image.Resampling.NEAREST).convert("RGB")
    PIL.ImageDraw.Draw(floor).rectangle((90, 80, 209, 319), (20, 20, 20))

    assert is_card(seen(floor))


def test_a_pair_is_kept_and_a_speck_is_not():
    pair = card(box=(40, 100, 119, 299))
    PIL.ImageDraw.Draw(pair).rectangle((180, 100, 259, 299), (40, 60, 90))
    with_speck = pair.copy()
    PIL.ImageDraw.Draw(with_speck).rectangle((280, 380, 290, 390), (40, 60, 90))

    assert (seen(pair)[14] > 100).sum() in range(19, 24)  # two shoes, with the gap between them
    assert np.array_equal(seen(with_speck), seen(pair))


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


@settings(max_examples=150)
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
    target = msgspec.structs.replace(fashion_target, conversion=FASHION)

    (image,) = decode(io.BytesIO(saved(card(), kind)), f"photo.{kind.lower()}", target)
    assert is_card(image.pixels[:, :, 0])


def contained(picture, shape):
    return convert(picture, shape, Conversion(fit="contain", background=255))


def enlarged_first(picture, shape):
    """The way of pictures that are long, whose shorter side is enlarged to one pixel of the model's at least."""
    size = max(picture.width, -(-picture.height // shape.height)), max(picture.height, -(-picture.width // shape.width))
    fitted = PIL.ImageOps.pad(
        picture.convert("L" if shape.channels == 1 else "RGB").resize(size),
        (shape.width, shape.height),
        PIL.Image.Resampling.LANCZOS,
        color=(255,) * shape.channels,
    )
    return np.asarray(fitted).reshape(shape.as_tuple)


def noise(width, height, seed=0):
    return PIL.Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


WIDE = PixelShape(height=28, width=172, channels=3)


@pytest.mark.parametrize("shape", [GREY, RGB, WIDE])
@pytest.mark.parametrize("shorter", [1, 2, 3, 7, 28, 100])
def test_a_long_picture_is_enlarged_at_its_shorter_side_as_it_ever_was(shape, shorter):
    for longer in (1, 27, 29, 57, 172, 173, 345, 800, 1000, 2801, 5000):
        for size in ((longer, shorter), (shorter, longer)):
            picture = noise(*size, seed=longer)

            assert np.array_equal(contained(picture, shape), enlarged_first(picture, shape))


@pytest.mark.parametrize("shape", [GREY, RGB, WIDE])
def test_a_line_that_is_too_long_to_be_enlarged_gets_the_same_pixels(shape, monkeypatch):
    monkeypatch.setattr(conversion, "_MAX_THICKENED_PIXELS", 0)
    for length in (345, 346, 399, 500, 777, 1024, 1500, 2801, 5000, 9999):
        for size in ((length, 1), (1, length)):
            picture = noise(*size, seed=length)

            assert np.array_equal(contained(picture, shape), enlarged_first(picture, shape))


@pytest.mark.parametrize("shape", [GREY, RGB, WIDE])
def test_a_strip_that_is_too_long_to_be_enlarged_gets_nearly_the_same_pixels(shape, monkeypatch):
    monkeypatch.setattr(conversion, "_MAX_THICKENED_PIXELS", 0)
    for length in (1024, 2801, 5000):
        for shorter in (2, 3, 5):
            for size in ((length, shorter), (shorter, length)):
                pixels = contained(noise(*size), shape).astype(int)

                assert np.abs(pixels - enlarged_first(noise(*size), shape)).max() <= 24


@pytest.mark.parametrize("size", [(43_347, 1), (44_000, 2), (480_000, 1), (1, 480_000), (2**24, 1), (2, 2**23)])
def test_no_picture_is_enlarged_beyond_64_megapixels_however_long_it_is(size, monkeypatch):
    """A PNG of 480,000 pixels in a row has 1.5 kB, and took 5 GB."""
    made, resize = [], PIL.Image.Image.resize
    monkeypatch.setattr(PIL.Image.Image, "resize", lambda *args, **named: made.append(resize(*args, **named)) or made[-1])

    pixels = contained(PIL.Image.new("RGB", size, (200, 10, 10)), RGB)
    assert made
    assert max(picture.width * picture.height for picture in made) <= 2**26
    line = pixels[13:15] if size[0] > size[1] else pixels[:, 13:15]
    assert (line == (200, 10, 10)).all(axis=2).sum() == 28
    assert (pixels == 255).all(axis=2).sum() == 28 * 27


def test_a_very_long_line_is_averaged_before_it_is_weighted():
    """A quarter of it is white; the weights of each of its pixels would take gigabytes."""
    pixels = np.zeros((1, 2**21, 1), np.uint8).repeat(3, axis=2)
    pixels[:, 2**20 : 2**20 + 2**19] = 255

    row = contained(PIL.Image.fromarray(pixels), RGB)[14, :, 0]
    assert (row[15:20] > 240).all()
    assert (row[:13] < 15).all()
    assert (row[22:] < 15).all()


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P", "L"])
@pytest.mark.parametrize("height", [1, 4095, 4096, 4097, 9000])
def test_transparency_laid_on_the_background_band_by_band_has_the_pixels_of_the_whole(mode, height):
    picture = noise(3, height).convert("L" if mode in {"LA", "L"} else "RGB")
    if mode in {"LA", "RGBA"}:
        picture.putalpha(noise(3, height, seed=1).getchannel(0))
    elif mode == "P":
        picture = picture.quantize(16)
        picture.info["transparency"] = bytes(range(0, 256, 16))
    else:
        picture.info["transparency"] = picture.getpixel((0, 0))
    page = PIL.Image.new("RGBA", picture.size, (77, 77, 77, 255))
    whole = PIL.Image.alpha_composite(page, picture.convert("RGBA"))

    shape, way = PixelShape(height=height, width=3, channels=3), Conversion(fit="contain", background=77)
    assert np.array_equal(convert(picture, shape, way), np.asarray(whole.convert("RGB")))
