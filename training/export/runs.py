"""Exports finished runs: one network as it is, several as an ensemble."""

from __future__ import annotations

import dataclasses
import logging
import statistics
from collections.abc import Sequence
from pathlib import Path

import keras
import msgspec

from handler.model import Model
from training.data.dataset import Dataset, Split
from training.data.fashion_mnist import FASHION_MNIST
from training.data.fashion_mnist import NAME as FASHION_MNIST_NAME
from training.data.held_out import split_training_images
from training.errors import ExportError
from training.export.network import Description, export_network, one_of_each, predict
from training.network.architecture import averaged, multiplications, split_none
from training.network.checkpoints import load_run
from training.network.runs import Epoch, Run

logger = logging.getLogger(__name__)


def export_runs(directories: Sequence[Path], dataset: Dataset, out: Path, *, name: str | None, version: str) -> Model:
    """Writes the artifact of one run, or of the mean of several runs, into `out`.

    Args:
        directories: the folders in which `fit` left the runs, which differ in their seeds and in their shares of changed images
            alone; a run that is not finished is exported as far as it got.
        dataset: the data that the runs were trained on.
        out: the artifact's folder, which is created if it is missing.
        name: the model's name in documents; None takes the name of the data set.
        version: the model's version in documents.

    Returns:
        The artifact, verified.

    Raises:
        ExportError: `dataset` is not the one that the runs were trained on, or the runs differ in
            something else than seeds and shares of changed images.
        RunError: a folder holds no run.
    """
    members, runs = zip(*map(load_run, directories), strict=True)
    _require_one_recipe(runs)
    _require_data(runs[0], dataset)
    for unfinished in (each for each in runs if not each.finished):
        done, epochs = len(unfinished.history), unfinished.config.epochs
        logger.warning("the run of seed %d is not finished: %d of %d epochs are done", unfinished.config.seed, done, epochs)
    train, held_out = split_training_images(runs[0].config, dataset)
    description = Description(
        name=name or (dataset.directory.resolve().name if dataset.name != FASHION_MNIST_NAME else FASHION_MNIST_NAME),
        version=version,
        classes=dataset.classes,
        conversion=dataset.conversion,
        dataset=_describe_dataset(dataset, train, held_out),
        training=_describe_training(runs, members, held_out, dataset.test),
    )
    network = split_none(averaged(members), len(dataset.classes))
    return export_network(network, description, one_of_each(held_out), held_out, dataset.test, out)


def _require_one_recipe(runs: Sequence[Run]) -> None:
    """Refuses runs that differ in anything but seed, share of changed images and history, and runs with equal seeds."""
    first = runs[0]
    own = first.config
    for other in runs[1:]:
        config = dataclasses.replace(other.config, seed=own.seed, change_probability=own.change_probability)
        if (config, other.checksums, other.shape, other.classes) != (own, first.checksums, first.shape, first.classes):
            raise ExportError(
                f"Expected runs that differ in --seed and --changed alone. Received: another configuration or data set with "
                f"seed {other.config.seed} than with seed {own.seed}. Train them by the same options and the same data."
            )
    seeds = [run.config.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise ExportError(
            f"Expected each run to have a seed of its own. Received: {seeds}. Leave out the runs with equal seeds."
        )


def _require_data(run: Run, dataset: Dataset) -> None:
    """Refuses a data set that is not the one of the run."""
    if dataset.checksums != run.checksums:
        raise ExportError(
            f"Expected the data the run was made with ({run.dataset}). Received: other MD5 sums in {dataset.directory}. "
            "Pass the --images, or the --data-dir and the --classes, of the training."
        )
    if dataset.train.images.shape[1:] != run.shape:
        raise ExportError(
            f"Expected images of {run.shape}, as in the run. Received: {dataset.train.images.shape[1:]}. "
            f"Pass --size {run.shape[0]}."
        )


def _describe_dataset(dataset: Dataset, train: Split, held_out: Split) -> dict[str, object]:
    description: dict[str, object] = {
        "name": dataset.name,
        "train_images": len(train),
        "held_out_images": len(held_out),
        "test_images": len(dataset.test),
        "md5_of_content": dataset.checksums,
    }
    if dataset.name == FASHION_MNIST_NAME:
        description["md5_as_published"] = {file: sums.published for file, sums in FASHION_MNIST.items()}
    return description


def _describe_training(runs: Sequence[Run], members: Sequence[keras.Model], held_out: Split, test: Split) -> dict[str, object]:
    """Describes the first run, which stands for all, with all seeds, the mean history, and each network's accuracy in float."""
    described: dict[str, object] = msgspec.to_builtins(runs[0])
    left_out = {"dataset", "checksums", "classes", "shape", "history"}
    return {name: value for name, value in described.items() if name not in left_out} | {
        "seeds": [run.config.seed for run in runs],
        "change_probabilities": [run.config.change_probability for run in runs],
        "history": [_mean(epochs) for epochs in zip(*(run.history for run in runs), strict=False)],
        "parameters": sum(network.count_params() for network in members),
        "multiplications": sum(map(multiplications, members)),
        "accuracy_of_members": {
            "held_out": [_accuracy(network, held_out, len(runs[0].classes)) for network in members],
            "test": [_accuracy(network, test, len(runs[0].classes)) for network in members],
        },
    }


def _mean(epochs: Sequence[Epoch]) -> dict[str, float]:
    values = [msgspec.to_builtins(epoch) for epoch in epochs]
    return {name: round(statistics.fmean(value[name] for value in values), 5) for name in values[0]}


def _accuracy(network: keras.Model, split: Split, classes: int) -> float:
    return round(float((predict(network, split.images)[:, :classes].argmax(axis=1) == split.labels).mean()), 5)
