"""Finds classes of which there are too few images, or far fewer than of others. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FEW = 10  # images of a class; of fewer, nothing can be expected
UNEVEN = 10  # times as many images of one class as of another, from which on the rarer suffers


def find_imbalance(labels: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Lists, in sentences, what is wrong with the number of training images of each class; `labels` is `(n,)` int."""
    counts = dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))
    few = [f"{name} ({count})" for name, count in counts.items() if count < FEW]
    lines = [f"there are too few images to learn {', '.join(few)}; {FEW} are the least, 30 a good start."] if few else []
    most, fewest = max(counts, key=lambda name: counts[name]), min(counts, key=lambda name: counts[name])
    if counts[most] >= UNEVEN * max(1, counts[fewest]):
        lines.append(
            f"there are {counts[most]} images of {most} and {counts[fewest]} of {fewest}: the rarer is found less often. Add "
            "images of it, or leave some of the other out."
        )
    return lines
