"""Finds images whose labels are doubtful, because images that look alike carry another label. Pure: arrays in, doubts out.

Two judges look at each label, and neither knows the model: if the model judged, its mistakes would be doubtful by definition,
and where it learnt wrong labels by heart, it would find none of them.

- The neighbours: the ten images that look most alike. They doubt a label if at least eight of them carry another one, the same.
- The probabilities of a classifier of the images' descriptions that has not seen the label, as it is trained on four fifths of
  the images and applied to the others (cross-validation). They doubt a label if another class is the most probable one, and as
  probable as it is for images of that class on average: Northcutt, Jiang and Chuang, "Confident Learning: Estimating
  Uncertainty in Dataset Labels", JAIR 70, 2021, arXiv:1911.00068.

Measured on images in which 3% of the labels were changed at random, so that each row also counts labels that were wrong before:

    6,000 images of Fashion-MNIST     3,068 photos of clothes, 32x32x3
    precision  recall                 precision  recall
         44%     68%                       48%     41%           the neighbours doubt
         35%     72%                       22%     75%           the probabilities doubt
         31%     81%                       22%     77%           either doubts
         67%     67%                       52%     52%           the first 3% of the list
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.report.judges import NEIGHBOURS, SEED, Opinion, ask_classifier, ask_neighbours, classifier_doubts

MOSTLY = 8  # neighbours that carry the same other label; fewer find more changed labels, and many more that are right
MIN_CLASS_IMAGES = NEIGHBOURS + 1  # a label that fewer images carry could not win among the neighbours, so it is not judged
MAX_IMAGES = 100_000  # that are judged, drawn at random if there are more, since the time grows with the square of their number


@dataclass(frozen=True, slots=True)
class Doubt:
    """Tells why the label of the image at `position` is doubtful; classes are indices.

    `nearby` is the class that most of the neighbours carry and `votes` the number of these, `likely` is the most probable class
    and `probability` its probability. `strength`, -1..1, is how much more speaks for these classes than for the label: the mean
    of the difference in the shares of the neighbours and of that in the probabilities.
    """

    position: int
    label: int
    nearby: int
    votes: int
    likely: int
    probability: float
    by_neighbours: bool
    by_probabilities: bool
    strength: float

    @property
    def looks_like(self) -> int:
        """Returns the class that the image probably shows."""
        return self.likely if self.by_probabilities else self.nearby


@dataclass(frozen=True, slots=True)
class Doubts:
    """Holds the doubtful labels, the strongest doubt first, and `judged`, `(n,)` bool: the images whose labels were judged.

    `agreement` is the fraction of the judged labels that the classifier agrees with. Below `MIN_AGREEMENT`, it doubts none.
    """

    found: tuple[Doubt, ...]
    judged: np.ndarray
    agreement: float

    def marked(self) -> np.ndarray:
        """Returns which of the images have a doubtful label, `(n,)` bool."""
        marks = np.zeros(len(self.judged), bool)
        marks[[doubt.position for doubt in self.found]] = True
        return marks


def find_doubts(described: np.ndarray, labels: np.ndarray) -> Doubts:
    """Finds the images whose label one of the judges doubts. It takes a minute for 70,000 images.

    Labels of classes of fewer than `MIN_CLASS_IMAGES` images are not judged, nor is any label if there are no two other
    classes. Of more than `MAX_IMAGES` images, only those are judged that are drawn at random.

    Args:
        described: `(n, d)` float32, as `training.report.likeness.describe` returns them.
        labels: `(n,)` int, 0 or more.
    """
    judged = _choose(labels)
    if len(np.unique(labels[judged])) < 2:
        return Doubts((), np.zeros(len(labels), bool), 0.0)
    positions = np.flatnonzero(judged)
    rows, known = described[positions], labels[positions]
    neighbours, classifier = ask_neighbours(rows, known), ask_classifier(rows, known)
    found = _weigh(positions, known, neighbours, classifier)
    return Doubts(tuple(found), judged, float((classifier.favoured == known).mean()))


def _choose(labels: np.ndarray) -> np.ndarray:
    """Returns which images are judged, `(n,)` bool."""
    drawn = np.zeros(len(labels), bool)
    drawn[np.random.default_rng(SEED).permutation(len(labels))[:MAX_IMAGES]] = True
    images = np.bincount(labels[drawn], minlength=int(labels.max(initial=0)) + 1)
    return np.asarray(drawn & (images >= MIN_CLASS_IMAGES)[labels])


def _weigh(positions: np.ndarray, labels: np.ndarray, neighbours: Opinion, classifier: Opinion) -> list[Doubt]:
    """Returns the doubts of both judges, the strongest first."""
    votes = np.rint(neighbours.support * NEIGHBOURS).astype(int)
    by_neighbours = (neighbours.favoured != labels) & (votes >= MOSTLY)
    by_probabilities = classifier_doubts(classifier, labels)
    strength = (neighbours.support - neighbours.own + classifier.support - classifier.own) / 2
    order = np.argsort(-strength, kind="stable")
    chosen = order[(by_neighbours | by_probabilities)[order]]
    columns = (
        *(positions, labels, neighbours.favoured, votes, classifier.favoured, classifier.support),
        *(by_neighbours, by_probabilities, strength),
    )
    return [Doubt(*row) for row in zip(*(column[chosen].tolist() for column in columns), strict=True)]
