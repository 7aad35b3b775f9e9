"""Finds the objects that a source names, opens them one at a time, and explains each. A folder may hold millions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from handler.contract import Model
from handler.deadline import Deadline
from handler.errors import ArchivedObject, TransientError
from handler.limits import Limits
from handler.objects import ObjectRef, Prefix
from infra.explain.explanation import Explanation, Reason, explain
from infra.locations import s3
from infra.score.sources import LocalFile, LocalFolder, RemoteObject, Source
from infra.score.walking import Unusable, walk

_READ_S = 300  # for one object in S3


@dataclass(frozen=True, slots=True)
class Unopened:
    """An object that could not be opened, at `place`, and why; the function would try again."""

    place: str
    reason: str


def explain_source(source: Source, model: Model, limits: Limits) -> Iterator[Explanation | Unopened]:
    """Yields what the function makes of each object of a source; one that cannot be opened does not stop the others.

    Raises:
        OSError: the folder itself cannot be read.
        TransientError: the prefix itself cannot be listed.
    """
    if isinstance(source, LocalFolder):
        for found in walk(source.folder):
            if isinstance(found, Unusable):
                yield Unopened(found.text, found.reason)
            else:
                yield _explain_file(source.folder / found, model, limits)
    elif isinstance(source, LocalFile):
        yield _explain_file(source.folder / source.key, model, limits)
    elif isinstance(source, RemoteObject):
        yield _explain_object(source.ref, model, limits)
    else:
        yield from _explain_prefix(source, model, limits)


def _explain_prefix(prefix: Prefix, model: Model, limits: Limits) -> Iterator[Explanation | Unopened]:
    for found in s3().list(prefix, "", deadline=Deadline.never()):
        yield _explain_object(found.ref, model, limits)


def _explain_file(path: Path, model: Model, limits: Limits) -> Explanation | Unopened:
    try:
        with path.open("rb") as file:
            return explain(str(path), path.name, file, path.stat().st_size, model, limits)
    except OSError as error:
        return Unopened(str(path), error.strerror or str(error))


def _explain_object(ref: ObjectRef, model: Model, limits: Limits) -> Explanation | Unopened:
    try:
        opened = s3().open(ref, deadline=Deadline.after(_READ_S))
        if opened is None:
            return Unopened(str(ref), "there is no such object")
        with closing(opened.body) as body:
            if opened.is_archived:
                error = ArchivedObject(f"Expected an object that can be read. Received: {opened.source.storage_class}.")
                return Explanation(str(ref), whole=Reason(ref.name, error))
            return explain(str(ref), ref.name, body, opened.source.size_bytes, model, limits)
    except TransientError as error:
        return Unopened(str(ref), " ".join(str(error).split()))
