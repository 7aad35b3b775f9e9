"""Warns, before an artifact is written, of everything that makes its figures worth less than they look."""

from __future__ import annotations

import logging

from scipy.stats import binom, binomtest

from handler.contract import Manifest
from training.export.metrics import MAX_TEMPERATURE, MIN_TEMPERATURE

logger = logging.getLogger(__name__)

MAX_PROBABILITY = 0.005  # of either test, with which chance alone may speak for a verdict
AT_BOUND = 1.02  # a temperature within this factor of a bound has reached it


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
    share = max(one.images for one in classes) / metrics.images
    right = round(metrics.accuracy * metrics.images)
    if not is_no_better_than_chance(right, metrics.images, share):
        return []
    line = (
        f"the model is no better than chance: {right} of {metrics.images} test images are right, and naming the most frequent "
        f"class each time would have {share:.0%} right. Do not use it; add images, or look at the labels by explore."
    )
    return [line]


def is_no_better_than_chance(right: int, images: int, share: float) -> bool:
    """Returns whether a model is no better than an answer that is always the class with the most images.

    With few images nothing can be said, so two exact binomial tests must agree: chance explains the number of right answers,
    and an accuracy half way between chance and perfection does not. Of images of one class nothing can be said either.

    Args:
        right: the number of images that are right.
        images: the number of images.
        share: the share of the images, 0..1, that are of the class with the most images.
    """
    if share == 1:
        return False
    by_chance = binomtest(right, images, share, alternative="greater").pvalue > MAX_PROBABILITY
    return bool(by_chance and binom.cdf(right, images, (1 + share) / 2) < MAX_PROBABILITY)


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
