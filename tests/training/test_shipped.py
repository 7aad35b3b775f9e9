"""Artifacts that ship are found by name, and a folder of the user's own comes first."""

from handler.model import BUNDLED_ARTIFACT
from training.shipped import find_artifact, shipped_artifacts


def test_the_bundled_artifact_has_a_name_too():
    assert find_artifact("fashion-mnist") == BUNDLED_ARTIFACT


def test_every_artifact_that_ships_is_found_by_its_name():
    assert {name: find_artifact(name) for name in shipped_artifacts()} == shipped_artifacts()


def test_a_folder_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fashion-mnist").mkdir()

    assert find_artifact("fashion-mnist").resolve() == tmp_path / "fashion-mnist"


def test_an_unknown_name_stays_a_path(tmp_path):
    assert find_artifact(str(tmp_path / "nothing")) == tmp_path / "nothing"
