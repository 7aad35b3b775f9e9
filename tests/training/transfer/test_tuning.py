"""The upper layers of a small network, tuned to photos and to images that show none of the classes."""

import keras
import numpy as np
from keras import layers

from training.transfer.head import Features, fit_head
from training.transfer.looking import Seen, compute_features, upper_layers
from training.transfer.tuning import tune


def build():
    """A network whose upper layer is drawn at random, the same each time."""
    images = keras.Input((6, 6, 4))
    lower = layers.Conv2D(4, 1, name="lower")(images)
    upper = layers.Conv2D(24, 3, activation="relu", name="upper", kernel_initializer=keras.initializers.GlorotUniform(3))(lower)
    return keras.Model(images, layers.GlobalAveragePooling2D()(upper))


def seen_of(photos, seed=0):
    """Two views of what lower layers made: each class has a channel of its own, and so has what shows none of them."""
    rng = np.random.default_rng(seed)
    labels = np.arange(photos) % 3
    activations = rng.normal(0, 0.5, (2, photos, 6, 6, 4))
    activations[:, np.arange(photos), :, :, labels] += 2
    foreign = rng.normal(0, 0.5, (2, photos // 5, 6, 6, 4))
    foreign[..., 3] += 2
    return Seen(activations.astype(np.float16), foreign.astype(np.float16)), labels


def test_tuning_learns_the_classes_and_none_of_them_and_judges_what_it_has_not_seen():
    seen, labels = seen_of(150)
    upper = upper_layers(build(), "upper")
    views, foreign = (np.stack([compute_features(upper, view) for view in views]) for views in (seen.photos, seen.foreign))
    start = Features(views, labels, 3, foreign)

    tuned = tune(build(), "upper", seen, start, fit_head(start))

    assert (tuned.judged.accuracy, len(tuned.judged.labels)) == (1, 100)
    new, new_labels = seen_of(60, seed=1)
    upper = upper_layers(tuned.network, "upper")
    photos, none = compute_features(upper, new.photos[0]), compute_features(upper, new.foreign[0])
    logits = np.concatenate([photos, none]) @ tuned.head.weights + tuned.head.bias
    assert logits.argmax(axis=1).tolist() == [*new_labels, *[3] * len(none)]
    assert not np.allclose(tuned.network.get_layer("upper").kernel, build().get_layer("upper").kernel)
