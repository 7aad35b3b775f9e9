"""How the network learns: the learning rate over the cycles, and a loss in which the members do not meet."""

import dataclasses

import keras
import numpy as np
import pytest

from training.config import PRESETS, Config
from training.recipe import WarmRestarts, compile_network, ensemble_accuracy, members_loss

CONFIG = Config(preset="test", cycles=(10, 20), learning_rate=0.4, warm_up_epochs=2)
LOGITS = np.random.default_rng(0).normal(0, 2, (5, 3, 4)).astype(np.float32)  # (n, members, classes)
LABELS = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0]]


def test_the_learning_rate_rises_and_falls_once_in_each_cycle():
    rate = WarmRestarts(CONFIG, steps_per_epoch=100)

    rates = [round(float(rate(step)), 4) for step in (0, 100, 200, 600, 999, 1000, 1100, 1200, 2100, 2999, 3000)]

    assert rates == [0, 0.2, 0.4, 0.2, 0, 0, 0.2, 0.4, 0.2, 0, 0]


def test_the_loss_is_the_sum_of_the_members_losses():
    loss = np.asarray(members_loss(LABELS, LOGITS))

    each = [
        np.asarray(keras.losses.categorical_crossentropy(LABELS, LOGITS[:, member], from_logits=True)) for member in range(3)
    ]
    assert loss == pytest.approx(np.sum(each, axis=0), rel=1e-5)


def test_the_accuracy_is_that_of_the_averaged_logits():
    right = np.asarray(ensemble_accuracy(LABELS, LOGITS))

    assert right.tolist() == (LOGITS.mean(axis=1).argmax(axis=1) == [0, 1, 2, 3, 0]).tolist()
    assert 0 < right.sum() < 5


def test_no_member_learns_from_another():
    """What one member becomes in a step of training is the same whatever the other one's weights are."""
    config = dataclasses.replace(PRESETS["smoke"], cycles=(1,), warm_up_epochs=0)
    images = np.random.default_rng(1).integers(0, 256, (32, 8, 8, 1), np.uint8)
    labels = np.eye(4, dtype=np.float32)[np.arange(32) % 4]

    def first_member_after_a_step(second_member_times):
        keras.utils.set_random_seed(0)
        network = compile_network(config, (8, 8, 1), 4, mean=100.0, std=70.0, steps_per_epoch=10, precision="float32")
        dense = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
        dense[1].kernel.assign(dense[1].kernel * second_member_times)
        before = np.array(dense[0].kernel.numpy())
        for _ in range(2):  # the first step of the warm-up has a learning rate of 0
            network.train_on_batch(images, labels)
        return before, dense[0].kernel.numpy()

    (before, once), (_, again) = first_member_after_a_step(1), first_member_after_a_step(50)

    assert np.array_equal(once, again)
    assert not np.array_equal(before, once)
