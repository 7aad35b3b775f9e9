"""Trains a network. It needs Keras 3 only: the TensorFlow, JAX and Torch backends run the same lines.

The whole run is on disk after each epoch, so that a run that was killed can go on and ends with the weights that it would have
had without the interruption: the content of a batch depends on seed, epoch and index alone.
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
from training.data.dataset import Dataset, Split
from training.data.foreign import make_foreign
from training.data.held_out import split_training_images
from training.errors import TrainingError
from training.network.architecture import multiplications
from training.network.batches import Batches
from training.network.callbacks import FiniteLoss, ProgressBar, Recorder
from training.network.checkpoints import restore
from training.network.provenance import read_revision, versions
from training.network.runs import Run, read_run
from training.network.teacher import one_hot, soft_labels, with_none

logger = logging.getLogger(__name__)


def fit(config: Config, dataset: Dataset, directory: Path, *, teacher: Model | None = None, resume: bool = False) -> Run:
    """Trains on all of `dataset.train` but the held-out images, shows the progress, and leaves the run in `directory`.

    Args:
        config: the settings.
        dataset: the images to learn.
        directory: the folder of the run, which is replaced after each epoch.
        teacher: a classifier of the same images, whose probabilities are learnt in addition to the labels.
        resume: whether to go on with a run that is in `directory`; a finished one is left as it is.

    Returns:
        The description of the finished run.

    Raises:
        TrainingError: there are too few images to hold some out; the teacher has other classes or takes other images; the loss
            became infinite or not a number; or `directory` holds an unfinished run that would be lost, or a run with other
            settings than the one to resume.
    """
    config = dataclasses.replace(config, teacher=teacher.manifest.model.sha256) if teacher else config
    train, held_out = split_training_images(config, dataset)
    run = _begin(_describe(config, dataset, train), directory, resume=resume)
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
    expected = one_hot(held_out, dataset.classes)
    if config.knows_foreign:
        expected = with_none(expected, np.zeros(len(held_out)))
    pool = config.foreign_pool if config.knows_foreign else 0
    foreign = make_foreign(train.images, pool, dataset.conversion, np.random.default_rng(config.seed))
    batches = Batches(train.images, targets, foreign, config, first_epoch=len(run.history))
    return _train(network, run, directory, batches, (held_out.images, expected))


def _train(network: keras.Model, run: Run, directory: Path, batches: Batches, held_out: tuple[object, object]) -> Run:
    """Runs the epochs that are left, and returns the run as it is after them."""
    recorder, bar = Recorder(run, directory), ProgressBar(run)
    try:
        network.fit(
            batches,
            initial_epoch=len(run.history),
            epochs=run.config.epochs,
            validation_data=held_out,
            validation_batch_size=1000,
            callbacks=[FiniteLoss(run), recorder, bar],
            shuffle=False,  # Keras would shuffle batches by a random state that a resumed run does not have
            verbose=0,
        )
    finally:
        bar.close()
    return recorder.run


def _describe(config: Config, dataset: Dataset, train: Split) -> Run:
    """Describes a run in which no epoch is done."""
    return Run(
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


def _begin(run: Run, directory: Path, *, resume: bool) -> Run:
    """Returns the run to go on with: the one in `directory` if it is to be resumed, and `run`, a new one, otherwise."""
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
    differences = _differences(found, run)
    if differences:
        raise TrainingError(
            f"Expected the options and the data that the run in {directory} was begun with. "
            f"Received: {', '.join(differences)}. Give those, choose another --work, or delete it."
        )
    if found.revision != run.revision:
        logger.warning("the run was begun by the code of %s and goes on with that of %s", found.revision, run.revision)
        return msgspec.structs.replace(found, revision=f"{found.revision}, then {run.revision}")
    return found


def _differences(found: Run, run: Run) -> list[str]:
    """Lists the differences between settings and data that keep `found` from being resumed as `run`, in words."""
    options = [
        f"{name} {new} instead of {old}"
        for name in (option.name for option in dataclasses.fields(Config))
        if (new := getattr(run.config, name)) != (old := getattr(found.config, name))
    ]
    return options + [
        f"other {name}" for name in ("checksums", "shape", "classes") if getattr(run, name) != getattr(found, name)
    ]
