"""Feeds the training images to Keras: in a random order and with random variants that depend on seed and epoch alone."""

from __future__ import annotations

import math

import keras
import numpy as np

from training.config import Config
from training.data.augment import augment
from training.data.changes import change
from training.network.teacher import with_none


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """Serves shuffled batches of augmented images with their targets; equal seeds give equal batches, also after a restart."""

    def __init__(
        self, images: np.ndarray, targets: np.ndarray, foreign: np.ndarray, config: Config, first_epoch: int = 0
    ) -> None:
        """Draws the order of the first epoch.

        Args:
            images: `(n, height, width, channels)` uint8, 0..255.
            targets: `(n, classes)` float32, the probabilities to learn for each image.
            foreign: `(m, height, width, channels)` uint8, images that show none of the classes.
            config: the settings of the run: seed, batch and augmentation are read.
            first_epoch: the number of epochs that are done; Keras advances to the next one itself.
        """
        super().__init__(workers=2)  # with 1, Keras uses tf.data, whose tuner can take a minute to stop after each epoch
        self._images, self._targets, self._foreign, self._config = images, targets, foreign, config
        self._no_class = np.zeros((config.foreign, targets.shape[1]), np.float32)
        self._epoch = first_epoch
        self._shuffle()

    def __len__(self) -> int:
        return math.ceil(len(self._images) / self._config.batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        config = self._config
        chosen = self._order[index * config.batch : (index + 1) * config.batch]
        rng = np.random.default_rng((config.seed, self._epoch, index))
        views, none = self._vary(self._images[chosen], rng)
        if not config.knows_foreign:
            return views, self._targets[chosen]
        foreign = self._foreign[rng.integers(0, len(self._foreign), config.foreign)]
        foreign = augment(foreign, rng, shift_pixels=config.shift_pixels, flip=True, erase_probability=0)
        targets = np.concatenate([with_none(self._targets[chosen], none), with_none(self._no_class, np.ones(config.foreign))])
        return np.concatenate([views, foreign]), targets

    def _vary(self, images: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Returns a random variant of each image, and the probability that it shows none of the classes, `(n,)` float32."""
        config = self._config
        views = augment(
            images,
            rng,
            shift_pixels=config.shift_pixels,
            flip=config.flip,
            erase_probability=config.erase_probability,
        )
        none = np.zeros(len(views), np.float32)
        (hit,) = np.nonzero(rng.random(len(views)) < config.change_probability)
        if len(hit):
            changed = change(images[hit], rng)
            views[hit], none[hit] = changed.images, config.turned_share * changed.turned
        return views, none

    def on_epoch_end(self) -> None:
        """Draws the order of the next epoch; Keras calls this method."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        self._order = np.random.default_rng((self._config.seed, self._epoch)).permutation(len(self._images))
