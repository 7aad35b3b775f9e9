"""Puts one document in its place, once in effect, whatever is delivered twice, late or out of order. No database.

A document carries the ETag of the input that it is about, the digest of the model that made it, and its result. One that
exists is kept when all agree; is replaced when the input still is what was scored; and stands when the input has changed
meanwhile, since the newer upload brings an event of its own. S3's conditional writes make each step hold against other
writers: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html

One thing they cannot see: an input that changes to and fro (e0, e1, e0). The second e0 finds the first one's document and is
done, and then a slow writer of e1 replaces it. So after a replacement the input is looked at once more, and if it changed,
the event is handed back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import BinaryIO, Protocol

from handler.errors import ConcurrentWrites, UnacceptedObject
from handler.objects import ObjectRef, StoredDocument, StoredObject, WriteResult

ATTEMPTS = 6
FIRST_PAUSE_S = 0.05  # doubled each time: at most 1.6 s in all, before jitter

_random = random.SystemRandom()  # environments that are restored from one snapshot must not share their jitter

_BUCKET, _ETAG, _MODEL, _RESULT = "input-bucket", "input-etag", "model-sha256", "result"


class Published(Enum):
    """What became of a document."""

    WRITTEN = auto()
    DUPLICATE = auto()  # it was there already
    SUPERSEDED = auto()  # the input has changed since it was read: the newer event does it
    GONE = auto()  # the input was deleted since it was read


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is to be written, and where it belongs. `content` is read from its beginning at every attempt.

    `source` is what it is about, `model_sha256` what made it, and `result` what came out: "predictions", or the name of the
    error in a rejection, so that an object that is no longer rejected (a limit was raised) gets its predictions.
    """

    ref: ObjectRef
    content: BinaryIO
    content_type: str
    source: StoredObject
    model_sha256: str
    result: str

    @property
    def metadata(self) -> dict[str, str]:
        """What the document is written with, to be recognised by."""
        return {
            _BUCKET: self.source.ref.bucket,
            _ETAG: self.source.etag,
            _MODEL: self.model_sha256,
            _RESULT: self.result,
        }


def is_about(existing: StoredDocument, source: StoredObject, model_sha256: str) -> bool:
    """Whether a document that stands is that of this state of an object, made by this model, whatever came out."""
    wanted = {_BUCKET: source.ref.bucket, _ETAG: source.etag, _MODEL: model_sha256}
    return wanted.items() <= existing.metadata.items()


def is_anothers(existing: StoredDocument, source: StoredObject) -> bool:
    """Whether what stands is about an object of another bucket; it is left alone."""
    return existing.metadata.get(_BUCKET) != source.ref.bucket


class Store(Protocol):
    """The part of storage that publishing needs; `handler.storage.S3Storage` is one."""

    def identify(self, ref: ObjectRef) -> StoredObject | None:
        """The object's present identity; None: it is gone."""

    def describe(self, ref: ObjectRef) -> StoredDocument | None:
        """What stands in a document's place; None: nothing does."""

    def create(self, ref: ObjectRef, content: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> WriteResult:
        """Writes if nothing stands there."""

    def replace(
        self, ref: ObjectRef, content: BinaryIO, content_type: str, metadata: Mapping[str, str], *, etag: str
    ) -> WriteResult:
        """Writes if what stands there has `etag`."""


def publish(document: Document, store: Store, sleep: Callable[[float], None]) -> Published:
    """Writes `document` unless something newer or equal stands in its place.

    Args:
        document: what to write, and where.
        store: where it goes.
        sleep: waits for so many seconds between attempts.

    Raises:
        StorageUnavailable: a call failed; nothing half-written is left.
        UnacceptedObject: another input's document stands there; it is left alone.
        ConcurrentWrites: other writers won every attempt, or the input changed while its document was replaced.
    """
    for attempt in range(ATTEMPTS):
        published = _try_to_publish(document, store)
        if published is Published.DUPLICATE and attempt:
            _require_unchanged(document.source, store)  # it may be our own replacement, whose answer was lost on the way
        if published is not None:
            return published
        sleep(FIRST_PAUSE_S * 2**attempt * _random.uniform(0.5, 1))
    raise ConcurrentWrites(
        f"Expected to write {document.ref} within {ATTEMPTS} attempts. Received: other writers won them all."
    )


def _try_to_publish(document: Document, store: Store) -> Published | None:
    """One attempt; None: another writer came between, start again."""
    created = store.create(document.ref, document.content, document.content_type, document.metadata)
    if created is not WriteResult.STOPPED:
        return Published.WRITTEN if created is WriteResult.WRITTEN else None
    existing = store.describe(document.ref)
    return _replace(document, existing, store) if existing else None


def _replace(document: Document, existing: StoredDocument, store: Store) -> Published | None:
    """Puts `document` in the place of `existing` if it should be there; None: another writer came between."""
    _require_same_input(document, existing)
    if existing.metadata == document.metadata:
        return Published.DUPLICATE
    current = store.identify(document.source.ref)
    if current is None:
        return Published.GONE
    if current.etag != document.source.etag:
        return Published.SUPERSEDED
    written = store.replace(document.ref, document.content, document.content_type, document.metadata, etag=existing.etag)
    if written is not WriteResult.WRITTEN:
        return None
    _require_unchanged(document.source, store)
    return Published.WRITTEN


def _require_same_input(document: Document, existing: StoredDocument) -> None:
    if is_anothers(existing, document.source):
        raise UnacceptedObject(
            f"Expected {document.ref} to be free, or the document of {document.source.ref}. "
            f"Received: an object that belongs to input bucket {existing.metadata.get(_BUCKET)!r}; it was left alone. "
            "Give each input bucket an OUTPUT_URI, and so a function, of its own."
        )


def _require_unchanged(source: StoredObject, store: Store) -> None:
    current = store.identify(source.ref)
    if current is not None and current.etag != source.etag:
        raise ConcurrentWrites(
            f"Expected {source.ref} to stay as it was scored, etag={source.etag}, while its document was replaced. "
            f"Received: etag={current.etag}; it is scored again when its event is delivered again."
        )
