"""Divides images into those that a network is trained on and those that are held out, the same way every time.

Held-out images set the temperature and the threshold of an artifact, and never a weight.
"""

from __future__ import annotations

import numpy as np

from training.config import Config
from training.data.dataset import Dataset, Split
from training.errors import DataError

SPLIT_SEED = (
    0  # independent of a run's seed, so that runs of any seed can be judged, and averaged, on images new to all of them
)


def split_training_images(config: Config, dataset: Dataset) -> tuple[Split, Split]:
    """Divides the training part into the images that set the weights and the held-out images.

    The number of held-out images is `config.held_out`, or a tenth of the training images if that is less.

    Returns:
        The images to train on, and the held-out images.

    Raises:
        DataError: there are fewer than ten training images.
    """
    train = dataset.train
    if config.train_limit and len(train) > config.train_limit:
        _, train = hold_out(train, config.train_limit, SPLIT_SEED)
    held_out = min(config.held_out, len(train) // 10)
    if not held_out:
        raise DataError(f"Expected at least ten training images, one of them to hold out. Received: {len(train)}; add images.")
    return hold_out(train, held_out, SPLIT_SEED)


def hold_out(split: Split, count: int, seed: int) -> tuple[Split, Split]:
    """Draws `count` images of `split` at random, with the same share of every class.

    Returns:
        The other images, and the images that were drawn, each in the order of `split`.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(split))
    by_class = [order[split.labels[order] == label] for label in np.unique(split.labels)]
    # Each class is spread evenly over the same axis from 0 to 1, so that any first part of the axis has each class's share.
    position = np.concatenate([(np.arange(len(members)) + 0.5) / len(members) for members in by_class])
    spread = np.concatenate(by_class)[np.argsort(position, kind="stable")]
    held, rest = np.sort(spread[:count]), np.sort(spread[count:])
    return Split(split.images[rest], split.labels[rest]), Split(split.images[held], split.labels[held])
