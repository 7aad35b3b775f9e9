"""A whole trial as a user runs it: pictures of every kind, their documents, figures in the manifest and on the card."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import PIL.Image
import pytest

from training.artifact import load_artifact
from training.data.sources import load_labelled
from training.errors import DataError
from training.trial.changed import CHANGES
from training.trial.trying import try_model

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def tried(tiny_artifact, tiny_folder, tmp_path_factory):
    """The folder of a trial of 120 images a kind, and of two pictures of another thing; its figures are in its artifact."""
    folder = tmp_path_factory.mktemp("trial")
    artifact = shutil.copytree(tiny_artifact, folder / "artifact")
    (folder / "others" / "teapot").mkdir(parents=True)
    PIL.Image.new("RGB", (40, 30), (200, 90, 10)).save(folder / "others" / "teapot" / "one.png")
    PIL.Image.new("CMYK", (40, 30), (200, 90, 10, 0)).save(folder / "others" / "teapot" / "two.jpg")
    (folder / "others" / ".hidden").mkdir()
    (folder / "others" / "README.txt").write_text("teapots")
    command = [sys.executable, "-m", "training", "trial", "--artifact", str(artifact), "--data-dir", str(tiny_folder)]
    command += ["--others", str(folder / "others"), "--count", "120", "--write", "--out", str(folder / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_manifest_tells_of_every_kind(tried):
    folder, _ = tried

    manifest = load_artifact(folder / "artifact").manifest
    changed, foreign = manifest.trial.changed, manifest.trial.foreign
    assert [kind.name for kind in changed] == ["as they are", *CHANGES]
    assert {kind.images for kind in changed} == {120}
    assert changed[0].right == pytest.approx(manifest.metrics.accuracy)  # of the same images
    assert [kind.name for kind in foreign if kind.is_near] == ["upside down", "turned by a quarter", "teapot"]
    assert len([kind for kind in foreign if not kind.is_near]) == 10
    assert next(kind.images for kind in foreign if kind.name == "teapot") == 2


def test_the_card_and_the_terminal_show_the_same_figures(tried):
    folder, done = tried

    card = (folder / "artifact" / "MODEL_CARD.md").read_text()
    for name in ("as they are", "much blurred", "collages", "all changes", "all that are not near"):
        (on_card,) = [line for line in card.splitlines() if line.startswith(f"| {name} |")]
        (shown,) = [line for line in done.stdout.splitlines() if line.startswith(f"│ {name} ")]
        assert [cell.strip() for cell in on_card.split("|")] == [cell.strip() for cell in shown.split("│")]


@pytest.mark.parametrize("group", ["changed", "far", "near"])
def test_the_pictures_can_be_looked_at(group, tried):
    folder, _ = tried

    with PIL.Image.open(folder / "out" / f"{group}.png") as picture:
        assert picture.width > 1000


def test_a_used_folder_is_refused(tried, tiny_artifact, tiny_folder):
    folder, _ = tried
    model, dataset = load_labelled(tiny_artifact, None, tiny_folder)

    with pytest.raises(DataError, match=r"Expected a new folder for the pictures"):
        try_model(model, tiny_artifact, dataset.test, None, folder / "out", 10)


def test_the_bundled_artifact_is_not_written_to_unless_it_is_named(tmp_path):
    command = [sys.executable, "-m", "training", "trial", "--write", "--out", str(tmp_path)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "Expected --artifact with --write" in done.stderr


def test_every_picture_has_its_prediction_in_a_document(tried):
    folder, _ = tried

    archives, documents = (
        {path.relative_to(folder / "out" / part).as_posix() for path in (folder / "out" / part).glob(f"[a-z]*/*{ending}")}
        for part, ending in (("pictures", ".zip"), ("documents", ".json"))
    )
    assert documents == {f"{name}.json" for name in archives}
    assert len(archives) == 1 + len(CHANGES) + 10 + 3


def test_a_folder_whose_name_is_not_utf_8_is_refused_before_the_work_begins(tiny_artifact, tiny_folder, tmp_path):
    (tmp_path / "others" / os.fsdecode(b"caf\xe9")).mkdir(parents=True)
    model, dataset = load_labelled(tiny_artifact, None, tiny_folder)

    with pytest.raises(
        DataError, match=r"Expected folders whose names are UTF-8\. Received: .*caf.*, whose name is not; rename it"
    ):
        try_model(model, tiny_artifact, dataset.test, tmp_path / "others", tmp_path / "out", 10)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("folders", "received"), [((), "none"), (("hat", "sock"), "empty: hat, sock")])
def test_folders_without_pictures_are_named_before_the_work_begins(folders, received, tiny_artifact, tiny_folder, tmp_path):
    for name in folders:
        (tmp_path / "others" / name).mkdir(parents=True)
    (tmp_path / "others").mkdir(exist_ok=True)
    model, dataset = load_labelled(tiny_artifact, None, tiny_folder)

    with pytest.raises(DataError, match=rf"Expected folders of pictures in .*others\. Received: {received}; make one"):
        try_model(model, tiny_artifact, dataset.test, tmp_path / "others", tmp_path / "out", 10)
    assert not (tmp_path / "out").exists()
