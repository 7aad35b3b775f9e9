"""Defines the content of the documents. Pure.

One object in, one document out. The same object and the same model give the same bytes: a document holds no clock and no
request id. Readers ignore the fields that they do not know, since later versions may add some. `handler.writing` writes
documents in their layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np

from handler.contract import Manifest, Scores, Sha256
from handler.errors import BadArtifact, RejectedInput
from handler.store import StoredObject

DECIMALS = 6  # of probabilities and confidences; float32 holds no more

Count = Annotated[int, msgspec.Meta(ge=0)]
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Input(msgspec.Struct, frozen=True):
    """The object that was scored, in the state that was scored.

    `format` is the format by which the content was recognised, whatever the key says; it is null if no format was recognised.
    """

    bucket: str
    key: str
    etag: str
    version_id: str | None
    size_bytes: Count
    format: str | None


class ModelName(msgspec.Struct, frozen=True):
    """The model that scored the object; `sha256` is the digest of the model file."""

    name: str
    version: str
    sha256: Sha256


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """The prediction for one image.

    `probabilities` has one value for each class, in index order. `unsure` is present if the model's manifest has a threshold of
    confidence, and `unfamiliar`, which is true for an image that is not like the training data, if it has one of familiarity.
    """

    image: str
    class_index: Count
    class_name: str
    confidence: Probability
    unsure: bool | msgspec.UnsetType = msgspec.UNSET
    unfamiliar: bool | msgspec.UnsetType = msgspec.UNSET
    probabilities: list[Probability]


class RejectedImage(msgspec.Struct, frozen=True):
    """An image, or a line of a list, that could not be read; `error` is the name of a class of `handler.errors`."""

    image: str
    error: str
    message: str


class Summary(msgspec.Struct, frozen=True):
    """The counts of an object's images; `mean_confidence` is null if no image could be read."""

    images: Count
    rejected: Count
    mean_confidence: Probability | None
    by_class: dict[str, Count]


class PredictionDocument(msgspec.Struct, frozen=True, tag_field="schema", tag="coatcheck.predictions/2"):
    """The predictions for one object, as one JSON value."""

    input: Input
    model: ModelName
    summary: Summary
    predictions: list[Prediction]
    rejected: list[RejectedImage]


class LinesHead(msgspec.Struct, frozen=True, tag_field="schema", tag="coatcheck.prediction-lines/2"):
    """The first line of a document in JSON Lines; lines of `Prediction` and `RejectedImage` follow."""

    input: Input
    model: ModelName


class LinesEnd(msgspec.Struct, frozen=True):
    """The last line of a document in JSON Lines; a document without this line is incomplete."""

    summary: Summary


class Problem(msgspec.Struct, frozen=True):
    """The reason why an object could not be scored; `name` is the name of a class of `handler.errors`."""

    name: str
    message: str


class RejectionDocument(msgspec.Struct, frozen=True, tag_field="schema", tag="coatcheck.rejection/2"):
    """The document of an object that cannot be read at all, in place of predictions."""

    input: Input
    model: ModelName
    error: Problem


class NamedObject(msgspec.Struct, frozen=True):
    """An object that a list names, and the place where its document will be."""

    object: str
    document: str


class ListSummary(msgspec.Struct, frozen=True):
    """The number of objects that a list names and that were accepted, and the number of rejected lines."""

    objects: Count
    rejected: Count


class ListDocument(msgspec.Struct, frozen=True, tag_field="schema", tag="coatcheck.list/2"):
    """The document of a list, whose objects were sent to be scored, each into a document of its own."""

    input: Input
    model: ModelName
    summary: ListSummary
    objects: list[NamedObject]
    rejected: list[RejectedImage]


Row = Prediction | RejectedImage


def name_input(source: StoredObject, kind: str | None) -> Input:
    """Returns the scored object as documents name it; `kind` is its format, None if no format was recognised."""
    return Input(source.ref.bucket, source.ref.key, source.etag, source.version_id, source.size_bytes, kind)


def name_model(manifest: Manifest) -> ModelName:
    """Returns the model as documents name it."""
    return ModelName(manifest.name, manifest.version, manifest.model.sha256)


def predict(names: Sequence[str], scores: Scores, manifest: Manifest) -> list[Prediction]:
    """Returns the prediction for each image of a batch, whose most probable class is predicted.

    `names` are the names of the images, one for each row of `scores`.

    Raises:
        BadArtifact: some probabilities are not finite, for which JSON has no numbers, or a familiarity is NaN. A verified model
            gives none for its golden batch, but may give some for another image.
    """
    probabilities = scores.probabilities
    if not np.isfinite(probabilities).all():
        raise BadArtifact("Expected finite probabilities of the model. Received: NaN or infinite ones; export it again.")
    if scores.familiarity is not None and np.isnan(scores.familiarity).any():
        raise BadArtifact("Expected a familiarity of each image. Received: NaN of the model; export it again.")
    winners = probabilities.argmax(axis=1)
    rows = np.round(probabilities.astype(np.float64), DECIMALS)
    confidences = rows[np.arange(len(rows)), winners]
    unsure_below = manifest.unsure_thresholds
    unfamiliar = _unfamiliar(scores, manifest)
    return [
        Prediction(
            image=name,
            class_index=winner,
            class_name=manifest.classes[winner],
            confidence=confidence,
            probabilities=row,
            unsure=confidence < unsure_below[winner] if unsure_below else msgspec.UNSET,
            unfamiliar=is_unfamiliar,
        )
        for name, winner, confidence, row, is_unfamiliar in zip(
            names, winners.tolist(), confidences.tolist(), rows.tolist(), unfamiliar, strict=True
        )
    ]


def render_rejection(source: StoredObject, kind: str | None, manifest: Manifest, error: RejectedInput) -> bytes:
    """Returns the rejection document of one object, as JSON."""
    problem = Problem(type(error).__name__, str(error))
    return msgspec.json.encode(RejectionDocument(input=name_input(source, kind), model=name_model(manifest), error=problem))


def _unfamiliar(scores: Scores, manifest: Manifest) -> Sequence[bool | msgspec.UnsetType]:
    """Returns whether each image of a batch is unfamiliar; nothing is said without a threshold, or without its output."""
    if scores.familiarity is None or manifest.unfamiliar_below is None:
        return [msgspec.UNSET] * len(scores.probabilities)
    are_unfamiliar: list[bool] = (scores.familiarity < manifest.unfamiliar_below).tolist()
    return are_unfamiliar
