"""Artifacts that ship are found by name, and a folder of the user's own comes first."""

import pytest

from handler.model import BUNDLED_ARTIFACT
from training.artifact import load_artifact
from training.shipped import find_artifact, shipped_artifacts


def test_the_bundled_artifact_has_a_name_too():
    assert find_artifact("fashion-mnist") == BUNDLED_ARTIFACT


def test_the_artifact_for_photos_is_found_by_its_name():
    assert load_artifact(find_artifact("clothes-photos")).manifest.name == "clothes-photos"
    assert "clothes-photos" in shipped_artifacts()


@pytest.mark.parametrize(("file", "is_taken"), [("manifest.json", True), ("coat.jpg", False)])
def test_a_folder_of_that_name_comes_first_if_it_holds_an_artifact(file, is_taken, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fashion-mnist").mkdir()
    (tmp_path / "fashion-mnist" / file).touch()

    assert (find_artifact("fashion-mnist") != BUNDLED_ARTIFACT) is is_taken


def test_an_unknown_name_stays_a_path(tmp_path):
    assert find_artifact(str(tmp_path / "nothing")) == tmp_path / "nothing"
