"""Trains the network. Keras 3 only: the TensorFlow, JAX and Torch backends run the same lines.

After each epoch the run is on disk, whole, so that one that was killed goes on from there and ends where it would have
ended: what a batch holds depends on seed, epoch and index alone.
"""

from __future__ import annotations

import datetime
import logging
import math
import time
from pathlib import Path

import keras
import msgspec
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from training.augment import augment
from training.config import Config
from training.data import Dataset, Split, hold_out
from training.network import multiplications
from training.runs import Epoch, Run, read_revision, read_run, restore, store_run, versions

logger = logging.getLogger(__name__)


class TrainingError(Exception):
    """Training cannot go on; the message says what to change."""


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """Shuffled, augmented batches: `(batch, height, width, channels)` uint8 with `(batch, classes)` float32 one-hot labels.

    `one_hot` `(classes, classes)` has a row for each label. `first_epoch` counts from 0; Keras asks for the next one itself.
    """

    def __init__(self, split: Split, classes: int, config: Config, first_epoch: int = 0) -> None:
        super().__init__()
        self._split, self._config = split, config
        self.one_hot = np.eye(classes, dtype=np.float32)
        self._epoch = first_epoch
        self._shuffle()

    def __len__(self) -> int:
        return math.ceil(len(self._split) / self._config.batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        config = self._config
        chosen = self._order[index * config.batch : (index + 1) * config.batch]
        views = augment(
            self._split.images[chosen],
            np.random.default_rng((config.seed, self._epoch, index)),
            shift_pixels=config.shift_pixels,
            flip=config.flip,
            erase_probability=config.erase_probability,
        )
        return views, self.one_hot[self._split.labels[chosen]]

    def on_epoch_end(self) -> None:
        """Draws the next epoch's order; Keras calls it."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        self._order = np.random.default_rng((self._config.seed, self._epoch)).permutation(len(self._split))


def fit(config: Config, dataset: Dataset, directory: Path, *, resume: bool = False) -> Run:
    """Trains on all of `dataset.train` but a held-out slice, with a progress bar, and leaves the run in `directory`.

    Args:
        config: what to do.
        dataset: on what.
        directory: where the run is kept; it is replaced after each epoch.
        resume: go on with the run that is there, if there is one; a finished one is left as it is.

    Raises:
        TrainingError: the slice leaves nothing to train on, the loss became infinite or not a number, `directory` holds an
            unfinished run that would be lost, or another run than the one to resume.
    """
    train, held_out = slices(config, dataset)
    run = _begin(config, dataset, train, directory, resume=resume)
    keras.utils.set_random_seed(config.seed)
    network, run = restore(directory, run, config.precision)
    batches = Batches(train, len(dataset.classes), config, first_epoch=len(run.history))
    logger.info(
        "training on %d images, holding out %d; %d parameters, %.1f million multiplications an image",
        *(len(train), len(held_out), network.count_params(), multiplications(network) / 1e6),
    )
    if run.history:
        logger.info("%d of %d epochs are done", len(run.history), config.epochs)
    if run.finished:
        return run
    recorder, bar = _Recorder(run, directory), _ProgressBar(run)
    try:
        network.fit(
            batches,
            initial_epoch=len(run.history),
            epochs=config.epochs,
            validation_data=(held_out.images, batches.one_hot[held_out.labels]),
            validation_batch_size=1000,
            callbacks=[_FiniteLoss(run), recorder, bar],
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
        _, train = hold_out(train, config.train_limit, config.seed)
    held_out = min(config.held_out, len(train) // 10)
    if not held_out:
        raise TrainingError(f"Expected at least ten training images, one of them to hold out. Received: {len(train)}.")
    return hold_out(train, held_out, config.seed)


class _FiniteLoss(keras.callbacks.Callback):  # type: ignore[misc]
    """Stops at the first loss that is not a number, before more time is spent on it."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {})["loss"]
        if not math.isfinite(loss):
            step = int(self.model.optimizer.iterations)
            raise TrainingError(
                f"Expected a finite loss. Received: loss={loss} at step {step} (epoch {1 + (step - 1) // self._run.steps_per_epoch}), "
                f"with a learning rate of {_learning_rate(self.model):.3g} and {self._run.config.precision}. Try a smaller "
                f"--learning-rate than {self._run.config.learning_rate:g}, a third of it say, or --precision float32."
            )


class _Recorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the run on disk up to date."""

    def __init__(self, run: Run, directory: Path) -> None:
        super().__init__()
        self.run, self._directory = run, directory

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        seen, members = logs or {}, self.run.config.architecture.members
        record = Epoch(
            loss=round(seen["loss"] / members, 5),
            accuracy=round(seen["ensemble_accuracy"], 5),
            held_out_loss=round(seen["val_loss"] / members, 5),
            held_out_accuracy=round(seen["val_ensemble_accuracy"], 5),
            learning_rate=_learning_rate(self.model),
            seconds=round(time.monotonic() - self._began, 1),
        )
        self.run = msgspec.structs.replace(self.run, history=(*self.run.history, record))
        store_run(self._directory, self.run, self.model)


class _ProgressBar(keras.callbacks.Callback):  # type: ignore[misc]
    """A bar over all steps with the time left; a line for each epoch where a bar would be garbled."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]} of {task.fields[epochs]}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("loss {task.fields[loss]:.3f}  held-out {task.fields[held_out]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("left"),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        config = self._run.config
        self._began = time.monotonic()
        self._task = self._progress.add_task(
            "training",
            total=config.epochs * self._run.steps_per_epoch,
            completed=len(self._run.history) * self._run.steps_per_epoch,
            epoch=len(self._run.history) + 1,
            epochs=config.epochs,
            loss=math.nan,
            held_out="",
        )
        self._progress.start()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._progress.update(self._task, advance=1, loss=(logs or {})["loss"] / self._run.config.architecture.members)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        accuracy, epochs = f"{(logs or {})['val_ensemble_accuracy']:.2%}", self._run.config.epochs
        self._progress.update(self._task, epoch=min(epoch + 2, epochs), held_out=accuracy)
        if not self._console.is_terminal:
            spent_s = time.monotonic() - self._began
            left_s = spent_s / (epoch + 1 - len(self._run.history)) * (epochs - epoch - 1)
            left = datetime.timedelta(seconds=round(left_s))
            logger.info("epoch %d of %d: held-out accuracy %s, %s left", epoch + 1, epochs, accuracy, left)

    def close(self) -> None:
        self._progress.stop()


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
    differing = [name for name in ("config", "checksums", "classes") if getattr(found, name) != getattr(run, name)]
    if differing:
        raise TrainingError(
            f"Expected the run in {directory} to be the one to resume. Received: another {' and '.join(differing)}. "
            "Give the options and the data it was begun with, or choose another --work."
        )
    if found.revision != run.revision:
        logger.warning("the run was begun by the code of %s and goes on with that of %s", found.revision, run.revision)
        return msgspec.structs.replace(found, revision=f"{found.revision}, then {run.revision}")
    return found


def _learning_rate(network: keras.Model) -> float:
    return float(network.optimizer.learning_rate)
