"""The recipe of the artifact for photos of clothes: the two parts that it takes, and all of its steps on a few pictures."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import typer

from training.artifact import load_artifact
from training.recipes.clothes_photos import OUT, main, scale_photos

ROOT = Path(__file__).parents[3]
COLOURS = {"blue": (20, 40, 220), "green": (30, 200, 60), "red": (210, 30, 30)}


@pytest.fixture
def photos(tmp_path):
    """The publisher's folders, with pictures of one colour each."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 8), ("test", 3), ("validation", 1)):
        for name, colour in COLOURS.items():
            folder = tmp_path / "clothing" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(np.array(colour) + rng.integers(-20, 20, (60, 40, 3)), 0, 255).astype(np.uint8)
                PIL.Image.fromarray(pixels).save(folder / f"{number}.jpg")
    return tmp_path / "clothing"


def test_photos_for_training_and_for_testing_alone_are_used_and_scaled(photos, tmp_path):
    PIL.Image.new("RGB", (900, 600)).save(photos / "train" / "red" / "large.jpg")
    (tmp_path / "scaled" / "train" / "earlier").mkdir(parents=True)

    folder = scale_photos(photos, tmp_path / "scaled")

    assert sorted(path.name for path in folder.iterdir()) == ["test", "train"]
    assert sorted(path.name for path in (folder / "train").iterdir()) == sorted(COLOURS)
    assert (folder / "train" / "red" / "3.jpg").read_bytes() == (photos / "train" / "red" / "3.jpg").read_bytes()
    with PIL.Image.open(folder / "train" / "red" / "large.jpg") as large:
        assert large.size == (256, 171)


def test_a_folder_without_its_parts_or_that_of_the_scaled_photos_is_refused(photos, tmp_path):
    with pytest.raises(typer.BadParameter, match=r"Expected the folders train and test .*\. Received: no .*train"):
        scale_photos(tmp_path, tmp_path / "scaled")
    with pytest.raises(typer.BadParameter, match=r"Received: .*clothing, where the scaled ones belong"):
        scale_photos(photos, photos)
    assert len(list(photos.glob("train/*/*"))) == 24


def test_what_ships_is_not_replaced_by_a_quick_trial_of_the_recipe(photos, tmp_path):
    with pytest.raises(typer.BadParameter, match="Expected another --out with --frozen"):
        main(photos, tmp_path, OUT, frozen=True)


@pytest.mark.slow
def test_the_recipe_ends_in_an_artifact(photos, tmp_path):
    command = [sys.executable, "-m", "training.recipes.clothes_photos", str(photos), "--frozen"]

    done = subprocess.run(
        [*command, "--work", str(tmp_path / "work"), "--out", str(tmp_path / "artifact")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    manifest = load_artifact(tmp_path / "artifact").manifest
    assert (manifest.name, manifest.version, manifest.classes) == ("clothes-photos", "1.1.0", tuple(COLOURS))
    assert manifest.metrics.accuracy == 1
    assert manifest.dataset["train_images"] == 24
