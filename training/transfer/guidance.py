"""Says what can be expected of a number of photos."""

from __future__ import annotations

import logging

import numpy as np

from training.data.dataset import Split
from training.data.held_out import hold_out
from training.export.judged import Judged
from training.transfer.head import Features, cross_validate

logger = logging.getLogger(__name__)

LITTLE = 0.005  # of the photos


def say_what_to_expect(features: Features, by_heads: Judged, judged: Judged) -> None:
    """Logs the accuracy on photos that were not learnt from, and what half of the photos would have given."""
    logger.info(describe_expectation(features, by_heads, judged))


def describe_expectation(features: Features, by_heads: Judged, judged: Judged) -> str:
    """Says how many photos are right that were not learnt from, and what can be expected of twice as many photos.

    Args:
        features: of all photos, by the pretrained network.
        by_heads: what heads said, by these features, of photos that they had not learnt from.
        judged: what the model, or one like it, said of such photos.
    """
    said = f"{judged.accuracy:.0%} of the photos are right where they were not learnt from"
    _, half = hold_out(Split(np.arange(len(features)), features.labels), len(features) // 2, 0)
    counts = np.bincount(half.labels, minlength=features.classes)
    if counts[counts > 0].min() < 2 or (counts > 0).sum() < 2:
        return f"{said}; there are too few photos to say what more of them would give"
    gained = by_heads.accuracy - cross_validate(features.take(half.images)).accuracy
    if gained < LITTLE:
        return f"{said}; for a head alone half of them are as good, so more of the same may not help"
    gain = f"a head alone gains {100 * gained:.0f} points from half of the photos to all"
    return f"{said}; {gain}: expect as much of twice as many"
