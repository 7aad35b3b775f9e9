"""Warns, before an artifact is written, of everything that makes its figures worth less than they look."""

from __future__ import annotations

import logging

from scipy.stats import binomtest

from handler.contract import Manifest
from training.export.metrics import MAX_TEMPERATURE, MIN_TEMPERATURE

logger = logging.getLogger(__name__)

CHANCE = 0.001  # the probability of as many right predictions by chance, from which on the model is said to know nothing
AT_BOUND = 1.02  # as a factor


def warn_of(manifest: Manifest) -> None:
    """Logs a warning for each sign that a model learnt nothing, or cannot be believed."""
    for line in find_warnings(manifest):
        logger.warning("WARNING: %s", line)


def find_warnings(manifest: Manifest) -> list[str]:
    """Lists what a user has to know of a model, in sentences; a good model has none."""
    return [*_at_chance(manifest), *_at_bound(manifest), *_never_predicted(manifest)]


def _at_chance(manifest: Manifest) -> list[str]:
    metrics, classes = manifest.metrics, manifest.metrics_by_class
    if metrics is None:
        return []
    # Whoever always names the most frequent class is right as often as it occurs.
    share = max(one.images for one in classes) / metrics.images
    right = round(metrics.accuracy * metrics.images)
    if share == 1 or binomtest(right, metrics.images, share, alternative="greater").pvalue < CHANCE:
        return []
    line = (
        f"the model is no better than chance: {right} of {metrics.images} test images are right, and naming the most frequent "
        f"class each time would have {share:.0%} right. Do not use it; add images, or look at the labels by explore."
    )
    return [line]


def _at_bound(manifest: Manifest) -> list[str]:
    low, high = MIN_TEMPERATURE * AT_BOUND, MAX_TEMPERATURE / AT_BOUND
    if low < manifest.temperature < high:
        return []
    why = "it is right even where it hardly prefers a class" if manifest.temperature <= low else "its logits say nothing"
    return [f"the temperature is at its bound ({manifest.temperature:.3g}), so the probabilities mean little: {why}."]


def _never_predicted(manifest: Manifest) -> list[str]:
    names = [
        name
        for name, one in zip(manifest.classes, manifest.metrics_by_class, strict=False)
        if one.images and one.precision == one.recall == 0
    ]
    return [f"not one test image of {', '.join(names)} is right; look at these images."] if names else []
