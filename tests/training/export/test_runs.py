"""Runs become an artifact: one as it is, several as their mean. What an export measures is in test_command.py."""

import dataclasses

import numpy as np
import pytest

from training.artifact import score
from training.config import PRESETS
from training.data.held_out import split_training_images
from training.data.mnist import load_dataset
from training.errors import ExportError
from training.export.runs import export_runs
from training.network.checkpoints import load_run
from training.network.fit import fit

CONFIG = dataclasses.replace(PRESETS["smoke"], cycles=(1,), held_out=200, train_limit=1200, batch=32)


@pytest.fixture(scope="module")
def dataset(tiny_folder):
    return load_dataset(tiny_folder, environ={"KERAS_HOME": "/nonexistent"})


@pytest.fixture(scope="module")
def directories(dataset, tmp_path_factory):
    """The folders of two runs that differ in their seeds and in their shares of changed images alone."""
    found = [tmp_path_factory.mktemp(f"seed-{seed}") for seed in (3, 4)]
    for seed, changed, directory in zip((3, 4), (0.4, 0.1), found, strict=True):
        fit(dataclasses.replace(CONFIG, seed=seed, change_probability=changed), dataset, directory)
    return found


def test_several_runs_become_their_mean(directories, dataset, tmp_path):
    model = export_runs(directories, dataset, tmp_path, name="two", version="1.0.0")

    networks, runs = zip(*map(load_run, directories), strict=True)
    noise = np.random.default_rng(0).integers(0, 256, (300, 12, 12, 1), np.uint8)  # of which the networks think differently
    each = np.array([network.predict(noise, verbose=0) for network in networks])
    served = score(model, noise).probabilities.argmax(axis=1)
    assert (served == each.mean(axis=0)[:, :3].argmax(axis=1)).mean() > 0.97
    assert (each[0].argmax(axis=1) == each[1].argmax(axis=1)).mean() < 0.9

    training, (_, held_out) = model.manifest.training, split_training_images(CONFIG, dataset)
    assert training["seeds"] == [3, 4]
    assert training["change_probabilities"] == [0.4, 0.1]
    assert training["parameters"] == 2 * networks[0].count_params()
    assert training["history"][0]["loss"] == pytest.approx(np.mean([run.history[0].loss for run in runs]), abs=1e-5)
    assert training["accuracy_of_members"] == {
        "held_out": [round(accuracy(network, held_out), 5) for network in networks],
        "test": [round(accuracy(network, dataset.test), 5) for network in networks],
    }


def test_one_run_is_exported_as_it_is(directories, dataset, tmp_path):
    model = export_runs(directories[1:], dataset, tmp_path, name="one", version="1.0.0")

    network, run = load_run(directories[1])
    assert model.manifest.training["seeds"] == [4]
    assert model.manifest.training["parameters"] == network.count_params()
    assert len(model.manifest.training["history"]) == len(run.history) == 1


def test_runs_that_are_not_alike_are_refused(directories, dataset, tmp_path):
    fit(dataclasses.replace(CONFIG, seed=5, learning_rate=0.1), dataset, tmp_path / "other")

    with pytest.raises(
        ExportError, match=r"differ in --seed and --changed alone\. Received: another .* seed 5 than with seed 3"
    ):
        export_runs([directories[0], tmp_path / "other"], dataset, tmp_path / "out", name=None, version="1.0.0")
    with pytest.raises(ExportError, match=r"a seed of its own\. Received: \[3, 4, 3\]"):
        export_runs([*directories, directories[0]], dataset, tmp_path / "out", name=None, version="1.0.0")
    assert not (tmp_path / "out").exists()


def accuracy(network, split):
    return float((network.predict(split.images, verbose=0)[:, :3].argmax(axis=1) == split.labels).mean())
