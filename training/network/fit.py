"""Trains the network. Keras 3 only: the TensorFlow, JAX and Torch backends run the same lines.

After each epoch the run is on disk, whole, so that one that was killed goes on from there and ends where it would have
ended: what a batch holds depends on seed, epoch and index alone.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from pathlib import Path

import keras
import msgspec
import numpy as np

from handler.model import Model
from training.config import Config
from training.data.augment import augment
from training.data.mnist import Dataset, Split, hold_out
from training.errors import TrainingError
from training.network.architecture import multiplications
from training.network.callbacks import FiniteLoss, ProgressBar, Recorder
from training.network.runs import Run, read_revision, read_run, restore, versions
from training.network.teacher import one_hot, soft_labels

logger = logging.getLogger(__name__)

SPLIT_SEED = 0  # not a run's, so that runs of any seed can be judged, and averaged, by what none of them has seen


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """Shuffled, augmented batches of `images` `(n, height, width, channels)` uint8 with their `targets` `(n, classes)` float32.

    `first_epoch` counts from 0; Keras asks for the next one itself.
    """

    def __init__(self, images: np.ndarray, targets: np.ndarray, config: Config, first_epoch: int = 0) -> None:
        super().__init__(workers=2)  # 1 leaves it to tf.data, whose tuner can take a minute to stop after each epoch
        self._images, self._targets, self._config = images, targets, config
        self._epoch = first_epoch
        self._shuffle()

    def __len__(self) -> int:
        return math.ceil(len(self._images) / self._config.batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        config = self._config
        chosen = self._order[index * config.batch : (index + 1) * config.batch]
        views = augment(
            self._images[chosen],
            np.random.default_rng((config.seed, self._epoch, index)),
            shift_pixels=config.shift_pixels,
            flip=config.flip,
            erase_probability=config.erase_probability,
        )
        return views, self._targets[chosen]

    def on_epoch_end(self) -> None:
        """Draws the next epoch's order; Keras calls it."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        self._order = np.random.default_rng((self._config.seed, self._epoch)).permutation(len(self._images))


def fit(config: Config, dataset: Dataset, directory: Path, *, teacher: Model | None = None, resume: bool = False) -> Run:
    """Trains on all of `dataset.train` but a held-out slice, with a progress bar, and leaves the run in `directory`.

    Args:
        config: what to do.
        dataset: on what.
        directory: where the run is kept; it is replaced after each epoch.
        teacher: a classifier of the same images, whose probabilities are learnt beside the labels.
        resume: go on with the run that is there, if there is one; a finished one is left as it is.

    Raises:
        TrainingError: the slice leaves nothing to train on, the teacher knows other classes or images, the loss became
            infinite or not a number, `directory` holds an unfinished run that would be lost, or another run than the one to
            resume.
    """
    config = dataclasses.replace(config, teacher=teacher.manifest.model.sha256) if teacher else config
    train, held_out = slices(config, dataset)
    run = _begin(config, dataset, train, directory, resume=resume)
    keras.utils.set_random_seed(config.seed)
    network, run = restore(directory, run, config.precision)
    logger.info(
        "training on %d images, holding out %d; %d parameters, %.1f million multiplications an image",
        *(len(train), len(held_out), network.count_params(), multiplications(network) / 1e6),
    )
    if run.history:
        logger.info("%d of %d epochs are done", len(run.history), config.epochs)
    if run.finished:
        return run
    targets = soft_labels(train, dataset.classes, teacher, config) if teacher else one_hot(train, dataset.classes)
    batches = Batches(train.images, targets, config, first_epoch=len(run.history))
    recorder, bar = Recorder(run, directory), ProgressBar(run)
    try:
        network.fit(
            batches,
            initial_epoch=len(run.history),
            epochs=config.epochs,
            validation_data=(held_out.images, one_hot(held_out, dataset.classes)),
            validation_batch_size=1000,
            callbacks=[FiniteLoss(run), recorder, bar],
            shuffle=False,  # of the order of batches, by a state that a resumed run would not have
            verbose=0,
        )
    finally:
        bar.close()
    return recorder.run


def slices(config: Config, dataset: Dataset) -> tuple[Split, Split]:
    """Divides the training images into those that make the weights and the held-out ones, the same way every time.

    Held out are `config.held_out` images, or a tenth of a small data set.

    Raises:
        TrainingError: there are fewer than ten images.
    """
    train = dataset.train
    if config.train_limit and len(train) > config.train_limit:
        _, train = hold_out(train, config.train_limit, SPLIT_SEED)
    held_out = min(config.held_out, len(train) // 10)
    if not held_out:
        raise TrainingError(f"Expected at least ten training images, one of them to hold out. Received: {len(train)}.")
    return hold_out(train, held_out, SPLIT_SEED)


def _begin(config: Config, dataset: Dataset, train: Split, directory: Path, *, resume: bool) -> Run:
    """A new run, or the one in `directory`."""
    run = Run(
        config=config,
        dataset=dataset.name,
        checksums=dataset.checksums,
        shape=train.images.shape[1:],
        classes=dataset.classes,
        pixel_mean=float(train.images.mean()),
        pixel_std=float(max(train.images.std(), 1.0)),
        steps_per_epoch=math.ceil(len(train) / config.batch),
        backend=keras.backend.backend(),
        versions=versions(),
        revision=read_revision(),
    )
    found = read_run(directory)
    if found is None:
        return run
    if not resume:
        if not found.finished:
            raise TrainingError(
                f"{directory} holds a run of {len(found.history)} of {found.config.epochs} epochs, which would be lost. "
                "Go on with it by --resume, choose another --work, or delete it."
            )
        return run
    others = _others(found, run)
    if others:
        raise TrainingError(
            f"Expected the options and the data that the run in {directory} was begun with. Received: {', '.join(others)}. "
            "Give those, choose another --work, or delete it."
        )
    if found.revision != run.revision:
        logger.warning("the run was begun by the code of %s and goes on with that of %s", found.revision, run.revision)
        return msgspec.structs.replace(found, revision=f"{found.revision}, then {run.revision}")
    return found


def _others(found: Run, run: Run) -> list[str]:
    """What keeps `run` from being the one that was `found`, in words."""
    options = [
        f"{name} {new} instead of {old}"
        for name in (option.name for option in dataclasses.fields(Config))
        if (new := getattr(run.config, name)) != (old := getattr(found.config, name))
    ]
    return options + [
        f"other {name}" for name in ("checksums", "shape", "classes") if getattr(run, name) != getattr(found, name)
    ]
