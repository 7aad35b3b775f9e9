"""Copies the artifact of another model to where the function reads it from, under the digest of its manifest."""

from __future__ import annotations

from handler.backlog.keeping import create
from handler.backlog.runs import Places
from handler.contract import MANIFEST_FILE, MODEL_FILE
from handler.deadline import Deadline
from handler.objects import ObjectRef
from handler.store import Store
from infra.locations import parse_artifact, read_artifact

_WRITE_S = 300
_TYPES = {MODEL_FILE: "application/octet-stream", MANIFEST_FILE: "application/json"}  # the manifest last: then it is complete


def share_artifact(store: Store, places: Places, text: str) -> str:
    """Copies an artifact, which is loaded first, so that a broken one is noticed, and returns its digest.

    Copying it again changes nothing, since files are written on the condition that there is none.

    Raises:
        BadArtifact: it is missing or broken.
        StorageUnavailable: S3 failed.
    """
    model, files = read_artifact(parse_artifact(text))
    folder = places.model(model.manifest_sha256)
    for name, content_type in _TYPES.items():
        create(store, ObjectRef(folder.bucket, f"{folder.prefix}{name}"), files[name], content_type, Deadline.after(_WRITE_S))
    return model.manifest_sha256
