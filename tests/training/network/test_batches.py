"""The batches that Keras is given."""

import dataclasses

import numpy as np
import pytest

from training.config import PRESETS
from training.data.mnist import load_dataset
from training.network.batches import Batches
from training.network.teacher import one_hot

CONFIG = dataclasses.replace(PRESETS["smoke"], batch=32)
FOREIGN = np.full((5, 12, 12, 1), 200, np.uint8)


@pytest.fixture(scope="module")
def dataset(tiny_folder):
    return load_dataset(tiny_folder, environ={"KERAS_HOME": "/nonexistent"})


def test_what_a_run_sees_depends_on_the_seed_alone(dataset):
    def first_batches(seed):
        config = dataclasses.replace(CONFIG, seed=seed)
        batches = Batches(dataset.train.images, one_hot(dataset.train, dataset.classes), FOREIGN, config)
        seen = [batches[index] for index in range(3)]
        batches.on_epoch_end()
        return [*seen, batches[0]]

    once, again, otherwise = first_batches(1), first_batches(1), first_batches(2)

    assert all(np.array_equal(a, b) for one, other in zip(once, again, strict=True) for a, b in zip(one, other, strict=True))
    assert not np.array_equal(once[0][0], otherwise[0][0])
    assert not np.array_equal(once[0][0], once[3][0])


def test_an_epoch_holds_every_image_once(dataset):
    config = dataclasses.replace(CONFIG, batch=64, change_probability=0.0)
    batches = Batches(dataset.train.images, one_hot(dataset.train, dataset.classes), FOREIGN, config)

    labels = np.concatenate([batches[index][1] for index in range(len(batches))])

    assert len(batches) == 55
    assert labels.sum(axis=0).tolist() == [*np.bincount(dataset.train.labels), 55 * config.foreign]


def test_images_of_no_class_are_the_last_of_each_batch(dataset):
    batches = Batches(dataset.train.images, one_hot(dataset.train, dataset.classes), FOREIGN, CONFIG)

    images, targets = batches[0]

    assert images.shape == (CONFIG.batch + CONFIG.foreign, 12, 12, 1)
    assert (images[CONFIG.batch :] >= 200).mean() > 0.6  # shifted by up to two pixels, the edge is black
    assert targets[CONFIG.batch :].tolist() == [[0, 0, 0, 1]] * CONFIG.foreign


def test_a_turned_image_is_in_part_none_of_the_classes(dataset):
    config = dataclasses.replace(CONFIG, change_probability=1.0, batch=512)
    batches = Batches(dataset.train.images, one_hot(dataset.train, dataset.classes), FOREIGN, config)

    targets = batches[0][1][: config.batch]

    assert set(targets[:, -1].tolist()) == {0.0, config.turned_share}
    assert targets.sum(axis=1) == pytest.approx(np.ones(config.batch))


def test_a_plain_run_learns_the_classes_alone(dataset):
    config = dataclasses.replace(CONFIG, change_probability=0.0, foreign=0)
    batches = Batches(dataset.train.images, one_hot(dataset.train, dataset.classes), FOREIGN[:0], config)

    images, targets = batches[0]

    assert (len(images), targets.shape) == (config.batch, (config.batch, 3))
