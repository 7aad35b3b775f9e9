"""Learns classes by the features of a pretrained network. Pure: arrays in, values out.

The classes are told apart by a multinomial logistic regression. How much an image is like the training images is told by the
cosine of the angle to the nearest of a few prototypes, which are the centres of clusters of the training images' features: a
small form of the distance to the nearest neighbours, Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors",
ICML 2022, arXiv:2204.06507.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

INVERSE_PENALTY = 0.003  # C of the regression; from 0.001 to 0.01, the same share of photos of clothes is right within a point
PROTOTYPES = 128  # at most; from 64 to 512, the same foreign kinds are caught among photos of clothes
IMAGES_A_PROTOTYPE = 4  # at least
FOLDS = 5
FEW_VIEWS = 2


@dataclass(frozen=True, slots=True)
class Features:
    """Holds the features of training images.

    `views` is `(views, n, d)` float32, of which the first view is of the images as they are; `labels` is `(n,)` int, and
    `classes` the number of classes.
    """

    views: np.ndarray
    labels: np.ndarray
    classes: int

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: np.ndarray) -> Features:
        """Returns the features of some images, `chosen` by position."""
        return Features(self.views[:, chosen], self.labels[chosen], self.classes)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Holds logits `(n, classes)` float32 and familiarities `(n,)` float32, -1..1, of some images, and their labels, `(n,)`."""

    logits: np.ndarray
    familiarity: np.ndarray
    labels: np.ndarray

    @property
    def accuracy(self) -> float:
        """The share of the images, 0..1, whose largest logit is that of their label."""
        return float((self.logits.argmax(axis=1) == self.labels).mean())

    def take(self, chosen: np.ndarray) -> Judgement:
        """Returns what was said of some images, `chosen` by position."""
        return Judgement(self.logits[chosen], self.familiarity[chosen], self.labels[chosen])


@dataclass(frozen=True, slots=True)
class Head:
    """Maps features to logits and to a familiarity.

    `weights` is `(d, classes)`, `bias` `(classes,)`, and `prototypes` `(p, d)` with rows of length 1.
    """

    weights: np.ndarray
    bias: np.ndarray
    prototypes: np.ndarray

    def judge(self, features: np.ndarray, labels: np.ndarray) -> Judgement:
        """Judges images of known labels, `(n,)`, by their features, `(n, d)`."""
        nearness = _of_length_one(features) @ self.prototypes.T
        return Judgement(features @ self.weights + self.bias, nearness.max(axis=1), labels)


def fit_head(features: Features) -> Head:
    """Fits a head to every view of every image; prototypes are of the images as they are.

    A class without an image is never predicted.
    """
    views, n, dimensions = features.views.shape
    weights = np.zeros((dimensions, features.classes), np.float32)
    bias = np.full(features.classes, _NEVER, np.float32)
    prototypes = find_prototypes(features.views[0])
    if len(np.unique(features.labels)) == 1:
        bias[features.labels[0]] = 0
        return Head(weights, bias, prototypes)
    regression = LogisticRegression(C=INVERSE_PENALTY, max_iter=200, tol=1e-3)
    regression.fit(features.views.reshape(views * n, dimensions), np.tile(features.labels, views))
    coefficients, intercepts = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:  # one row stands for both classes then
        coefficients, intercepts = (
            np.concatenate([-coefficients, coefficients]) / 2,
            np.concatenate([-intercepts, intercepts]) / 2,
        )
    weights[:, regression.classes_], bias[regression.classes_] = coefficients.T, intercepts
    return Head(weights, bias, prototypes)


def cross_validate(features: Features) -> Judgement:
    """Judges each image, as it is, by a head that was fitted without it.

    There are `FOLDS` such heads, or as many as the smallest class has images, which is at least two. They learn from a few
    views only, which is quicker, and a little strict on the head that learns from all of them.
    """
    counts = np.bincount(features.labels, minlength=features.classes)
    folds = StratifiedKFold(max(2, int(min(FOLDS, counts[counts > 0].min()))), shuffle=True, random_state=0)
    logits = np.empty((len(features), features.classes), np.float32)
    familiarity = np.empty(len(features), np.float32)
    for train, held_out in folds.split(features.labels, features.labels):
        few = features.take(train)
        head = fit_head(Features(few.views[:FEW_VIEWS], few.labels, few.classes))
        judged = head.judge(features.views[0, held_out], features.labels[held_out])
        logits[held_out], familiarity[held_out] = judged.logits, judged.familiarity
    return Judgement(logits, familiarity, features.labels)


_NEVER = -30.0  # a logit of a class that no training image is of


def find_prototypes(features: np.ndarray) -> np.ndarray:
    """Finds the centres of clusters of features, `(n, d)`, as rows of length 1, `(p, d)` float32."""
    rows = _of_length_one(features)
    count = max(1, min(PROTOTYPES, len(rows) // IMAGES_A_PROTOTYPE))
    return _of_length_one(KMeans(count, n_init=1, max_iter=30, random_state=0).fit(rows).cluster_centers_)


def _of_length_one(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)
