"""Measures predictions against the labels of people, as rows pass by. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from handler.predictions import Prediction
from infra.judging.statistics import Share

BINS = 15  # of confidence, equally wide; as many as for the figures of a model's card, which so can be compared


@dataclass(slots=True)
class Bin:
    """The images whose confidence lies in one bin: their number, the sum of their confidences, and how many are right."""

    images: int = 0
    confidence: float = 0.0
    right: int = 0


@dataclass(slots=True)
class Marked:
    """The images that are marked, for example as unsure, and those that are not: how many are right and wrong."""

    right: int = 0
    wrong: int = 0
    right_unmarked: int = 0
    wrong_unmarked: int = 0

    def add(self, *, is_marked: bool, is_right: bool) -> None:
        """Counts one image."""
        name = ("right" if is_right else "wrong") + ("" if is_marked else "_unmarked")
        setattr(self, name, getattr(self, name) + 1)

    @property
    def caught(self) -> Share:
        """The share of the wrong predictions that is marked."""
        return Share(self.wrong, self.wrong + self.wrong_unmarked)

    @property
    def needless(self) -> Share:
        """The share of the right predictions that is marked, and so looked at for nothing."""
        return Share(self.right, self.right + self.right_unmarked)

    @property
    def right_when_trusted(self) -> Share:
        """The share of what is not marked that is right."""
        return Share(self.right_unmarked, self.right_unmarked + self.wrong_unmarked)


@dataclass(slots=True)
class Evaluation:
    """The figures of a model on labelled images.

    `pairs` counts the images by their true and their predicted class, `of_class` by the true and `as_class` by the other one.
    `rejected` counts labelled images that could not be read, which are in no other figure, `unlabelled` the images that
    nobody gave a class, and `missing` the labels whose images are in no document. `unsure` and `unfamiliar` are None as long as
    no document tells of them.
    """

    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    of_class: Counter[str] = field(default_factory=Counter)
    as_class: Counter[str] = field(default_factory=Counter)
    bins: list[Bin] = field(default_factory=lambda: [Bin() for _ in range(BINS)])
    unsure: Marked | None = None
    unfamiliar: Marked | None = None
    rejected: int = 0
    unlabelled: int = 0
    missing: int = 0

    def add(self, prediction: Prediction, true_class: str) -> None:
        """Counts one image whose class is known."""
        is_right = prediction.class_name == true_class
        self.pairs[true_class, prediction.class_name] += 1
        self.of_class[true_class] += 1
        self.as_class[prediction.class_name] += 1
        one = self.bins[min(int(prediction.confidence * BINS), BINS - 1)]
        one.images += 1
        one.confidence += prediction.confidence
        one.right += is_right
        if isinstance(prediction.unsure, bool):
            self.unsure = self.unsure or Marked()
            self.unsure.add(is_marked=prediction.unsure, is_right=is_right)
        if isinstance(prediction.unfamiliar, bool):
            self.unfamiliar = self.unfamiliar or Marked()
            self.unfamiliar.add(is_marked=prediction.unfamiliar, is_right=is_right)

    @property
    def images(self) -> int:
        """The number of labelled images that were classified."""
        return self.pairs.total()

    @property
    def accuracy(self) -> Share:
        """The share of these that are right."""
        return Share(sum(count for (true, predicted), count in self.pairs.items() if true == predicted), self.images)

    def recall(self, name: str) -> Share:
        """Returns the share of a class's images that were predicted as such."""
        return Share(self.pairs[name, name], self.of_class[name])

    def precision(self, name: str) -> Share:
        """Returns the share of the predictions of a class that are right."""
        return Share(self.pairs[name, name], self.as_class[name])

    @property
    def calibration_error(self) -> float | None:
        """The mean distance of accuracy from confidence over the bins, weighted by images, 0..1; None without images.

        Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599, equation 3.
        """
        if not self.images:
            return None
        return sum(abs(one.confidence - one.right) for one in self.bins) / self.images
