"""Keeps a training run on disk: `run.json` describes it and its progress, `checkpoint.weights.h5` holds everything learnt.

A run on disk separates training from export, so that weights trained on any Keras backend can be exported by TensorFlow's
converter, an export can be repeated without training again, and a run that was killed can go on. Both files are replaced whole,
the description first: if they ever differ by an epoch, the checkpoint is right.
"""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

import keras
import msgspec

from training.config import Config
from training.errors import RunError
from training.network.optimizer import compile_network

RUN_FILE = "run.json"
CHECKPOINT_FILE = "checkpoint.weights.h5"
_CODE = ("training", "handler/contract.py", "handler/conversion.py", "handler/model.py", "requirements.txt", "constraints.txt")
_LIBRARIES = ("keras", "numpy", "ai-edge-litert")
_BACKENDS = {"tensorflow": ("tensorflow-cpu", "tensorflow"), "jax": ("jax",), "torch": ("torch",)}


class Epoch(msgspec.Struct, frozen=True):
    """The measurements of one epoch.

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
    """The description of a run: its settings, its data, its environment, and the epochs that are done.

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
        raise RunError(f"Expected a run of this version of the code. Received: {path} ({error}). Delete its folder.") from error
    return run


def store_run(directory: Path, run: Run, network: keras.Model) -> None:
    """Replaces the run in `directory`, one file at a time and each whole."""
    directory.mkdir(parents=True, exist_ok=True)
    description, checkpoint = directory / f"{RUN_FILE}.partial", directory / f"partial-{CHECKPOINT_FILE}"
    network.save_weights(checkpoint)
    description.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
    description.replace(directory / RUN_FILE)
    checkpoint.replace(directory / CHECKPOINT_FILE)


def restore(directory: Path, run: Run, precision: str) -> tuple[keras.Model, Run]:
    """Builds the network of a run, and loads the checkpoint in `directory` if an epoch is done.

    Returns:
        The network with its optimiser, as they were when the checkpoint was written; and `run`, with the history until then.
    """
    network = compile_network(
        run.config,
        run.shape,
        len(run.classes),
        mean=run.pixel_mean,
        std=run.pixel_std,
        steps_per_epoch=run.steps_per_epoch,
        precision=precision,
    )
    if run.history:
        network.load_weights(directory / CHECKPOINT_FILE)
    done = int(network.optimizer.iterations) // run.steps_per_epoch
    return network, msgspec.structs.replace(run, history=run.history[:done])


def load_run(directory: Path) -> tuple[keras.Model, Run]:
    """Loads the result of a run, finished or not.

    Returns:
        The network with averaged weights (EMA), in float32; and the description of the run.

    Raises:
        RunError: there is no run in `directory`.
    """
    run = read_run(directory)
    if run is None:
        raise RunError(f"Expected a run, with {RUN_FILE} and {CHECKPOINT_FILE}. Received: {directory}.")
    network, run = restore(directory, run, "float32")
    network.optimizer.finalize_variable_values(network.trainable_variables)
    return network, run


def read_revision() -> str:
    """Returns the commit of the training code, with `-dirty` after it if files were changed; "unknown" outside a checkout."""
    root = Path(__file__).parents[2]
    command = ["git", "-C", str(root)]
    commit = subprocess.run([*command, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if commit.returncode:
        return "unknown"
    changed = subprocess.run([*command, "status", "--porcelain", "--", *_CODE], capture_output=True, text=True, check=True)
    return commit.stdout.strip() + ("-dirty" if changed.stdout else "")


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the libraries that a run's result depends on, by name."""
    found = {"python": platform.python_version()}
    for name in (*_LIBRARIES, *_BACKENDS.get(keras.backend.backend(), ())):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
