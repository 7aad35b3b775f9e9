"""Defines the Keras callbacks of training: they check the loss, keep the run on disk, show the progress, and tell the time."""

from __future__ import annotations

import datetime as dt
import logging
import math
import time
from pathlib import Path

import keras
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from training.errors import TrainingError
from training.network.checkpoints import store_run
from training.network.runs import Epoch, Run

logger = logging.getLogger(__name__)

TIMED_STEPS = 5  # of which the time of all steps is estimated


class FiniteLoss(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Raises a TrainingError at the first loss that is infinite or not a number, before more time is spent."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {})["loss"]
        if not math.isfinite(loss):
            step, config = int(self.model.optimizer.iterations), self._run.config
            raise TrainingError(
                f"Expected a finite loss. Received: loss={loss} at step {step}, in epoch "
                f"{1 + (step - 1) // self._run.steps_per_epoch}, with a learning rate of {_learning_rate(self.model):.3g} and "
                f"{config.precision}. Try --learning-rate {config.learning_rate / 3:.2g}, or --precision float32."
            )


class Recorder(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Writes the run to disk after each epoch."""

    def __init__(self, run: Run, directory: Path) -> None:
        super().__init__()
        self.run, self._directory = run, directory

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        seen = logs or {}
        record = Epoch(
            loss=round(seen["loss"], 5),
            accuracy=round(seen["accuracy"], 5),
            held_out_loss=round(seen["val_loss"], 5),
            held_out_accuracy=round(seen["val_accuracy"], 5),
            learning_rate=_learning_rate(self.model),
            seconds=round(time.monotonic() - self._began, 1),
        )
        self.run = msgspec.structs.replace(self.run, history=(*self.run.history, record))
        store_run(self._directory, self.run, self.model)


class ProgressBar(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Shows a bar over all steps with the time left, or, where there is no terminal, logs a line after each epoch."""

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
        self._progress.update(self._task, advance=1, loss=(logs or {})["loss"])

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        accuracy, epochs = f"{(logs or {})['val_accuracy']:.2%}", self._run.config.epochs
        self._progress.update(self._task, epoch=min(epoch + 2, epochs), held_out=accuracy)
        if not self._console.is_terminal:
            spent_s = time.monotonic() - self._began
            left_s = spent_s / (epoch + 1 - len(self._run.history)) * (epochs - epoch - 1)
            left = dt.timedelta(seconds=round(left_s))
            seed = self._run.config.seed
            logger.info("seed %d, epoch %d of %d: held-out accuracy %s, %s left", seed, epoch + 1, epochs, accuracy, left)

    def close(self) -> None:
        """Stops the bar, which has to happen after an error too."""
        self._progress.stop()


class Rate(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Sets the learning rate of each step; a schedule in the optimiser would be a part of the graph, which is traced for it."""

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule) -> None:
        super().__init__()
        self._schedule = schedule

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        optimizer = self.model.optimizer
        optimizer.learning_rate = self._schedule(optimizer.iterations)


class Estimate(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Logs after the first steps how long all of them take; `doing` says what they do, and `steps` is their number."""

    def __init__(self, doing: str, steps: int) -> None:
        super().__init__()
        self._doing, self._steps = doing, steps

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        step = int(self.model.optimizer.iterations)
        if step == 1:  # it takes longer than the others, because the graph is traced
            self._began = time.monotonic()
        elif step == TIMED_STEPS:
            each = (time.monotonic() - self._began) / (TIMED_STEPS - 1)
            logger.info("%s, about %d s", self._doing, round(each * self._steps))


def _learning_rate(network: keras.Model) -> float:
    return float(network.optimizer.learning_rate)
