"""Holds what a network said of images that it had not learnt from. Pure values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Judged:
    """Holds the outputs of a network for `n` images that it had not learnt from, and their labels.

    `logits` is `(n, classes)` float32, `familiarity` is `(n,)` float32, or None if the network has no such output, and `labels`
    is `(n,)` int. Cross-validation makes such outputs without holding images out of the training for good: each image is judged
    by a network that learnt from others.
    """

    logits: np.ndarray
    familiarity: np.ndarray | None
    labels: np.ndarray

    @classmethod
    def join(cls, parts: Sequence[Judged]) -> Judged:
        """Returns what was said of all images of `parts`, each of which has a familiarity."""
        logits, familiarity, labels = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("logits", "familiarity", "labels")
        )
        return cls(logits, familiarity, labels)

    @property
    def accuracy(self) -> float:
        """The share of the images, 0..1, whose largest logit is that of their label."""
        return float((self.logits.argmax(axis=1) == self.labels).mean())
