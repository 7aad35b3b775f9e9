"""Decides by held-out images whether a model of one's own images starts from a pretrained backbone or from nothing."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import PIL.Image

from training.config import PRESETS, Architecture, Config
from training.data.dataset import Split
from training.data.held_out import hold_out
from training.network.batches import Batches
from training.network.optimizer import compile_network
from training.network.teacher import one_hot
from training.transfer.backbones import Backbone

logger = logging.getLogger(__name__)

SMALL_SIDE = 32  # pixels of the images that a network of one's own is tried with
SEEN_IMAGES = 6_000  # in all epochs of the trial together, about
MIN_EPOCHS, MAX_EPOCHS = 3, 60


def prefer_backbone(backbone: Backbone, accuracy: float, own: float) -> bool:
    """Returns whether a backbone is better than a small network that starts from nothing, and logs the figures of both.

    If the small network is the better one after a short trial, more time would widen its lead.

    Args:
        backbone: the pretrained network.
        accuracy: the accuracy of the backbone's head by cross-validation, 0..1.
        own: the accuracy of the small network, as `try_own_network` returns it.
    """
    is_better = accuracy >= own
    logger.info(
        "%s has %.1f%% of the held-out images right, a small network that starts from nothing %.1f%%: %s",
        *(backbone.value, 100 * accuracy, 100 * own, "the former is taken" if is_better else "the latter is taken"),
    )
    return is_better


def try_own_network(train: Split, classes: tuple[str, ...]) -> float:
    """Trains a small network on four fifths of the images for a quarter of a minute or so.

    Returns:
        Its accuracy, 0..1, on the other fifth.
    """
    small = Split(np.stack([_shrink(image) for image in train.images]), train.labels)
    rest, judged = hold_out(small, max(1, len(small) // 5), 0)
    epochs = int(np.clip(SEEN_IMAGES // len(rest), MIN_EPOCHS, MAX_EPOCHS))
    architecture = Architecture(filters=(16, 32, 64), blocks=(1, 1, 1))
    config: Config = dataclasses.replace(PRESETS["full"].plain(), cycles=(epochs,), architecture=architecture, batch=32)
    batches = Batches(rest.images, one_hot(rest, classes), rest.images[:0], config)
    network = compile_network(
        config,
        rest.images.shape[1:],
        len(classes),
        mean=float(rest.images.mean()),
        std=float(max(rest.images.std(), 1.0)),
        steps_per_epoch=len(batches),
        precision=config.precision,
    )
    network.fit(batches, epochs=epochs, shuffle=False, verbose=0)
    network.optimizer.finalize_variable_values(network.trainable_variables)
    predicted = network.predict(judged.images, batch_size=500, verbose=0).argmax(axis=1)
    return float((predicted == judged.labels).mean())


def _shrink(image: np.ndarray) -> np.ndarray:
    resized = PIL.Image.fromarray(image).resize((SMALL_SIDE, SMALL_SIDE), PIL.Image.Resampling.BOX)
    return np.asarray(resized).reshape(SMALL_SIDE, SMALL_SIDE, -1)
