"""Loads artifacts as the handler does, and classifies images with them: every figure and picture of a model rests on this."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from handler.contract import Scores
from handler.model import BadArtifact, Classifier, Model, directory_reader, load_model
from training.errors import TrainingError
from training.startup import without_startup_messages

SCORING_BATCH = 64  # images; larger batches are slower, because their activations no longer fit into the processor's cache


def load_artifact(directory: Path) -> Model:
    """Loads the artifact in `directory`.

    Raises:
        TrainingError: the artifact is missing or broken.
    """
    try:
        with without_startup_messages():
            return load_model(directory_reader(directory))
    except BadArtifact as error:
        raise TrainingError(f"{error} It was looked for in {directory}; name an artifact's folder.") from error


def score(classifier: Classifier | Model, images: np.ndarray) -> Scores:
    """Classifies any number of images in small batches, and shows a progress bar on a terminal.

    Args:
        classifier: a LiteRT graph, or the model of an artifact.
        images: `(n, height, width, channels)` uint8, 0..255, n >= 1.
    """
    console = Console(stderr=True)
    starts = track(
        range(0, len(images), SCORING_BATCH),
        f"scoring {len(images):,} images",
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    return Scores.joined([classifier.classify(images[start : start + SCORING_BATCH]) for start in starts])
