"""Chooses the thresholds of the marks so that what they promise holds with a stated probability. Pure: arrays in, values out.

Which predictions may be called sure is tested on images that the weights were not trained on: Geifman and El-Yaniv, "Selective
Classification for Deep Neural Networks", NeurIPS 2017, arXiv:1705.08500; Angelopoulos, Bates, Candès, Jordan and Lei, "Learn
then Test", Annals of Applied Statistics 19, 2025, arXiv:2110.01052.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np
from scipy.stats import binom

from handler.contract import Scores, SurePromise, UnfamiliarPromise

# The bounds on the share of sure predictions that are wrong, each with the probability that its test errs. Together these are
# the error of the choice among them.
BOUNDS = ((0.01, 0.03), (0.02, 0.01), (0.05, 0.01))
ENOUGH_SURE = 0.25  # of the images, for a bound to be preferred to a weaker one
MAX_MARKED = 0.03  # of images like the training images, as unfamiliar
PROBABILITY = 0.95  # with which each promise holds

ENOUGH = 4  # times the least number of images for a test; from then on, a class gets a test of its own
_EXPECTED_WRONG = np.geomspace(1e-4, 0.3, 160)  # shares of wrong predictions, of which each gives one candidate

ByClass = tuple[float | None, ...]  # for each class: the least confidence of sure predictions, or None if none is sure


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Holds the thresholds of an artifact and their promises, by their names in the manifest."""

    unsure_below: ByClass | None
    sure: SurePromise
    unfamiliar_below: float | None
    familiar: UnfamiliarPromise | None

    def by_name(self) -> dict[str, object]:
        """Returns the fields of the manifest, for it to be replaced with."""
        return {name: getattr(self, name) for name in ("unsure_below", "sure", "unfamiliar_below", "familiar")}


def choose_thresholds(scores: Scores, labels: np.ndarray) -> Thresholds:
    """Chooses the thresholds of an artifact by the scores and the labels, `(n,)` int, of held-out images."""
    unsure_below, sure = strictest_thresholds(scores.probabilities, labels)
    unfamiliar_below, familiar = (None, None) if scores.familiarity is None else unfamiliar_threshold(scores.familiarity)
    return Thresholds(unsure_below, sure, unfamiliar_below, familiar)


def strictest_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> tuple[ByClass | None, SurePromise]:
    """Finds thresholds for the strictest bound that leaves a quarter of the images sure, or else the strictest that leaves any.

    Labels of photos are often wrong in one of a hundred, and then no prediction can be shown to be sure by the strictest bound.

    Its arguments and its results are those of `sure_thresholds`; the promise names the bound that was chosen.
    """
    found = [sure_thresholds(probabilities, labels, max_wrong, error) for max_wrong, error in BOUNDS]
    ample = (one for one in found if one[1].sure >= ENOUGH_SURE * len(labels))
    any_at_all = (one for one in found if one[0] is not None)
    thresholds, promise = next(ample, None) or next(any_at_all, None) or found[-1]
    return thresholds, msgspec.structs.replace(promise, probability=PROBABILITY)


def sure_thresholds(
    probabilities: np.ndarray, labels: np.ndarray, max_wrong: float, error: float
) -> tuple[ByClass | None, SurePromise]:
    """Finds the confidence of each class from which on at most `max_wrong` of the predictions are wrong.

    The candidates depend on the probabilities alone, and not on the labels, but for the temperature, which is one number. In
    each candidate, the model itself expects the same share of wrong predictions of every class, so that a class that is hard to
    tell apart gets a higher threshold. Classes with very many images are tested on their own, the others together; all tests
    share the probability of error.

    Args:
        probabilities: `(n, classes)` float, of images that the weights were not trained on.
        labels: `(n,)` int class indices.
        max_wrong: the largest accepted share of sure predictions that are wrong, 0..1.
        error: the probability, 0..1, with which any bound may be broken, over draws of these images.

    Returns:
        The thresholds, or None if no prediction of any class can be called sure; and what they promise.
    """
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    wrong, classes = predicted != labels, probabilities.shape[1]
    needed = least_images(max_wrong, error / 2)
    alone = np.bincount(predicted, minlength=classes) >= ENOUGH * needed
    thresholds = np.full(classes, np.inf)
    groups = [*np.flatnonzero(alone)[:, None], *([np.flatnonzero(~alone)] if not alone.all() else [])]
    for group in groups:
        members = np.isin(predicted, group)
        if members.any():
            candidates = np.stack([_candidates(confidence[predicted == index]) for index in group], axis=1)
            sure = confidence[members] >= candidates[:, np.searchsorted(group, predicted[members])]
            passing = _last_passing(sure.sum(axis=1), (sure & wrong[members]).sum(axis=1), max_wrong, error / len(groups))
            thresholds[group] = np.inf if passing is None else candidates[passing]
    sure = confidence >= thresholds[predicted]
    promise = SurePromise(
        max_wrong=max_wrong,
        probability=1 - error,
        images=len(labels),
        sure=int(sure.sum()),
        wrong=int((sure & wrong).sum()),
        needed=needed,
        alone=tuple(np.flatnonzero(alone).tolist()),
    )
    if not sure.any():
        return None, promise
    return tuple(None if math.isinf(value) else value for value in thresholds.tolist()), promise


def unfamiliar_threshold(
    familiarity: np.ndarray, max_marked: float = MAX_MARKED, probability: float = PROBABILITY
) -> tuple[float | None, UnfamiliarPromise]:
    """Finds the familiarity below which at most `max_marked` of the images that are like the training images lie.

    It is an order statistic of held-out images, chosen so that the bound holds with `probability` over draws of these: Wilks,
    "Determination of Sample Sizes for Setting Tolerance Limits", Annals of Mathematical Statistics 12, 1941.

    Args:
        familiarity: `(n,)` float, of images that the weights were not trained on.
        max_marked: the largest accepted share of such images that are marked, 0..1.
        probability: the probability, 0..1, with which the bound holds.

    Returns:
        The threshold, or None if there are too few images for any; and what it promises.
    """
    images = len(familiarity)
    # Of so many held-out images below the threshold, the share of all images below it is at most `max_marked` with the
    # probability that a binomial draw is larger.
    marked = int(binom.ppf(1 - probability, images, max_marked)) - 1
    promise = UnfamiliarPromise(
        max_marked=max_marked, probability=probability, images=images, needed=least_images(max_marked, 1 - probability)
    )
    return (float(np.sort(familiarity)[marked]) if marked >= 0 else None), promise


def least_images(max_wrong: float, error: float) -> int:
    """Returns the number of sure predictions that a test needs if all of them are right, for a probability of error `error`."""
    return math.ceil(math.log(error) / math.log1p(-max_wrong))


def _candidates(confidence: np.ndarray) -> np.ndarray:
    """Returns a threshold for each expected share of wrong predictions, the strictest first; infinity for no prediction.

    A prediction of confidence c is expected to be wrong with a probability of 1 - c.
    """
    falling = np.sort(confidence)[::-1]
    expected = np.cumsum(1 - falling) / np.arange(1, len(falling) + 1)
    kept = np.searchsorted(expected, _EXPECTED_WRONG, side="right")
    return np.concatenate([[np.inf], falling])[kept]


def _last_passing(sure: np.ndarray, wrong: np.ndarray, max_wrong: float, error: float) -> int | None:
    """Returns the position of the last candidate that passes; None if none does.

    Candidates are tested in their order until one fails. There are two such sequences, which share the probability of error:
    one begins at the least count of sure predictions, and one at half of the largest count, because a single mistake among the
    most confident predictions ends the first.
    """
    passes = binom.cdf(wrong, sure, max_wrong) <= error / 2
    found: list[int] = []
    for start in (least_images(max_wrong, error / 2), max(sure.max() // 2, least_images(max_wrong, error / 2))):
        (enough,) = np.nonzero(sure >= start)
        if len(enough):
            after = passes[enough[0] :]
            count = len(after) if after.all() else int(after.argmin())
            found += [int(enough[0]) + count - 1] if count else []
    return max(found, default=None)
