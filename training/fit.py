"""Trains the network. Keras 3 only: the TensorFlow, JAX and Torch backends run the same lines.

Reads top to bottom: batches, schedule, optimiser, fit. The weights that come out are the averaged ones (EMA), in float32.
"""

from __future__ import annotations

import logging
import math
import sys
from dataclasses import dataclass

import keras
import numpy as np

from training.augment import augment
from training.config import Config
from training.data import Dataset, Split, hold_out
from training.network import build_network

logger = logging.getLogger(__name__)


class TrainingError(Exception):
    """Training cannot go on; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Trained:
    """`network` takes uint8 images and returns logits, in float32, whatever the precision of the training."""

    network: keras.Model
    held_out_accuracy_by_epoch: tuple[float, ...]


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """Shuffled, augmented batches: `(batch, height, width, channels)` uint8 with `(batch, classes)` float32 one-hot labels.

    `one_hot` `(classes, classes)` has a row for each label. What a batch holds depends on seed, epoch and index alone, so
    that a run can be repeated.
    """

    def __init__(self, split: Split, classes: int, config: Config) -> None:
        super().__init__()
        self._split, self._config = split, config
        self.one_hot = np.eye(classes, dtype=np.float32)
        self._epoch = 0
        self._shuffle()

    def __len__(self) -> int:
        return math.ceil(len(self._split) / self._config.batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        config = self._config
        chosen = self._order[index * config.batch : (index + 1) * config.batch]
        views = augment(
            self._split.images[chosen],
            np.random.default_rng((config.seed, self._epoch, index)),
            shift_pixels=config.shift_pixels,
            flip=config.flip,
            erase_probability=config.erase_probability,
        )
        return views, self.one_hot[self._split.labels[chosen]]

    def on_epoch_end(self) -> None:
        """Draws the next epoch's order; Keras calls it."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        self._order = np.random.default_rng((self._config.seed, self._epoch)).permutation(len(self._split))


def fit(config: Config, dataset: Dataset) -> Trained:
    """Trains on all of `dataset.train` but a held-out slice, with a progress bar on the terminal.

    Raises:
        TrainingError: the slice leaves nothing to train on, or the loss became infinite or not a number.
    """
    keras.utils.set_random_seed(config.seed)
    train, held_out = slices(config, dataset)
    network = _build(config, train, len(dataset.classes), config.precision)
    batches = Batches(train, len(dataset.classes), config)
    network.compile(
        optimizer=_optimizer(config, len(batches)),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing),
        metrics=["accuracy"],
        jit_compile=False,  # with two cores and AMX, a step takes 135 ms by oneDNN's kernels and 240 ms by XLA's
    )
    logger.info("training on %d images, holding out %d, %d parameters", len(train), len(held_out), network.count_params())
    history = network.fit(
        batches,
        epochs=config.epochs,
        validation_data=(held_out.images, batches.one_hot[held_out.labels]),
        validation_batch_size=1000,
        callbacks=[keras.callbacks.TerminateOnNaN()],
        verbose="auto" if sys.stdout.isatty() else 2,  # a line for each epoch where a bar would be garbled
    ).history
    if not np.all(np.isfinite(history["loss"])):
        raise TrainingError(f"The loss is not finite. Received: learning_rate={config.learning_rate}. Try a smaller one.")
    full_precision = _build(config, train, len(dataset.classes), "float32")
    full_precision.set_weights(network.get_weights())
    return Trained(full_precision, tuple(round(float(value), 4) for value in history["val_accuracy"]))


def slices(config: Config, dataset: Dataset) -> tuple[Split, Split]:
    """Divides the training images into those that make the weights and the held-out ones, the same way every time.

    Held out are `config.held_out` images, or a tenth of a small data set.

    Raises:
        TrainingError: there are fewer than ten images.
    """
    train = dataset.train
    if config.train_limit and len(train) > config.train_limit:
        _, train = hold_out(train, config.train_limit, config.seed)
    held_out = min(config.held_out, len(train) // 10)
    if not held_out:
        raise TrainingError(f"Expected at least ten training images, one of them to hold out. Received: {len(train)}.")
    return hold_out(train, held_out, config.seed)


def _build(config: Config, train: Split, classes: int, precision: str) -> keras.Model:
    mean, std = float(train.images.mean()), float(max(train.images.std(), 1.0))
    keras.config.set_dtype_policy(precision)
    try:
        return build_network(train.images.shape[1:], classes, filters=config.filters, blocks=config.blocks, mean=mean, std=std)
    finally:
        keras.config.set_dtype_policy("float32")


def _optimizer(config: Config, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    warm_up = max(1, round(config.warm_up_epochs * steps_per_epoch))
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=config.learning_rate,
        warmup_steps=warm_up,
        decay_steps=max(1, config.epochs * steps_per_epoch - warm_up),
    )
    optimizer = keras.optimizers.SGD(
        schedule,
        momentum=config.momentum,
        nesterov=True,
        weight_decay=config.weight_decay,
        use_ema=True,
        ema_momentum=config.ema,
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer
