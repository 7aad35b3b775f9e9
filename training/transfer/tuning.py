"""Tunes the upper layers of a backbone to the classes, which takes minutes where a head takes seconds.

They begin with their pretrained weights and with a head that was fitted to their features. Statistics of batch normalisation
stay as they are, since a few hundred photos have none worth learning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from training.export.judged import Judged
from training.network.callbacks import Estimate, Rate
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


def tune(network: keras.Model, boundary: str, seen: Seen, start: Features, head: Head) -> Tuned:
    """Tunes a network to all photos, and before that to as many parts of them as are needed for the others to be judged.

    Args:
        network: the pretrained network, from images to features; its layers are tuned in place.
        boundary: the name of the first layer that is tuned.
        seen: what the layers below make of the photos, and of images that show none of the classes.
        start: the features of these by the pretrained network.
        head: a head that was fitted to these features.
    """
    tuning = _Tuning(network, boundary, start.classes)
    judged: list[Judged] = []
    needed = len(start) if len(start) >= MANY else ENOUGH_JUDGED
    for train, held_out in divide(start.labels, FOLDS):
        if sum(len(part.labels) for part in judged) >= needed:
            break
        part = start.take(train)
        judge = tuning.tune(seen.take(train), part, fit_head(part))
        judged.append(judge.judge(tuning.features(seen.photos[0, held_out]), start.labels[held_out]))
    return Tuned(network, tuning.tune(seen, start, head), Judged.join(judged))


class _Tuning:
    """Tunes the upper layers of one network to several sets of photos, each time from the pretrained weights.

    So the graph of a step is traced once, which takes longer than all steps of a few hundred photos.
    """

    def __init__(self, network: keras.Model, boundary: str, classes: int) -> None:
        self._upper = upper_layers(network, boundary)
        for layer in self._upper.layers:
            layer.trainable = not isinstance(layer, layers.BatchNormalization)
        keras.utils.set_random_seed(SEED)
        self._logits = layers.Dense(classes + 1, name="logits")
        self._whole = keras.Model(self._upper.input, self._logits(layers.Dropout(DROPOUT)(self._upper.output)))
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=SMOOTHING)
        optimizer = keras.optimizers.AdamW(LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        optimizer.build(self._whole.trainable_variables)
        self._whole.compile(optimizer, loss, jit_compile=False)
        self._changed = [*self._whole.variables, *optimizer.variables]
        self._pretrained = [keras.ops.convert_to_numpy(variable).copy() for variable in self._changed]

    def tune(self, seen: Seen, start: Features, head: Head) -> Head:
        """Tunes the layers and `head`; the layers are changed in place, and the new head is returned."""
        for variable, value in zip(self._changed, self._pretrained, strict=True):
            variable.assign(value)
        self._logits.set_weights([head.weights, head.bias])
        views = _Views(seen, start)
        steps = EPOCHS * len(views)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps, warmup_target=LEARNING_RATE, warmup_steps=max(1, len(views) // 2)
        )
        callbacks = [Rate(rate), Estimate(f"tuning to {len(start)} photos", steps)]
        self._whole.fit(views, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=callbacks)
        weights, bias = self._logits.get_weights()
        return Head(weights, bias, find_prototypes(self.features(seen.photos[0])))

    def features(self, activations: np.ndarray) -> np.ndarray:
        """Computes features `(n, d)` float32, as the layers are tuned, from what the layers below made of photos."""
        return compute_features(self._upper, activations)


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
