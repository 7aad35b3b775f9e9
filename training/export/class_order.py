"""Finds out by labelled images whether the classes are named in another order than that of the model's outputs. Pure.

In every function, `predicted` and `labels` are `(n,)` int: the index of the model's largest output for each image, and that of
the image's class among the names as they were given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest

FAR_MORE_ACCURATE = (
    0.1  # difference in accuracy, 0..1, from which on another order of classes, or range of pixels, is pointed out
)
MAX_PROBABILITY = 0.005  # with which chance alone may speak for an order; two are tried, so 0.01 for both
MAX_NAMED = 10  # names of classes in a warning
MAX_CLASSES = (
    5_000  # for which every order is considered; the table of counts takes 200 MB then, and 400 MB more while it is used
)


@dataclass(frozen=True, slots=True)
class Order:
    """Holds an order of the classes that fits far better than the given one.

    `classes` are the names in the order of the model's outputs; the accuracies, 0..1, are those of this order and of the given
    one, on the `images` that had no part in finding it.
    """

    classes: tuple[str, ...]
    accuracy: float
    given_accuracy: float
    images: int


def describe_doubt(predicted: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> str | None:
    """Describes for the user why the order of `classes` is in doubt; None if it is not."""
    order = find_better_order(predicted, labels, classes)
    if order is None:
        return None
    alphabetical = ", which is the alphabetical one of folders" if order.classes == tuple(sorted(classes)) else ""
    return (
        f"the classes seem to be in the wrong order: {order.given_accuracy:.1%} of {order.images} images are right, and "
        f"{order.accuracy:.1%} would be with {_name_order(order.classes, classes)}{alphabetical}; "
        "if that was the order in training, correct the file of classes and adopt the model again"
    )


def find_better_order(predicted: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> Order | None:
    """Finds an order of the classes under which far more images are right; None if there is none.

    Some order always fits given images best, so it is found on one half of the images of each class, and counts only if it is
    better on the other half too: by `FAR_MORE_ACCURATE`, by more than an exact sign test leaves to chance, and better than an
    answer that is always the same. The alphabetical order, which Keras and PyTorch give to folders, is tried as well, and alone
    can place classes without images.
    """
    by_class = np.argsort(labels, kind="stable")
    finding, checking = by_class[::2], by_class[1::2]
    if not len(checking):
        return None
    alphabetical = np.array(sorted(range(len(classes)), key=classes.__getitem__))
    candidates = [alphabetical]
    if len(classes) <= MAX_CLASSES:
        candidates.append(_best_order(predicted[finding], labels[finding], len(classes)))
    right = [order[predicted[checking]] == labels[checking] for order in candidates]
    best = int(np.argmax([hits.sum() for hits in right]))  # the alphabetical order, where both are as good
    given = predicted[checking] == labels[checking]
    if not _is_far_better(right[best], given) or _may_be_chance(right[best], labels[checking]):
        return None
    names = tuple(classes[index] for index in candidates[best])
    return Order(names, float(right[best].mean()), float(given.mean()), len(checking))


def _best_order(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Returns the class of each output, `(classes,)` int, with which most images are right; ties leave classes in place."""
    hits = np.zeros((classes, classes), np.int64)  # of each output, the images of each class
    np.add.at(hits, (predicted, labels), classes + 1)
    np.fill_diagonal(hits, hits.diagonal() + 1)
    _, order = linear_sum_assignment(hits, maximize=True)
    return np.asarray(order)


def _is_far_better(right: np.ndarray, given: np.ndarray) -> bool:
    """Returns whether `right` is true far more often than `given`, both `(n,)` bool, and an exact sign test confirms it."""
    gained, lost = int((right & ~given).sum()), int((given & ~right).sum())
    if gained - lost < FAR_MORE_ACCURATE * len(given):
        return False
    return bool(binomtest(gained, gained + lost, alternative="greater").pvalue < MAX_PROBABILITY)


def _may_be_chance(right: np.ndarray, labels: np.ndarray) -> bool:
    """Returns whether `right`, `(n,)` bool, may be as true as if the class with the most images were every answer."""
    share = float(np.bincount(labels).max() / len(labels))
    test = binomtest(int(right.sum()), len(labels), share, alternative="greater")
    return bool(test.pvalue > MAX_PROBABILITY)


def _name_order(order: tuple[str, ...], given: tuple[str, ...]) -> str:
    if len(order) <= MAX_NAMED:
        return f"the order {', '.join(order)}"
    moved = [f"{name} at line {line}" for line, (name, old) in enumerate(zip(order, given, strict=True), 1) if name != old]
    rest = f" and {len(moved) - MAX_NAMED} more" if len(moved) > MAX_NAMED else ""
    return f"{', '.join(moved[:MAX_NAMED])}{rest}"
