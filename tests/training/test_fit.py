"""Training itself, on a data set that is learnt in a second."""

import dataclasses

import numpy as np
import pytest

from training.config import PRESETS
from training.data import load_dataset
from training.fit import Batches, TrainingError, fit, slices

NOWHERE = {"KERAS_HOME": "/nonexistent"}
CONFIG = dataclasses.replace(PRESETS["smoke"], epochs=2, held_out=200, train_limit=1200, batch=32)


@pytest.fixture(scope="module")
def dataset(tiny_folder):
    return load_dataset(tiny_folder, environ=NOWHERE)


def test_the_network_learns_and_the_averaged_weights_come_out(dataset):
    trained = fit(CONFIG, dataset)

    _, held_out = slices(CONFIG, dataset)
    predicted = trained.network.predict(held_out.images, verbose=0).argmax(axis=1)
    assert (predicted == held_out.labels).mean() > 0.9
    assert len(trained.held_out_accuracy_by_epoch) == 2
    assert trained.network.output.dtype == "float32"


def test_what_a_run_sees_depends_on_the_seed_alone(dataset):
    def first_batches(seed):
        batches = Batches(dataset.train, 3, dataclasses.replace(CONFIG, seed=seed))
        seen = [batches[index] for index in range(3)]
        batches.on_epoch_end()
        return [*seen, batches[0]]

    once, again, otherwise = first_batches(1), first_batches(1), first_batches(2)

    assert all(np.array_equal(a, b) for one, other in zip(once, again, strict=True) for a, b in zip(one, other, strict=True))
    assert not np.array_equal(once[0][0], otherwise[0][0])
    assert not np.array_equal(once[0][0], once[3][0])


def test_an_epoch_holds_every_image_once(dataset):
    batches = Batches(dataset.train, 3, dataclasses.replace(CONFIG, batch=64))

    labels = np.concatenate([batches[index][1] for index in range(len(batches))])

    assert len(batches) == 55
    assert np.array_equal(labels.sum(axis=0), np.bincount(dataset.train.labels))


def test_no_image_is_both_trained_on_and_held_out(dataset):
    train, held_out = slices(dataclasses.replace(CONFIG, train_limit=500), dataset)

    assert (len(train), len(held_out)) == (450, 50)
    seen = {image.tobytes() for image in train.images}
    assert not any(image.tobytes() in seen for image in held_out.images)


def test_as_many_images_are_held_out_as_asked_for_but_a_tenth_at_most(dataset):
    assert len(slices(dataclasses.replace(CONFIG, held_out=70), dataset)[1]) == 70
    assert len(slices(dataclasses.replace(CONFIG, held_out=5000, train_limit=None), dataset)[1]) == 350


def test_too_few_images_to_hold_one_out_are_refused(dataset):
    with pytest.raises(TrainingError, match=r"at least ten training images.* Received: 9"):
        fit(dataclasses.replace(CONFIG, train_limit=9), dataset)


def test_a_loss_that_is_not_finite_stops_with_what_to_try(dataset):
    with pytest.raises(TrainingError, match="Try a smaller one"):
        fit(dataclasses.replace(CONFIG, learning_rate=1e30, warm_up_epochs=0.1), dataset)
