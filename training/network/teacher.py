"""Makes the targets that a network learns: labels alone, or labels mixed with the probabilities of a trained classifier.

A label does not say how similar an image is to other classes, and some labels are wrong; the probabilities of an ensemble say
more, and vary less. Knowledge distillation: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015,
arXiv:1503.02531.
"""

from __future__ import annotations

import logging

import numpy as np

from handler.model import Model
from training.artifact import score
from training.config import Config
from training.data.dataset import Split
from training.errors import TrainingError

logger = logging.getLogger(__name__)


def one_hot(split: Split, classes: tuple[str, ...]) -> np.ndarray:
    """Returns the labels of `split` as `(n, classes)` float32: 1 for the class of the label, 0 for the others."""
    rows: np.ndarray = np.eye(len(classes), dtype=np.float32)[split.labels]
    return rows


def with_none(targets: np.ndarray, none: np.ndarray) -> np.ndarray:
    """Adds a last column to `targets`, `(n, classes)`: `none`, `(n,)`, the probability that an image shows none of the classes.

    The others become less by it, so that each row still sums to 1.
    """
    return np.column_stack([targets * (1 - none[:, None]), none]).astype(np.float32)


def soft_labels(split: Split, classes: tuple[str, ...], teacher: Model, config: Config) -> np.ndarray:
    """Mixes the labels of `split` with the teacher's calibrated probabilities.

    If `config.flip` mirrors training images, the teacher's probabilities are the mean over an image and its mirror image.
    A teacher that was trained on the student's held-out images makes the student's held-out figures better than they should be;
    artifacts of the same preset, data set and options hold out the same images.

    Args:
        split: the images and their labels.
        classes: the names of the classes, in index order.
        teacher: the classifier.
        config: the settings of the run: `flip` and `teacher_share` are read.

    Returns:
        The targets, `(n, classes)` float32; each row sums to 1.

    Raises:
        TrainingError: the teacher has other classes, or takes other images.
    """
    expected, received = (classes, split.images.shape[1:]), (teacher.manifest.classes, teacher.manifest.input.as_tuple)
    if expected != received:
        raise TrainingError(
            f"Expected a teacher of the classes {', '.join(classes)} and of images of {expected[1]} (height, width, channels). "
            f"Received: one of {', '.join(received[0])} and of {received[1]}. Name another artifact with --teacher."
        )
    logger.info("asking the teacher, %s %s", teacher.manifest.name, teacher.manifest.version)
    views = [split.images, split.images[:, :, ::-1]] if config.flip else [split.images]
    probabilities = np.mean([score(teacher, view).probabilities for view in views], axis=0)
    mixed: np.ndarray = config.teacher_share * probabilities + (1 - config.teacher_share) * one_hot(split, classes)
    return mixed.astype(np.float32)
