"""Defines the columns of tables: a row of a document, flattened, with one value for each column. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from handler.predictions import Prediction, RejectedImage
from infra.show.documents import Row


class Record(msgspec.Struct, frozen=True):
    """One row of a table; the fields are the columns, in their order, and mean what they mean in documents.

    A rejected image has an `error` and its `message`, and no prediction; all others have a prediction and no error. `unsure`
    and `unfamiliar` are also None if the model has no such threshold. `probabilities` are in the order of the model's classes.
    `object` is `bucket/key`, as in labels that people give, and `written_at` the time of the document's file or object.
    """

    object: str
    bucket: str
    key: str
    image: str
    class_name: str | None
    class_index: int | None
    confidence: float | None
    unsure: bool | None
    unfamiliar: bool | None
    probabilities: list[float] | None
    error: str | None
    message: str | None
    format: str | None
    size_bytes: int
    etag: str
    version_id: str | None
    model_name: str
    model_version: str
    model_sha256: str
    written_at: datetime | None


COLUMNS = Record.__struct_fields__


def flatten(row: Row) -> Record:
    """Returns the row of a table for a row of a document."""
    source, model, result = row.input, row.model, row.result
    made = result if isinstance(result, Prediction) else None
    problem = result if isinstance(result, RejectedImage) else None
    return Record(
        object=row.object,
        bucket=source.bucket,
        key=source.key,
        image=result.image,
        class_name=made.class_name if made else None,
        class_index=made.class_index if made else None,
        confidence=made.confidence if made else None,
        unsure=_known(made.unsure) if made else None,
        unfamiliar=_known(made.unfamiliar) if made else None,
        probabilities=made.probabilities if made else None,
        error=problem.error if problem else None,
        message=problem.message if problem else None,
        format=source.format,
        size_bytes=source.size_bytes,
        etag=source.etag,
        version_id=source.version_id,
        model_name=model.name,
        model_version=model.version,
        model_sha256=model.sha256,
        written_at=row.written_at,
    )


def _known(value: bool | msgspec.UnsetType) -> bool | None:
    return None if value is msgspec.UNSET else value
