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

MAX_VIEWS, MIN_VIEWS = 8, 2
VIEWED_PHOTOS = 25_000  # in all views together, about
MAX_KEPT = 500_000_000  # numbers, of two bytes each
FOREIGN_SHARE = 0.2  # images that show none of the classes, for each photo
MIN_FOREIGN = 20  # such images in each view
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

    Args:
        network: the pretrained network, from images to features.
        boundary: the name of the first of the upper layers.
        dataset: the photos, squares in RGB.
    """
    images = dataset.train.images
    lower = keras.Model(network.input, network.get_layer(boundary).input)
    each = math.prod(lower.output.shape[1:])
    views = max(MIN_VIEWS, min(MAX_VIEWS, VIEWED_PHOTOS // len(images), MAX_KEPT // (len(images) * each)))
    classifier = Classifier(quantise(lower, "none"), os.cpu_count() or 1)
    count = max(MIN_FOREIGN, round(FOREIGN_SHARE * len(images)))
    photos, foreign = (np.empty((views, n, *lower.output.shape[1:]), np.float16) for n in (len(images), count))
    rng = np.random.default_rng(SEED)
    began = time.monotonic()
    for number, view in enumerate(make_views(images, views, rng)):
        photos[number] = score(classifier, view).probabilities
        foreign[number] = score(classifier, make_foreign(images, count, dataset.conversion, rng)).probabilities
        if number == 0:
            seconds = round((time.monotonic() - began) * views)
            logger.info("looking at %d photos in %d views, about %d s", len(images), views, seconds)
    return Seen(photos, foreign)


def upper_layers(network: keras.Model, boundary: str) -> keras.Model:
    """Returns the layers of `network` from `boundary` on, as a network that shares them."""
    return keras.Model(network.get_layer(boundary).input, network.output)


def compute_features(upper: keras.Model, activations: np.ndarray) -> np.ndarray:
    """Computes features `(n, d)` float32 from what the lower layers made of photos, `(n, height, width, channels)`."""
    return np.asarray(upper.predict(activations, batch_size=BATCH, verbose=0))
