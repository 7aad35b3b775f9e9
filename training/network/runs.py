"""Describes a training run: `run.json` in its folder holds its settings, its data and its history.

This file needs no Keras, so that histories can be read and drawn without loading it; the weights are in `checkpoints.py`.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from training.config import Config
from training.errors import RunError

RUN_FILE = "run.json"
CHECKPOINT_FILE = "checkpoint.weights.h5"


class Epoch(msgspec.Struct, frozen=True):
    """Holds the measurements of one epoch.

    `loss` (nats an image) and `accuracy` are means over its augmented batches. `held_out_loss` and `held_out_accuracy` belong
    to the weights at the end of the epoch, before averaging, and `learning_rate` is the one at that moment.
    """

    loss: float
    accuracy: float
    held_out_loss: float
    held_out_accuracy: float
    learning_rate: float
    seconds: float


class Run(msgspec.Struct, frozen=True):
    """Describes a run: its settings, its data, its environment, and the epochs that are done.

    `dataset`, `checksums`, `shape` (height, width, channels) and `classes` are those of the data set; `pixel_mean` and
    `pixel_std` are those of the training pixels, on the scale 0..255.
    """

    config: Config
    dataset: str
    checksums: dict[str, str]
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    pixel_mean: float
    pixel_std: float
    steps_per_epoch: int
    backend: str
    versions: dict[str, str]
    revision: str
    history: tuple[Epoch, ...] = ()

    @property
    def finished(self) -> bool:
        """Returns whether every epoch is done."""
        return len(self.history) == self.config.epochs


def read_run(directory: Path) -> Run | None:
    """Reads the description of the run in `directory`; returns None if there is no run.

    Raises:
        RunError: the description was written by an incompatible version of the code, or is damaged.
    """
    path = directory / RUN_FILE
    if not path.is_file() or not (directory / CHECKPOINT_FILE).is_file():
        return None
    try:
        run: Run = msgspec.json.decode(path.read_bytes(), type=Run)
    except ValueError as error:
        raise RunError(
            f"Expected a run of this version of the code. Received: {path} ({error}). Use the version that began it, or delete "
            "its folder."
        ) from error
    return run
