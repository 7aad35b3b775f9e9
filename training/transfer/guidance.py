"""Says what can be expected of a number of photos, and what is wrong with them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from training.data.dataset import Split
from training.data.held_out import hold_out
from training.transfer.head import Features, Judgement, cross_validate

logger = logging.getLogger(__name__)

FEW = 10  # images of a class, of fewer of which nothing can be expected
UNEVEN = 10  # times as many images of one class as of another


def say_what_to_expect(features: Features, judgement: Judgement, classes: Sequence[str]) -> None:
    """Logs the accuracy by cross-validation, what half of the images would have given, and which classes need more."""
    for line in [*_of_counts(features, classes), *_of_accuracy(features, judgement)]:
        logger.info(line)


def _of_accuracy(features: Features, judgement: Judgement) -> list[str]:
    said = f"{judgement.accuracy:.0%} of the photos are right where they were not learnt from"
    _, half = hold_out(Split(np.arange(len(features)), features.labels), len(features) // 2, 0)
    counts = np.bincount(half.labels, minlength=features.classes)
    if counts[counts > 0].min() < 2 or (counts > 0).sum() < 2:
        return [f"{said}; there are too few photos to say what more of them would give."]
    whole, part = cross_validate(features).accuracy, cross_validate(features.take(half.images)).accuracy
    gain = f"a head alone gains {100 * (whole - part):.0f} points from half of the photos to all"
    return [f"{said}; {gain}: expect as much of twice as many."]


def _of_counts(features: Features, classes: Sequence[str]) -> list[str]:
    counts = dict(zip(classes, np.bincount(features.labels, minlength=features.classes).tolist(), strict=True))
    few = [f"{name} ({count})" for name, count in counts.items() if count < FEW]
    lines = [f"WARNING: too few images to learn {', '.join(few)}; {FEW} are the least, 30 a good start."] if few else []
    most, fewest = max(counts, key=lambda name: counts[name]), min(counts, key=lambda name: counts[name])
    if counts[most] >= UNEVEN * max(1, counts[fewest]):
        lines.append(
            f"WARNING: {counts[most]} images of {most} and {counts[fewest]} of {fewest}: the rarer is found less often; add "
            "images of it, or leave some of the other out."
        )
    return lines
