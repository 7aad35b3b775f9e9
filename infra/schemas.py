"""Writes the JSON Schemas that ship with the handler, from the types that write the documents.

coatcheck schemas        must be run after a change of a document's type; a test fails as long as the files are out of date
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from handler.contract import Manifest
from handler.predictions import (
    LinesEnd,
    LinesHead,
    ListDocument,
    Prediction,
    PredictionDocument,
    RejectedImage,
    RejectionDocument,
)
from infra.paths import ROOT

DIRECTORY = ROOT / "handler" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def render_schemas() -> dict[str, bytes]:
    """Returns the content of each schema file, by name; a document in lines is valid if each of its lines is."""
    schemas = {
        "predictions.json": _schema(PredictionDocument),
        "prediction-lines.json": _schema(LinesHead, Prediction, RejectedImage, LinesEnd),
        "rejection.json": _schema(RejectionDocument),
        "list.json": _schema(ListDocument),
        "artifact.json": _schema(Manifest),
    }
    return {name: msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n" for name, schema in schemas.items()}


def write_schemas() -> list[Path]:
    """Writes each schema file, and returns their paths."""
    for name, content in render_schemas().items():
        (DIRECTORY / name).write_bytes(content)
    return [DIRECTORY / name for name in render_schemas()]


def _schema(*types: type) -> dict[str, Any]:
    references, definitions = msgspec.json.schema_components(types)
    choice: dict[str, Any] = {"oneOf": list(references)} if len(references) > 1 else references[0]
    for definition in definitions.values():
        # Joined to one line, because Python 3.13 strips the indentation of docstrings and older versions keep it.
        definition["description"] = " ".join(definition.get("description", "").split())
    return {"$schema": DIALECT} | choice | {"$defs": definitions}
