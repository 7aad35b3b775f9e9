"""An artifact as it lies on disk, and what it says of labelled images: the ground of every figure and picture of a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from handler.model import BadArtifact, Classifier, Model, directory_reader, load_model
from training.data.folders import load_folders
from training.data.mnist import Dataset, load_dataset
from training.errors import TrainingError

SCORING_BATCH = 64  # images; larger batches are slower, because their activations no longer fit the cache


def load_artifact(directory: Path) -> Model:
    """The artifact in `directory`, as the handler loads it.

    Raises:
        TrainingError: it is missing or broken.
    """
    try:
        return load_model(directory_reader(directory))
    except BadArtifact as error:
        raise TrainingError(f"{error} It was looked for in {directory}; name an artifact's folder.") from error


def load_labelled(directory: Path, images: Path | None, data_dir: Path | None) -> tuple[Model, Dataset]:
    """The artifact in `directory`, and its data: the folders in `images`, or the IDX files in `data_dir`.

    Raises:
        TrainingError: either is missing or broken, or they do not belong together.
    """
    model = load_artifact(directory)
    shape, classes = model.manifest.input, model.manifest.classes
    dataset = load_folders(images, shape.height) if images else load_dataset(data_dir, classes)
    if dataset.classes != classes:
        raise TrainingError(
            f"Expected images of the model's classes, {', '.join(classes)}. "
            f"Received: {', '.join(dataset.classes)} in {images}. Name an artifact made from these data with --artifact."
        )
    expected, received = shape.as_tuple, dataset.train.images.shape[1:]
    if expected != received:
        raise TrainingError(
            f"Expected images of {expected} (height, width, channels), which the model in {directory} takes. "
            f"Received: {received} in {dataset.directory}. Name an artifact made from these data with --artifact."
        )
    return model, dataset


def score(classifier: Classifier | Model, images: np.ndarray) -> np.ndarray:
    """Probabilities `(n, classes)` float32 of uint8 `images` `(n, height, width, channels)`, in small batches with a bar."""
    console = Console(stderr=True)
    starts = track(
        range(0, len(images), SCORING_BATCH),
        f"scoring {len(images):,} images",
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    return np.concatenate([classifier.classify(images[start : start + SCORING_BATCH]) for start in starts])
