"""Asks two judges what images show: the images that look most alike, and a classifier that has not seen the label. Pure.

In every function, `rows` are descriptions of images, `(n, d)` float32, and `labels` is `(n,)` int, 0 or more.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits

NEIGHBOURS = 10
FOLDS = 5
MIN_AGREEMENT = 0.5  # of the labels
SEED = 0

_LANDMARKS = 500  # images whose likeness to an image the classifier sees
_STEPS = 60  # of the classifier's optimiser; more change few probabilities
_MAX_FITTED = 2_000_000  # images that a classifier is trained on, times classes: the folds then take a minute or less
_MIN_FITTED = 1_000  # images that it is trained on, however many classes there are
_CHUNK = 1_000  # images that are classified at once, which bounds the memory


@dataclass(frozen=True, slots=True)
class Opinion:
    """Holds what one judge says of `n` images: the class it favours, and how much speaks for that class and for the label.

    `favoured` is `(n,)` int; `support` and `own` are `(n,)` float, 0..1.
    """

    favoured: np.ndarray
    support: np.ndarray
    own: np.ndarray


def ask_neighbours(rows: np.ndarray, labels: np.ndarray) -> Opinion:
    """Returns what the labels of the nearest other rows say; a class is supported by the share of them that carry it."""
    search = NearestNeighbors(n_neighbors=NEIGHBOURS, algorithm="brute").fit(rows)
    around = labels[search.kneighbors(return_distance=False)]
    favoured, votes = most_common(around)
    return Opinion(favoured, votes / NEIGHBOURS, (around == labels[:, None]).mean(axis=1))


def ask_classifier(rows: np.ndarray, labels: np.ndarray) -> Opinion:
    """Returns what a classifier says that was not trained on the row; a class is supported by its probability."""
    opinion = Opinion(np.empty_like(labels), *np.zeros((2, len(labels))))
    rng = np.random.default_rng(SEED)
    most = max(_MAX_FITTED // len(np.unique(labels)), _MIN_FITTED)
    with threadpool_limits(1, "blas"):  # more threads are slower as soon as anything else runs
        for others, these in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(rows, labels):
            fitted = np.sort(rng.permutation(others)[:most])
            classifier = _fit(rows[fitted], labels[fitted])
            for start in range(0, len(these), _CHUNK):
                _write_probabilities(classifier, rows, labels, these[start : start + _CHUNK], opinion)
    return opinion


def classifier_doubts(opinion: Opinion, labels: np.ndarray) -> np.ndarray:
    """Returns where another class is the most probable one, and no less probable than for images of it on average.

    A classifier that agrees with fewer than half of the labels doubts none: it says more of itself than of the labels.

    Args:
        opinion: of a classifier that was not trained on the labels.
        labels: `(n,)` int.

    Returns:
        The doubts, `(n,)` bool.
    """
    if (opinion.favoured == labels).mean() < MIN_AGREEMENT:
        return np.zeros(len(labels), bool)
    images = np.maximum(np.bincount(labels), 1)
    thresholds = np.bincount(labels, opinion.own) / images
    return np.asarray((opinion.favoured != labels) & (opinion.support >= thresholds[opinion.favoured]))


def most_common(around: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the most common value of each row of `(n, k)` int, and how often it occurs there, both `(n,)` int."""
    counts = np.stack([(around == column[:, None]).sum(axis=1) for column in around.T], axis=1)
    first, each = counts.argmax(axis=1), np.arange(len(around))
    return around[each, first], counts[each, first]


def _fit(rows: np.ndarray, labels: np.ndarray) -> Pipeline:
    likeness = Nystroem(gamma=0.5, n_components=min(_LANDMARKS, len(rows)), random_state=SEED)
    classifier = make_pipeline(likeness, LogisticRegression(C=3, max_iter=_STEPS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that steps, or images of a class, are few: both are bounded on purpose
        return classifier.fit(rows, labels)


def _write_probabilities(
    classifier: Pipeline, rows: np.ndarray, labels: np.ndarray, these: np.ndarray, opinion: Opinion
) -> None:
    probabilities, classes = classifier.predict_proba(rows[these]), classifier.classes_
    opinion.favoured[these] = classes[probabilities.argmax(axis=1)]
    opinion.support[these] = probabilities.max(axis=1)
    opinion.own[these] = (probabilities * (classes == labels[these, None])).sum(axis=1)  # 0 for a class it has not seen
