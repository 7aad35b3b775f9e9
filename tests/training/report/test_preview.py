"""What the model gets to see of pictures: drawn garments, and files that a user names."""

import math
import os
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
from training.data.fashion_mnist import CLASSES
from training.errors import PictureError
from training.report.garments import GARMENTS, SETTINGS, draw_garments
from training.report.picture_files import find_pictures, read_picture
from training.report.preview import preview, render_sheet, view

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
    assert seen.confidence == model.classify(convert(picture, SHAPE, FASHION)[None]).probabilities.max()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_a_sheet_shows_pictures_of_every_mode(mode, model, tmp_path):
    stored = PIL.Image.fromarray(np.full((40, 30), 9000, np.uint16)) if mode == "I;16" else PIL.Image.new(mode, (30, 40))
    stored.save(tmp_path / "x", "TIFF")
    picture = read_picture(tmp_path / "x")

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


def test_naming_no_picture_is_wrong_use(tmp_path):
    done = command("--out", tmp_path / "out")

    assert done.exit_code == 2
    assert "Expected at least one picture" in done.output
    assert not (tmp_path / "out").exists()


def test_an_artifact_that_is_missing_is_an_error_in_one_line(tmp_path):
    done = command("--garments", "--artifact", tmp_path, "--out", tmp_path / "out")

    assert str(done.exception).startswith("error: Expected an artifact with model.tflite and manifest.json.")
    assert "\n" not in str(done.exception)


@pytest.fixture
def folder(tmp_path):
    """A folder with pictures in several subfolders, and with files of many other kinds among them."""
    picture = PIL.Image.new("L", (30, 40))
    for name in ("rack 1", "rack 2/[b]old[/nothing]", "__MACOSX", ".hidden"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        picture.save(tmp_path / "photos" / name / "coat.png")
    (tmp_path / "photos" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "photos" / "bomb.png").write_bytes(png_bomb())
    (tmp_path / "photos" / "notes\n.txt").write_text("no picture")
    (tmp_path / "photos" / "empty.jpg").write_bytes(b"")
    (tmp_path / "photos" / "gone.png").symlink_to("nowhere")
    (tmp_path / "photos" / "loop").symlink_to(tmp_path / "photos")
    picture.save(tmp_path / "photos" / "\udcff.png", "PNG")
    os.mkfifo(tmp_path / "photos" / "pipe.png")
    return tmp_path / "photos"


def test_a_folder_is_shown_with_its_subfolders_and_what_cannot_be_shown_is_listed_with_the_reason(folder, tmp_path):
    done = command(folder, tmp_path / "none.png", folder / "rack 1" / "coat.png", "--out", tmp_path / "out")

    assert done.exit_code == 1
    failed = [line for line in done.stderr.splitlines() if line.startswith("error: ") and "Expected" in line]
    assert done.stderr.splitlines() == failed
    names = ("bomb.png", "broken.png", "empty.jpg", "gone.png", "notes\\n.txt", "pipe.png", "none.png")
    assert [name for name in names if any(name in line for line in failed)] == list(names)
    assert len(failed) == len(names)
    assert "photos/rack 2/[b]old[/nothing]/coat.png" in "".join(done.stdout.replace("│", " ").split("  "))
    assert "photos/\\udcff.png" in done.stdout
    with PIL.Image.open(tmp_path / "out" / "pictures.png") as sheet:
        assert sheet.size == (2 * 224, 3 * 272)


def test_each_picture_has_a_name_of_its_own_and_is_shown_once(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "photos").mkdir(parents=True)
        (tmp_path / name / "photos" / "x.png").touch()
        (tmp_path / name / f"{name}.png").touch()
    a, b = tmp_path / "a", tmp_path / "b"

    found = find_pictures([a / "photos", b / "photos", a / "a.png", b / "b.png", b / "b.png"])

    assert found == [
        *((str(each / "photos" / "x.png"), each / "photos" / "x.png") for each in (a, b)),
        ("a.png", a / "a.png"),
        ("b.png", b / "b.png"),
    ]
    assert find_pictures([a]) == [("a/a.png", a / "a.png"), ("a/photos/x.png", a / "photos" / "x.png")]


@pytest.mark.parametrize("name", ["", "__MACOSX", ".git"])
def test_a_folder_in_which_there_is_no_file_is_listed_as_failed(name, tmp_path):
    (tmp_path / "photos" / name).mkdir(parents=True)

    done = command(tmp_path / "photos", "--out", tmp_path / "out")

    assert done.exit_code == 1
    assert done.stderr.endswith("photos, a folder in which no file can be found.\n")
    assert not list((tmp_path / "out").iterdir())


def test_many_pictures_fill_several_sheets_and_are_read_one_at_a_time(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("training.report.preview.SHEET_PICTURES", 2)
    pictures = [(f"{number}.png", lambda: PIL.Image.new("L", (30, 40))) for number in range(5)]
    pictures.insert(1, ("bad.png", lambda: 1 / 0))

    assert preview(model, pictures, [FASHION], tmp_path) == [
        "Expected a picture that can be shown. Received: bad.png (division by zero)"
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures-2.png", "pictures-3.png", "pictures.png"]
    assert re.findall(r"(\d)\.png +│", capsys.readouterr().out) == ["0", "1", "2", "3", "4"]


def test_a_picture_of_too_many_pixels_is_refused_unread(tmp_path):
    (tmp_path / "large.png").write_bytes(png_bomb())

    with pytest.raises(PictureError, match=r"large\.png: Expected an image of at most 89478485 pixels"):
        read_picture(tmp_path / "large.png")
