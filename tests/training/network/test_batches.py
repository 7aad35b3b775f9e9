"""The batches that Keras is given."""

import dataclasses

import numpy as np
import pytest

from training.config import PRESETS
from training.data.mnist import load_dataset
from training.network.batches import Batches
from training.network.teacher import one_hot

CONFIG = dataclasses.replace(PRESETS["smoke"], batch=32)


@pytest.fixture(scope="module")
def dataset(tiny_folder):
    return load_dataset(tiny_folder, environ={"KERAS_HOME": "/nonexistent"})


def test_what_a_run_sees_depends_on_the_seed_alone(dataset):
    def first_batches(seed):
        batches = Batches(dataset.train.images, one_hot(dataset.train, dataset.classes), dataclasses.replace(CONFIG, seed=seed))
        seen = [batches[index] for index in range(3)]
        batches.on_epoch_end()
        return [*seen, batches[0]]

    once, again, otherwise = first_batches(1), first_batches(1), first_batches(2)

    assert all(np.array_equal(a, b) for one, other in zip(once, again, strict=True) for a, b in zip(one, other, strict=True))
    assert not np.array_equal(once[0][0], otherwise[0][0])
    assert not np.array_equal(once[0][0], once[3][0])


def test_an_epoch_holds_every_image_once(dataset):
    batches = Batches(dataset.train.images, one_hot(dataset.train, dataset.classes), dataclasses.replace(CONFIG, batch=64))

    labels = np.concatenate([batches[index][1] for index in range(len(batches))])

    assert len(batches) == 55
    assert np.array_equal(labels.sum(axis=0), np.bincount(dataset.train.labels))
