"""Learns classes by the features of a pretrained network. Pure: arrays in, values out.

The classes are told apart by a multinomial logistic regression, in which images that show none of them are a class of their
own: Hendrycks, Mazeika and Dietterich, "Deep Anomaly Detection with Outlier Exposure", ICLR 2019, arXiv:1812.04606.

How much an image is like the training images is told by two measures together. One is the logarithm of the odds that it is of
one of the classes. The other is the cosine of the angle to the nearest of a few prototypes, which are the centres of clusters
of the training images' features: a small form of the distance to the nearest neighbours, Sun et al., "Out-of-Distribution
Detection with Deep Nearest Neighbors", ICML 2022, arXiv:2204.06507.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from training.errors import DataError
from training.export.judged import Judged

# C of the regression, if it sees each image once; from 0.008 to 0.08, the same share of photos of clothes is right within a
# point. It is divided by the number of views, so that heads are equally sure whatever number they learn from.
INVERSE_PENALTY = 0.024
PROTOTYPES = 128  # at most; from 64 to 512, the same foreign kinds are caught among photos of clothes
IMAGES_A_PROTOTYPE = 4  # at least
WEIGHT_OF_ODDS = 0.08  # against a weight of 1 of the cosine; from 0.03 to 0.1, the same foreign kinds are caught
FOLDS = 5
FEW_VIEWS = 2
SEED = 0

_NEVER = -30.0  # the logit of a class that no training image is of


@dataclass(frozen=True, slots=True)
class Features:
    """Holds the features of training images, and of images that show none of the classes.

    `views` is `(views, n, d)` float32, of which the first view is of the images as they are; `labels` is `(n,)` int, and
    `classes` the number of classes. `foreign` is `(views, m, d)` float32.
    """

    views: np.ndarray
    labels: np.ndarray
    classes: int
    foreign: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: np.ndarray) -> Features:
        """Returns the features of some images, `chosen` by position."""
        return Features(self.views[:, chosen], self.labels[chosen], self.classes, self.foreign)

    def few(self) -> Features:
        """Returns the features of the first views."""
        return Features(self.views[:FEW_VIEWS], self.labels, self.classes, self.foreign[:FEW_VIEWS])


@dataclass(frozen=True, slots=True)
class Head:
    """Maps features to logits and to a familiarity.

    `weights` is `(d, classes + 1)` and `bias` `(classes + 1,)`, where the last logit is that of an image of none of the
    classes; `prototypes` is `(p, d)` with rows of length 1.
    """

    weights: np.ndarray
    bias: np.ndarray
    prototypes: np.ndarray

    def judge(self, features: np.ndarray, labels: np.ndarray) -> Judged:
        """Judges images of known labels, `(n,)`, by their features, `(n, d)`."""
        logits = features @ self.weights + self.bias
        odds = logsumexp(logits[:, :-1], axis=1) - logits[:, -1]
        cosine = (_of_length_one(features) @ self.prototypes.T).max(axis=1)
        return Judged(logits[:, :-1], cosine + WEIGHT_OF_ODDS * odds, labels)


def fit_head(features: Features) -> Head:
    """Fits a head to every view of every image; prototypes are of the training images as they are.

    A class without an image is never predicted.
    """
    weights = np.zeros((features.views.shape[2], features.classes + 1), np.float32)
    bias = np.full(features.classes + 1, _NEVER, np.float32)
    rows = np.concatenate([*features.views, *features.foreign])
    known = np.tile(features.labels, len(features.views))
    labels = np.concatenate([known, np.full(len(rows) - len(known), features.classes)])
    regression = LogisticRegression(C=INVERSE_PENALTY / len(features.views), max_iter=200, tol=1e-3).fit(rows, labels)
    coefficients, intercepts = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:  # a single class and none; one row stands for both then
        coefficients, intercepts = (
            np.concatenate([-coefficients, coefficients]) / 2,
            np.concatenate([-intercepts, intercepts]) / 2,
        )
    weights[:, regression.classes_], bias[regression.classes_] = coefficients.T, intercepts
    return Head(weights, bias, find_prototypes(features.views[0]))


def cross_validate(features: Features) -> Judged:
    """Judges images, as they are, by one of a few heads: the one that was fitted without it, in the order of the heads.

    The heads learn from few views only, which is quicker, and a little strict on the head that learns from all of them. All of
    them learn the same foreign images, some of which hold parts of the images that they judge; so these seem a little less
    familiar than new ones will.
    """
    judged = []
    for train, held_out in divide(features.labels, FOLDS):
        head = fit_head(features.take(train).few())
        judged.append(head.judge(features.views[0, held_out], features.labels[held_out]))
    return Judged.join(judged)


def divide(labels: np.ndarray, folds: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Divides images into `folds` parts with about the same share of every class.

    Args:
        labels: `(n,)` int.
        folds: the number of parts, at least two.

    Yields:
        The positions of the images outside of a part, and of those in it; without those of a class of which no image is
        outside, since who learns from the others knows no such class.

    Raises:
        DataError: no class has two images.
    """
    counts = np.bincount(labels)
    if counts.max() < 2:
        raise DataError(
            f"Expected at least two training images of a class. Received: one of each of {len(labels)} classes; add images."
        )
    parts = StratifiedKFold(min(folds, int(counts.max())), shuffle=True, random_state=SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a class has few images, which is said elsewhere
        for train, held_out in parts.split(labels, labels):
            yield train, held_out[np.isin(labels[held_out], labels[train])]


def find_prototypes(features: np.ndarray) -> np.ndarray:
    """Finds the centres of clusters of features, `(n, d)`, as rows of length 1, `(p, d)` float32."""
    rows = _of_length_one(features)
    count = max(1, min(PROTOTYPES, len(rows) // IMAGES_A_PROTOTYPE))
    return _of_length_one(KMeans(count, n_init=1, max_iter=30, random_state=SEED).fit(rows).cluster_centers_)


def _of_length_one(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)
