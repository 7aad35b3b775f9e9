"""Images of many objects to batches of the model, and its predictions to the rows of their documents. No LiteRT here.

A model may have no number for one image, such as a blank one if it divides by the deviation of an image's pixels. Then
the object of that image fails, and no other object of the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np

from handler.contract import Model, Scores
from handler.errors import BadArtifact
from handler.formats.image import Image, Unreadable
from handler.predictions import Prediction, RejectedImage, predict
from handler.work import Work, isolated


class Batcher(msgspec.Struct, frozen=True):
    """Classifies images with `model`, which sees `batch_images` images in one call."""

    model: Model
    batch_images: int

    def classify(self, items: Iterable[tuple[Work, Image | Unreadable | None] | None]) -> Iterator[Work]:
        """Runs the model on full batches, and yields each work once its last image is classified.

        `items` are images with the work they belong to, and each work once more, without an image, when it has no more. None
        says that the next item may take long, so the images that wait are classified without it.
        """
        pending: list[tuple[Work, Image | Unreadable]] = []
        ended: list[Work] = []
        for item in items:
            if item and item[1] is not None:
                pending.append((item[0], item[1]))
            elif item:
                ended.append(item[0])
            if len(pending) == self.batch_images or not pending or item is None:
                self._classify(pending)
                pending.clear()
                yield from ended
                ended.clear()
        self._classify(pending)
        yield from ended

    def _classify(self, pending: Sequence[tuple[Work, Image | Unreadable]]) -> None:
        """Classifies a batch, and adds the row of each image to the document that the image belongs to, in order."""
        images = [image for _, image in pending if isinstance(image, Image)]
        predictions: Iterator[Prediction | BadArtifact] = iter(())
        if images:
            scores = self.model.classify(np.stack([image.pixels for image in images]))
            predictions = iter(self._predict([image.name for image in images], scores))
        for work, image in pending:
            row = next(predictions) if isinstance(image, Image) else _row(image)
            with isolated(work):
                if work.writer and not work.rejection and not work.failure:
                    if isinstance(row, BadArtifact):
                        work.failure = row
                    else:
                        work.writer.add(row)

    def _predict(self, names: Sequence[str], scores: Scores) -> Sequence[Prediction | BadArtifact]:
        """Returns the prediction for each image, or what is wrong with the model's answer for it."""
        try:
            return predict(names, scores, self.model.manifest)
        except BadArtifact as error:
            if len(names) == 1:
                return [error]
        pairs = zip(names, scores.singly(), strict=True)
        return [row for name, alone in pairs for row in self._predict([name], alone)]


def _row(image: Unreadable) -> RejectedImage:
    return RejectedImage(image.name, type(image.error).__name__, str(image.error))
