"""What the model gets to see of pictures: drawn garments, and files that a user names."""

import math
import re

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

from handler.contract import Conversion, PixelShape
from handler.conversion import convert
from handler.model import BUNDLED_ARTIFACT, directory_reader, load_model
from tests.training.samples import png_bomb
from training.__main__ import app
from training.artifact import classify
from training.data.fashion_mnist import CLASSES
from training.errors import PictureError
from training.report.garments import GARMENTS, SETTINGS, draw_garments
from training.report.preview import read_picture, render_sheet, view

FASHION = Conversion(fit="fashion-mnist")
SHAPE = PixelShape(height=28, width=28, channels=1)


@pytest.fixture(scope="module")
def garments():
    return dict(draw_garments())


@pytest.fixture(scope="module")
def model():
    return load_model(directory_reader(BUNDLED_ARTIFACT))


def command(*arguments):
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


def test_every_garment_is_of_a_class_and_drawn_in_every_setting(garments):
    assert set(GARMENTS) < set(CLASSES)
    assert list(garments) == [f"{name}, {setting}" for name in GARMENTS for setting in SETTINGS]


@pytest.mark.parametrize("garment", GARMENTS)
def test_a_garment_is_seen_as_the_same_light_shape_on_black_whatever_its_ground(garment, garments):
    views = {name: convert(garments[f"{garment}, {name}"], SHAPE, FASHION)[:, :, 0].astype(int) for name in SETTINGS}

    white, black, shaded = (pixels > 60 for pixels in views.values())
    assert (white == black).mean() > 0.99
    assert (white == shaded).mean() > 0.85  # a shadow is trimmed as part of the article, which gets smaller by it
    assert max(white.any(axis=0).sum(), white.any(axis=1).sum()) == 28  # it reaches the edges


def test_a_view_holds_the_pixels_that_are_classified(garments, model):
    picture = garments["Bag, light on black"]

    seen = view("bag", picture, model, FASHION)
    assert np.array_equal(np.asarray(seen.seen), convert(picture, SHAPE, FASHION)[:, :, 0])
    assert seen.verdict.startswith(f"{seen.class_name} {seen.confidence:.3f}")
    assert seen.confidence == classify(model, convert(picture, SHAPE, FASHION)[None]).max()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_a_sheet_shows_pictures_of_every_mode(mode, model):
    picture = PIL.Image.fromarray(np.full((40, 30), 9000, np.uint16)) if mode == "I;16" else PIL.Image.new(mode, (30, 40))

    sheet = render_sheet([[view("x", picture, model, FASHION), view("x", picture, model, Conversion())]])
    assert sheet.size == (3 * 224, 272)


def test_many_pictures_stand_side_by_side(model):
    rows = [[view("x", PIL.Image.new("L", (30, 40)), model, FASHION)]] * 11

    assert render_sheet(rows[:1]).size == (2 * 224, 272)
    assert render_sheet(rows).size == (3 * 2 * 224, 4 * 272)


def test_the_command_shows_files_and_garments_by_both_conversions(garments, tmp_path):
    garments["Trouser, dark on white"].save(tmp_path / "trousers.png")

    done = command(tmp_path / "trousers.png", "--garments", "--fit", "fashion-mnist", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "trousers.png" in done.output
    assert re.search(r"Trouser [01]\.\d", done.output)
    with PIL.Image.open(tmp_path / "out" / "pictures.png") as sheet:
        assert sheet.size == (3 * 3 * 224, 272 * math.ceil((1 + len(garments)) / 3))


def test_mistakes_are_errors_in_one_line(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    messages = [
        str(command(*arguments, "--out", tmp_path / "out").exception)
        for arguments in ((), (tmp_path / "none.png",), (tmp_path / "broken.png",), ("--garments", "--artifact", tmp_path))
    ]
    assert messages[0] == "error: Expected at least one picture. Received: none; name some files, or add --garments."
    assert all(message.startswith("error: Expected a whole PNG, JPEG or WebP file.") for message in messages[1:3])
    assert messages[3].startswith("error: Expected an artifact with model.tflite and manifest.json.")


def test_a_picture_of_too_many_pixels_is_refused_unread(tmp_path):
    (tmp_path / "large.png").write_bytes(png_bomb())

    with pytest.raises(PictureError, match=r"large\.png \(Expected an image of at most 89478485 pixels"):
        read_picture(tmp_path / "large.png")
