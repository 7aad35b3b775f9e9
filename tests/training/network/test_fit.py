"""Training itself, on a data set that is learnt in a second."""

import dataclasses
import re

import msgspec
import numpy as np
import pytest

from training.config import PRESETS
from training.data.held_out import split_training_images
from training.data.mnist import load_dataset
from training.errors import RunError, TrainingError
from training.network.checkpoints import load_run, restore
from training.network.fit import fit
from training.network.runs import read_run

NOWHERE = {"KERAS_HOME": "/nonexistent"}
CONFIG = dataclasses.replace(PRESETS["smoke"], cycles=(2,), held_out=200, train_limit=1200, batch=32)


@pytest.fixture(scope="module")
def dataset(tiny_folder):
    return load_dataset(tiny_folder, environ=NOWHERE)


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory):
    """The folder of a finished run, and what `fit` returned."""
    directory = tmp_path_factory.mktemp("run")
    return directory, fit(CONFIG, dataset, directory)


def test_the_network_learns_and_the_averaged_weights_come_out(finished, dataset):
    network, run = load_run(finished[0])

    _, held_out = split_training_images(CONFIG, dataset)
    predicted = network.predict(held_out.images, verbose=0).argmax(axis=1)
    assert (predicted == held_out.labels).mean() > 0.9
    assert run == finished[1]
    assert run.finished
    latest, _ = restore(finished[0], run, "float32")
    apart = [np.abs(mean - last).max() for mean, last in zip(network.get_weights(), latest.get_weights(), strict=True)]
    assert 0 < max(apart) < 0.5


def test_a_run_tells_how_it_went(finished):
    first, last = finished[1].history

    assert last.loss < first.loss
    assert last.held_out_loss < first.held_out_loss
    assert last.held_out_accuracy > 0.9
    assert 0.05 < first.learning_rate < 0.15
    assert last.learning_rate == 0
    assert first.seconds > 0


def test_a_finished_run_is_not_trained_further(finished, dataset):
    directory, run = finished
    before = (directory / "checkpoint.weights.h5").stat().st_mtime_ns

    assert fit(CONFIG, dataset, directory, resume=True) == run
    assert (directory / "checkpoint.weights.h5").stat().st_mtime_ns == before


def test_another_run_is_not_resumed(finished, dataset):
    with pytest.raises(TrainingError, match=r"was begun with\. Received: seed 1 instead of 0\. Give those"):
        fit(dataclasses.replace(CONFIG, seed=1), dataset, finished[0], resume=True)


def test_a_run_is_not_resumed_on_other_data(finished, dataset):
    with pytest.raises(TrainingError, match=r"Received: other checksums\."):
        fit(CONFIG, dataclasses.replace(dataset, checksums={"train-images-idx3-ubyte": "other"}), finished[0], resume=True)


def test_a_run_of_another_version_is_refused(tmp_path):
    (tmp_path / "checkpoint.weights.h5").touch()
    (tmp_path / "run.json").write_text('{"config": {}}')

    with pytest.raises(RunError, match=r"of this version of the code\. Received: .*run\.json \(.*missing"):
        read_run(tmp_path)


def test_a_checkpoint_counts_when_the_description_is_ahead_of_it(finished, tmp_path):
    """As after a kill between the two files: the description is replaced first."""
    directory, run = finished
    (tmp_path / "checkpoint.weights.h5").write_bytes((directory / "checkpoint.weights.h5").read_bytes())
    ahead = msgspec.structs.replace(run, history=(*run.history, run.history[-1]))
    (tmp_path / "run.json").write_bytes(msgspec.json.encode(ahead))

    assert load_run(tmp_path)[1].history == run.history


def test_too_few_images_to_hold_one_out_are_refused(dataset, tmp_path):
    with pytest.raises(TrainingError, match=r"at least ten training images.* Received: 9"):
        fit(dataclasses.replace(CONFIG, train_limit=9), dataset, tmp_path)


def test_a_loss_that_is_not_finite_stops_with_the_step_and_what_to_try(dataset, tmp_path):
    with pytest.raises(TrainingError) as raised:
        fit(dataclasses.replace(CONFIG, learning_rate=1e30, warm_up_epochs=0.1), dataset, tmp_path)

    assert re.fullmatch(
        r"Expected a finite loss\. Received: loss=(nan|inf) at step \d, in epoch 1, with a learning rate of \de\+\d\d and "
        r"float32\. Try --learning-rate 3\.3e\+29, or --precision float32\.",
        str(raised.value),
    )
    assert not list(tmp_path.iterdir())  # what was learnt so far is not replaced by nonsense


def test_without_a_terminal_each_epoch_says_how_much_time_is_left(dataset, tmp_path, caplog):
    caplog.set_level("INFO")

    fit(CONFIG, dataset, tmp_path)

    epochs = [line for line in caplog.messages if line.startswith("seed 0, epoch")]
    assert re.fullmatch(r"seed 0, epoch 1 of 2: held-out accuracy \d+\.\d\d%, 0:00:\d\d left", epochs[0])
    assert re.fullmatch(r"seed 0, epoch 2 of 2: held-out accuracy \d+\.\d\d%, 0:00:00 left", epochs[1])
