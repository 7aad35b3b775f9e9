"""A finished training run on disk: `model.keras` and `run.json`, the latter written last.

It stands between training and export, so that weights trained on any Keras backend can be exported by TensorFlow's converter,
and an export can be repeated without training again.
"""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

import keras
import msgspec

from training.config import Config
from training.data import Dataset
from training.fit import Trained

NETWORK_FILE = "model.keras"
RUN_FILE = "run.json"
_CODE = ("training", "handler/contract.py", "handler/model.py", "requirements.txt", "constraints.txt")
_LIBRARIES = ("keras", "numpy", "ai-edge-litert")
_BACKENDS = {"tensorflow": ("tensorflow-cpu", "tensorflow"), "jax": ("jax",), "torch": ("torch",)}


class Run(msgspec.Struct, frozen=True):
    """What is known of a run besides its weights; `checksums` and `dataset` name the data."""

    config: Config
    dataset: str
    checksums: dict[str, str]
    held_out_accuracy_by_epoch: tuple[float, ...]
    backend: str
    versions: dict[str, str]
    revision: str


def save_run(directory: Path, trained: Trained, config: Config, dataset: Dataset, revision: str) -> Run:
    """Writes a run, replacing what is in `directory`; `revision` is that of the code when the training began."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / RUN_FILE).unlink(missing_ok=True)
    trained.network.save(directory / NETWORK_FILE)
    run = Run(
        config=config,
        dataset=dataset.name,
        checksums=dataset.checksums,
        held_out_accuracy_by_epoch=trained.held_out_accuracy_by_epoch,
        backend=keras.backend.backend(),
        versions=_versions(),
        revision=revision,
    )
    (directory / RUN_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
    return run


def load_run(directory: Path) -> tuple[keras.Model, Run]:
    """Reads what `save_run` wrote.

    Raises:
        FileNotFoundError: there is no finished run in `directory`.
    """
    if not (directory / RUN_FILE).is_file():
        raise FileNotFoundError(f"Expected a finished run, with {RUN_FILE} and {NETWORK_FILE}. Received: {directory}.")
    run = msgspec.json.decode((directory / RUN_FILE).read_bytes(), type=Run)
    return keras.models.load_model(directory / NETWORK_FILE, compile=False), run


def read_revision() -> str:
    """The commit of the training code, with `-dirty` behind it if that code differs from it; "unknown" outside a checkout."""
    root = Path(__file__).parent.parent
    command = ["git", "-C", str(root)]
    commit = subprocess.run([*command, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if commit.returncode:
        return "unknown"
    changed = subprocess.run([*command, "status", "--porcelain", "--", *_CODE], capture_output=True, text=True, check=True)
    return commit.stdout.strip() + ("-dirty" if changed.stdout else "")


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in (*_LIBRARIES, *_BACKENDS.get(keras.backend.backend(), ())):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
