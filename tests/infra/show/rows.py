"""Rows of documents, made by hand: what tables, and what else is made of rows, are tested with."""

from datetime import UTC, datetime

from handler.predictions import Input, ModelName, Prediction, RejectedImage
from infra.show.documents import Row

MODEL = ModelName("fashion-mnist", "1.5.0", "ab" * 32)
WRITTEN_AT = datetime(2026, 11, 28, 23, 59, 59, 123000, tzinfo=UTC)


def predicted(key="rack/coat.png", *, written_at=WRITTEN_AT, size_bytes=544, form="png", **fields):
    name = key.rsplit("/", 1)[-1]
    values = {"image": name, "class_index": 4, "class_name": "Coat", "confidence": 0.75, "unsure": False} | fields
    source = Input("photos", key, "e0", None, size_bytes, form)
    return Row(source, MODEL, Prediction(**{"probabilities": [0.25, 0.75]} | values), written_at=written_at)


def rejected(key="rack/torn.png"):
    source = Input("photos", key, "e1", "v1", 7, "png")
    problem = RejectedImage(key.rsplit("/", 1)[-1], "UnreadableImage", "Expected a whole one.")
    return Row(source, MODEL, problem, is_object=True, written_at=WRITTEN_AT)
