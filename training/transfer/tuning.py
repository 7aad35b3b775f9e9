"""Tunes the upper layers of a backbone to the classes, which takes minutes where a head takes seconds.

They begin with their pretrained weights and with a head that was fitted to their features. Statistics of batch normalisation
stay as they are, since a few hundred photos have none worth learning.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from training.export.judged import Judged
from training.network.callbacks import Estimate
from training.transfer.head import Features, Head, divide, find_prototypes, fit_head
from training.transfer.looking import BATCH, SEED, Seen, compute_features, upper_layers

EPOCHS = 8  # each of which sees one view of each photo
LEARNING_RATE = 3e-4  # the peak, for AdamW: Loshchilov and Hutter, ICLR 2019, arXiv:1711.05101
WEIGHT_DECAY = 1e-4
DROPOUT = 0.2  # of features
SMOOTHING = 0.1  # of labels: Szegedy et al., CVPR 2016, arXiv:1512.00567
FOLDS = 3
ENOUGH_JUDGED = 100  # photos, where there are few; a threshold of familiarity needs 99
MANY = 1_000  # photos, from which on all of them are judged, since the bound of unsure gains by each


@dataclass(frozen=True, slots=True)
class Tuned:
    """Holds a tuned network, from images to features, its head, and what was said of photos that were not learnt from."""

    network: keras.Model
    head: Head
    judged: Judged


def tune(build: Callable[[], keras.Model], boundary: str, seen: Seen, start: Features, head: Head) -> Tuned:
    """Tunes a network to all photos, and as many more as are needed to a part of them, which judge the others.

    Args:
        build: returns the pretrained network, from images to features, anew each time.
        boundary: the name of the first layer that is tuned.
        seen: what the layers below make of the photos, and of images that show none of the classes.
        start: the features of these by the pretrained network.
        head: a head that was fitted to these features.
    """
    network = build()
    tuned = _tune(network, boundary, seen, start, head)
    judged: list[Judged] = []
    needed = len(start) if len(start) >= MANY else ENOUGH_JUDGED
    for train, held_out in divide(start.labels, FOLDS):
        if sum(len(part.labels) for part in judged) >= needed:
            break
        other = build()
        part = start.take(train)
        judge = _tune(other, boundary, seen.take(train), part, fit_head(part))
        features = compute_features(upper_layers(other, boundary), seen.photos[0, held_out])
        judged.append(judge.judge(features, start.labels[held_out]))
    return Tuned(network, tuned, Judged.join(judged))


def _tune(network: keras.Model, boundary: str, seen: Seen, start: Features, head: Head) -> Head:
    """Tunes the layers of `network` from `boundary` on, and `head`; the layers in place, and the new head is returned."""
    upper = upper_layers(network, boundary)
    for layer in upper.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    keras.utils.set_random_seed(SEED)
    logits = layers.Dense(start.classes + 1, name="logits")
    whole = keras.Model(upper.input, logits(layers.Dropout(DROPOUT)(upper.output)))
    logits.set_weights([head.weights, head.bias])
    views = _Views(seen, start)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, EPOCHS * len(views), warmup_target=LEARNING_RATE, warmup_steps=max(1, len(views) // 2)
    )
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=SMOOTHING)
    whole.compile(keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY), loss, jit_compile=False)
    estimate = Estimate(f"tuning to {len(start)} photos", EPOCHS * len(views))
    whole.fit(views, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[estimate])
    weights, bias = logits.get_weights()
    return Head(weights, bias, find_prototypes(compute_features(upper, seen.photos[0])))


class _Views(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """Serves one view of each photo in each epoch, and a draw of foreign images, in batches of one size, in random order."""

    def __init__(self, seen: Seen, start: Features) -> None:
        super().__init__(workers=2)  # with 1, Keras uses tf.data, which is slower to start
        self._seen, self._photos, self._epoch = seen, len(start), 0
        none = np.full(seen.foreign.shape[1], start.classes)
        self._targets = np.eye(start.classes + 1, dtype=np.float32)[np.concatenate([start.labels, none])]
        self.on_epoch_begin()

    def __len__(self) -> int:
        return math.ceil(len(self._targets) / BATCH)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        view = self._epoch % len(self._seen.photos)
        chosen = np.take(self._order, range(index * BATCH, (index + 1) * BATCH), mode="wrap")
        is_photo = chosen < self._photos
        batch = np.empty((BATCH, *self._seen.photos.shape[2:]), np.float32)
        batch[is_photo] = self._seen.photos[view, chosen[is_photo]]
        batch[~is_photo] = self._seen.foreign[view, chosen[~is_photo] - self._photos]
        return batch, self._targets[chosen]

    def on_epoch_begin(self) -> None:
        """Draws the order of the epoch."""
        self._order = np.random.default_rng((SEED, self._epoch)).permutation(len(self._targets))

    def on_epoch_end(self) -> None:
        """Goes on to the next view; Keras calls this method."""
        self._epoch += 1
        self.on_epoch_begin()
