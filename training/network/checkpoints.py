"""Keeps a training run on disk: `run.json` describes it and its progress, `checkpoint.weights.h5` holds everything learnt.

A run on disk separates training from export, so that weights trained on any Keras backend can be exported by TensorFlow's
converter, an export can be repeated without training again, and a run that was killed can go on. Both files are replaced whole,
the description first: if they ever differ by an epoch, the checkpoint is right.
"""

from __future__ import annotations

from pathlib import Path

import keras
import msgspec

from training.errors import RunError
from training.network.optimizer import compile_network
from training.network.runs import CHECKPOINT_FILE, RUN_FILE, Run, read_run


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
        len(run.classes) + run.config.knows_foreign,
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
        raise RunError(
            f"Expected a run, with {RUN_FILE} and {CHECKPOINT_FILE}. Received: {directory}, which holds none; name the folder "
            "that `fit` keeps a run in, such as .training/full-0."
        )
    network, run = restore(directory, run, "float32")
    network.optimizer.finalize_variable_values(network.trainable_variables)
    return network, run
