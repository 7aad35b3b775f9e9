"""What is learnt of each training image: its label alone, or mostly what a trained classifier makes of it.

A label says nothing of how alike two classes are in this image, and some are wrong; the probabilities of an ensemble say more,
and are steadier. Knowledge distillation: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015,
arXiv:1503.02531.
"""

from __future__ import annotations

import logging

import numpy as np

from handler.model import Model
from training.artifact import score
from training.config import Config
from training.data.mnist import Split
from training.errors import TrainingError

logger = logging.getLogger(__name__)


def one_hot(split: Split, classes: tuple[str, ...]) -> np.ndarray:
    """The labels of `split` as `(n, classes)` float32, 1 for the label's class and 0 for the others."""
    rows: np.ndarray = np.eye(len(classes), dtype=np.float32)[split.labels]
    return rows


def soft_labels(split: Split, classes: tuple[str, ...], teacher: Model, config: Config) -> np.ndarray:
    """The labels of `split`, mixed with the teacher's calibrated probabilities: `(n, classes)` float32, rows that sum to 1.

    Where `config` says that a mirror image is as good as an image, the teacher is asked about both.
    A teacher that has learnt the student's held-out images makes their figures better than they are; artifacts of the same
    preset, data set and options hold out the same ones.

    Raises:
        TrainingError: the teacher knows other classes, or takes other images.
    """
    expected, received = (classes, split.images.shape[1:]), (teacher.manifest.classes, teacher.manifest.input.as_tuple)
    if expected != received:
        raise TrainingError(
            f"Expected a teacher of the classes {', '.join(classes)} and of images of {expected[1]} (height, width, channels). "
            f"Received: one of {', '.join(received[0])} and of {received[1]}. Name another artifact with --teacher."
        )
    logger.info("asking the teacher, %s %s", teacher.manifest.name, teacher.manifest.version)
    views = [split.images, split.images[:, :, ::-1]] if config.flip else [split.images]
    probabilities = np.mean([score(teacher, view) for view in views], axis=0)
    mixed: np.ndarray = config.teacher_share * probabilities + (1 - config.teacher_share) * one_hot(split, classes)
    return mixed.astype(np.float32)
