"""Which training images are held out."""

import dataclasses

import numpy as np
import pytest

from training.config import PRESETS
from training.data.dataset import Split
from training.data.held_out import hold_out, split_training_images
from training.data.mnist import load_dataset

CONFIG = dataclasses.replace(PRESETS["smoke"], held_out=200, train_limit=1200)


@pytest.fixture(scope="module")
def dataset(tiny_folder):
    return load_dataset(tiny_folder, environ={"KERAS_HOME": "/nonexistent"})


def test_a_held_out_slice_has_every_class_s_share_and_is_always_the_same():
    labels = np.repeat(np.arange(4, dtype=np.uint8), (10, 20, 30, 40))
    split = Split(np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1), labels)

    rest, held = hold_out(split, 20, seed=1)
    again = hold_out(split, 20, seed=1)[1]

    assert np.bincount(held.labels).tolist() == [2, 4, 6, 8]
    assert sorted([*rest.images.ravel(), *held.images.ravel()]) == list(range(100))
    assert np.array_equal(held.images, again.images)
    assert not np.array_equal(held.images, hold_out(split, 20, seed=2)[1].images)


def test_the_same_images_are_held_out_whatever_the_seed(dataset):
    one, other = (split_training_images(dataclasses.replace(CONFIG, seed=seed), dataset) for seed in (0, 1))

    assert all(np.array_equal(a.images, b.images) for a, b in zip(one, other, strict=True))


def test_no_image_is_both_trained_on_and_held_out(dataset):
    train, held_out = split_training_images(dataclasses.replace(CONFIG, train_limit=500), dataset)

    assert (len(train), len(held_out)) == (450, 50)
    seen = {image.tobytes() for image in train.images}
    assert not any(image.tobytes() in seen for image in held_out.images)


def test_as_many_images_are_held_out_as_asked_for_but_a_tenth_at_most(dataset):
    assert len(split_training_images(dataclasses.replace(CONFIG, held_out=70), dataset)[1]) == 70
    assert len(split_training_images(dataclasses.replace(CONFIG, held_out=5000, train_limit=None), dataset)[1]) == 350
