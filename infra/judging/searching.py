"""Looks labels up for the images of one set of predictions, and tells which labels are of none. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from infra.errors import InfraError
from training.data.labels import Label, Labels


class Search:
    """Finds the label of one image after the other, each label for one image alone."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._found: set[Label] = set()

    def find(self, buckets: Iterable[str], key: str, image: str) -> Label | None:
        """Returns the label of an image whose object lies in some of the buckets, which copies may differ in; None without one.

        Raises:
            InfraError: the label is that of an image that was looked up before, so that nobody knows which of both it is of.
        """
        found = (self._labels.find(bucket, key, image) for bucket in buckets)
        label = next((one for one in found if one), None)
        if label in self._found:
            name = label.image or label.name
            raise InfraError(
                f"Expected labels of one image each. Received: {name}, which is {key} and another image too; "
                "name images by their path in the folder that was scored, and give one set of documents."
            )
        if label:
            self._found.add(label)
        return label

    @property
    def missing(self) -> int:
        """The number of labels that were found for no image so far."""
        return len(self._labels) - len(self._found)
