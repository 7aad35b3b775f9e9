"""Looks at photos with a pretrained network: its lower layers once, by LiteRT, and its upper ones by Keras.

What the lower layers make of each view is kept in memory, because tuning the upper layers begins there. Beside the photos, it
looks at images that are made to show none of the classes.
"""

from __future__ import annotations

import logging
import math
import os
import time
from dataclasses import dataclass

import keras
import numpy as np

from handler.model import Classifier
from training.artifact import score
from training.data.dataset import Dataset
from training.data.foreign import make_foreign
from training.export.litert import quantise
from training.transfer.views import make_views

logger = logging.getLogger(__name__)

MAX_VIEWS = 8
VIEWED_PHOTOS = 25_000  # in all views together, about
MAX_KEPT = 500_000_000  # numbers, of two bytes each
FOREIGN_SHARE = 0.2  # images that show none of the classes, for each photo
MIN_FOREIGN = 20  # such images in each view
BLOCK = 1_000  # images that are looked at in one go, whose results have four bytes for a number until they are kept
BATCH = 32
SEED = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """Holds what the lower layers make of views of photos, and of as many draws of images that show none of the classes.

    `photos` is `(views, n, height, width, channels)` float16; its first view is of the photos as they are, and the second
    mirrored. `foreign` is `(views, m, height, width, channels)` float16, and each of its images is another.
    """

    photos: np.ndarray
    foreign: np.ndarray

    def take(self, chosen: np.ndarray) -> Seen:
        """Returns what was seen of some photos, `chosen` by position, and of all other images."""
        return Seen(self.photos[:, chosen], self.foreign)


def look(network: keras.Model, boundary: str, dataset: Dataset) -> Seen:
    """Computes what the layers below `boundary` make of as many views of the training photos as there is time and room for.

    Where all photos are grey, so are the images that show none of the classes, since colour alone is no sign of these.

    Args:
        network: the pretrained network, from images to features.
        boundary: the name of the first of the upper layers.
        dataset: the photos, squares in RGB.
    """
    images = dataset.train.images
    lower = keras.Model(network.input, network.get_layer(boundary).input)
    each = math.prod(lower.output.shape[1:])
    count = max(MIN_FOREIGN, round(FOREIGN_SHARE * len(images)))
    views = max(1, min(MAX_VIEWS, VIEWED_PHOTOS // len(images), MAX_KEPT // ((len(images) + count) * each)))
    classifier = Classifier(quantise(lower, "none"), os.cpu_count() or 1)
    shown = images[..., :1] if all((image == image[..., :1]).all() for image in images) else images
    photos, foreign = (np.empty((views, n, *lower.output.shape[1:]), np.float16) for n in (len(images), count))
    rng = np.random.default_rng(SEED)
    began = time.monotonic()
    for number, view in enumerate(make_views(images, views, rng)):
        _look(classifier, view, photos[number])
        made = make_foreign(shown, count, dataset.conversion, rng)
        _look(classifier, np.broadcast_to(made, (count, *images.shape[1:])), foreign[number])
        if number == 0:
            seconds = round((time.monotonic() - began) * views)
            logger.info("looking at %d photos in %d views, about %d s", len(images), views, seconds)
    return Seen(photos, foreign)


def _look(classifier: Classifier, images: np.ndarray, kept: np.ndarray) -> None:
    """Writes what the lower layers make of images into `kept`, block by block."""
    for start in range(0, len(images), BLOCK):
        kept[start : start + BLOCK] = score(classifier, images[start : start + BLOCK]).probabilities


def upper_layers(network: keras.Model, boundary: str) -> keras.Model:
    """Returns the layers of `network` from `boundary` on, as a network that shares them."""
    return keras.Model(network.get_layer(boundary).input, network.output)


def compute_features(upper: keras.Model, activations: np.ndarray) -> np.ndarray:
    """Computes features `(n, d)` float32 from what the lower layers made of photos, `(n, height, width, channels)`."""
    blocks = [activations[start : start + BLOCK] for start in range(0, len(activations), BLOCK)]
    return np.concatenate([upper.predict(block, batch_size=BATCH, verbose=0) for block in blocks])
