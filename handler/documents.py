"""Places, finds and publishes documents, correctly even if events are delivered twice, late or out of order.

No database, no AWS here.

A document carries the ETag and the version of the input that it is about, its maker (see `handler.maker`), and its result, as
metadata. An existing document is kept if all of these agree. Otherwise it is replaced if the input is still in the state that
was scored, and left alone if the input has changed meanwhile, since the newer upload brings an event of its own. Conditional
writes make each step safe: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html

There is one case that these writes cannot detect, an input without versions that changes back and forth (ETags e0, e1, e0). The
event of the second e0 finds the document of the first e0 and is done, and then a slow writer for e1 replaces this document. So
after a replacement the input is looked at once more, and if it changed, the event fails, so that it is delivered again. An
input with versions needs no such care, since the second e0 is another version, whose document replaces that of the first.

docs/protocol.md says which guard of this protocol keeps which promise, by a model of it that is checked exhaustively.
"""

from __future__ import annotations

import random
import re
import string
import time
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, NamedTuple
from urllib.parse import quote

import msgspec

from handler.deadline import Deadline
from handler.errors import ArchivedObject, ConcurrentWrites, OutOfTime, UnacceptedObject
from handler.layout import Layout
from handler.maker import Maker
from handler.marks import RESERVED, Marks
from handler.objects import MAX_KEY_BYTES, ObjectRef, Prefix
from handler.outcomes import Outcome
from handler.store import Store, StoredObject, WriteResult

MAX_ATTEMPTS = 6
FIRST_PAUSE_S = 0.05  # before the second attempt, and doubled before each further one: 1.55 s in all, before jitter

_BUCKET, _ETAG, _VERSION = "input-bucket", "input-etag", "input-version"
_MODEL, _MAKER, _RESULT = "model-sha256", "maker", "result"

_PLAIN = string.punctuation + " "  # beside letters and digits: what ASCII can print

PREDICTIONS, LIST = "predictions", "list"  # the results of documents that are no rejections

# Environments that are restored from one snapshot must not share their jitter, so it comes from the operating system.
_random = random.SystemRandom()


class Document(msgspec.Struct, frozen=True):
    """A document that is to be written; `content` is read from its beginning at every attempt.

    `source` is the object that the document is about, `model_sha256` the digest of the model that made the document, and
    `maker` that of everything that decided its content (see `handler.maker`). `result` is "predictions", "list", or the name of
    the error in a rejection. `outcome` is the outcome of the object once this document is written.
    """

    source: StoredObject
    content: BinaryIO
    model_sha256: str
    maker: str
    result: str
    outcome: Outcome

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata that are stored with the document, by which its input, model and result are recognised."""
        version = {} if self.source.version_id is None else {_VERSION: self.source.version_id}
        return version | {
            _BUCKET: sendable(self.source.ref.bucket),
            _ETAG: self.source.etag,
            _MODEL: self.model_sha256,
            _MAKER: self.maker,
            _RESULT: self.result,
        }


class Described(NamedTuple):
    """What the metadata of a document tell of it; None for what they do not tell."""

    etag: str | None
    version_id: str | None
    maker: str | None
    result: str | None

    @classmethod
    def of(cls, metadata: Mapping[str, str]) -> Described:
        """Returns what the metadata of a document tell."""
        return cls(metadata.get(_ETAG), metadata.get(_VERSION), metadata.get(_MAKER), metadata.get(_RESULT))

    @property
    def is_archived(self) -> bool:
        """True if the document says that its object was archived, which may have changed without a trace in the object."""
        return self.result == ArchivedObject.__name__


def belongs_to_another_bucket(existing: StoredObject, source: StoredObject) -> bool:
    """Returns whether `existing`, found in the place of the document of `source`, is about another bucket's object."""
    name = source.ref.bucket
    return existing.metadata.get(_BUCKET) not in {sendable(name), name}  # of an earlier release in a local folder


def sendable(name: str) -> str:
    """Returns a name as metadata hold it; that of every bucket of S3 stays as it is.

    A local folder may have any name. S3 takes only ASCII in metadata, and trims spaces at both ends: `Hüte` is `H%C3%BCte`.
    """
    return re.sub("^ +| +$", lambda spaces: "%20" * len(spaces[0]), quote(name, safe=_PLAIN))


class Documents(msgspec.Struct, frozen=True):
    """The documents under `output`, which the present `maker` makes.

    `sleep` waits for some seconds, and `jitter` returns the factor of a pause. With `marks`, sweeps may trust the times of
    documents; None if no sweep does, as in measurements.
    """

    store: Store
    output: Prefix
    layout: Layout
    maker: Maker
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = lambda: _random.uniform(0.5, 1)
    marks: Marks | None = None

    def holds(self, ref: ObjectRef) -> bool:
        """Returns whether `ref` lies where documents do."""
        return self.output.holds(ref)

    def place(self, ref: ObjectRef) -> ObjectRef:
        """Returns where the document of `ref` belongs: `<OUTPUT_URI><input key>.json`, or `.jsonl`.

        Raises:
            UnacceptedObject: no object can have the key that the document would have, or it is reserved.
        """
        place = ObjectRef(self.output.bucket, f"{self.output.prefix}{ref.key}{self.layout.suffix}")
        key_bytes = len(place.key.encode())
        if key_bytes > MAX_KEY_BYTES:
            raise UnacceptedObject(
                f"Expected a key whose document's key has at most {MAX_KEY_BYTES} bytes. "
                f"Received: {key_bytes} bytes for {ref}; it was not read. Shorten the key or OUTPUT_URI."
            )
        if ref.key.startswith(RESERVED):
            raise UnacceptedObject(
                f"Expected a key whose document lies outside of {self.output}{RESERVED}, where sweeps keep their marks. "
                f"Received: {ref}; it was not read. Rename it."
            )
        return place

    def find(self, ref: ObjectRef, deadline: Deadline) -> StoredObject | None:
        """Returns the object in the place of the document of `ref`; None if the place is free.

        Raises:
            UnacceptedObject: no object can have the key that the document would have.
            StorageUnavailable: the store failed.
            OutOfTime: the call did not end by `deadline`.
        """
        return self.store.head(self.place(ref), deadline=deadline)

    def list_under(self, prefix: Prefix, after: str, deadline: Deadline) -> Iterator[StoredObject]:
        """Yields the objects in the places of the documents of inputs under `prefix`, of all that follow the key `after`.

        They come in the order of their own keys. Every document's key is greater than its input's, so none is left out; some
        of inputs up to `after` may come too.

        Raises:
            StorageUnavailable: the store failed.
            OutOfTime: a call did not end by `deadline`.
        """
        places = Prefix(self.output.bucket, self.output.prefix + prefix.prefix)
        if len(places.prefix.encode()) > MAX_KEY_BYTES:
            return iter(())
        start = (self.output.prefix + after).encode()[:MAX_KEY_BYTES].decode(errors="ignore") if after else ""
        return self.store.list(places, start, deadline=deadline)

    def is_finished(self, existing: StoredObject, source: StoredObject) -> bool:
        """Returns whether the document `existing` is about this state of an object that can be read, and by the present maker.

        A rejection that says that the object was archived is not, since an object can be restored without any change.
        """
        described = Described.of(existing.metadata)
        return self.is_about(existing, source) and not described.is_archived and self.maker.has_made(described.maker)

    def is_sent_list(self, existing: StoredObject, source: StoredObject) -> bool:
        """Returns whether `existing` is the finished document of a list, whose objects were sent before it was written."""
        return self.is_finished(existing, source) and Described.of(existing.metadata).result == LIST

    def waits_for_restore(self, existing: StoredObject) -> bool:
        """Returns whether `existing` says that its input is archived, which may have changed without a trace in the input."""
        return Described.of(existing.metadata).is_archived

    def is_about(self, existing: StoredObject, source: StoredObject) -> bool:
        """Returns whether the document `existing` is about the present state of the object `source`.

        A listing, or a document of an earlier release, tells no version; then the ETag alone says so.
        """
        described = Described.of(existing.metadata)
        is_same_version = described.version_id is None or source.version_id in {None, described.version_id}
        return described.etag == source.etag and is_same_version and not belongs_to_another_bucket(existing, source)

    def is_by_another_maker(self, existing: StoredObject) -> bool:
        """Returns whether `existing` was made by another maker than the present one, or names none."""
        return not self.maker.has_made(Described.of(existing.metadata).maker)

    def publish(self, document: Document, deadline: Deadline) -> Outcome:
        """Writes `document`, unless an equal one exists or the input has changed, and returns the outcome of the input.

        Raises:
            StorageUnavailable: a call failed; no partial document is left.
            OutOfTime: a call did not end by `deadline`, or there is no time for another attempt.
            UnacceptedObject: the document of another bucket's object is in the place; it is left alone.
            ConcurrentWrites: other writers won every attempt, or the input changed while its document was replaced.
        """
        if self.marks:
            self.marks.renew(deadline)
        for attempt in range(MAX_ATTEMPTS):
            if attempt:
                self._pause(FIRST_PAUSE_S * 2 ** (attempt - 1) * self.jitter(), document, deadline)
            outcome = self._try_to_publish(document, deadline)
            if outcome is Outcome.DUPLICATE and attempt:
                self._require_unchanged(document.source, deadline)  # it may be our own replacement, whose response was lost
            if outcome is not None:
                return outcome
        raise ConcurrentWrites(
            f"Expected to write {self.place(document.source.ref)} within {MAX_ATTEMPTS} attempts. "
            "Received: other writers won them all; the event is to come again."
        )

    def _pause(self, seconds: float, document: Document, deadline: Deadline) -> None:
        if seconds > deadline.left_s:
            raise OutOfTime(
                f"Expected time to write {self.place(document.source.ref)} once more, since another write was in progress. "
                "Received: the end of the invocation is near; the event is to come again."
            )
        self.sleep(seconds)

    def _try_to_publish(self, document: Document, deadline: Deadline) -> Outcome | None:
        """Makes one attempt; returns None if a concurrent write interfered, so that the caller must start again."""
        created = self._put(document, None, deadline)
        if created is not WriteResult.STOPPED:
            return document.outcome if created is WriteResult.WRITTEN else None
        existing = self.find(document.source.ref, deadline)
        return self._replace(document, existing, deadline) if existing else None

    def _replace(self, document: Document, existing: StoredObject, deadline: Deadline) -> Outcome | None:
        """Replaces `existing` by `document` if the input is unchanged; returns None if a concurrent write interfered."""
        self.require_same_bucket(document.source, existing)
        if existing.metadata == document.metadata or self._outlives(existing, document):
            return Outcome.DUPLICATE
        current = self.store.head(document.source.ref, deadline=deadline)
        if current is None:
            return Outcome.GONE
        if (current.etag, current.version_id) != (document.source.etag, document.source.version_id):
            return Outcome.SUPERSEDED
        if self._put(document, existing.etag, deadline) is not WriteResult.WRITTEN:
            return None
        self._require_unchanged(document.source, deadline)
        return document.outcome

    def _outlives(self, existing: StoredObject, document: Document) -> bool:
        """Returns whether `existing` tells more of the same state of an object than `document`: that it is archived by now."""
        return document.result == ArchivedObject.__name__ and self.is_about(existing, document.source)

    def _put(self, document: Document, replacing: str | None, deadline: Deadline) -> WriteResult:
        return self.store.put(
            self.place(document.source.ref),
            document.content,
            content_type=self.layout.content_type,
            metadata=document.metadata,
            replacing=replacing,
            deadline=deadline,
        )

    def require_same_bucket(self, source: StoredObject, existing: StoredObject) -> None:
        """Requires that `existing`, found in the place of the document of `source`, is about an object of the same bucket.

        Raises:
            UnacceptedObject: it is another bucket's.
        """
        if belongs_to_another_bucket(existing, source):
            raise UnacceptedObject(
                f"Expected {existing.ref} to be free, or the document of {source.ref}. "
                f"Received: an object that belongs to input bucket {existing.metadata.get(_BUCKET)!r}; it was left alone. "
                "Give the objects of each bucket an output of their own (OUTPUT_URI, or --out)."
            )

    def _require_unchanged(self, source: StoredObject, deadline: Deadline) -> None:
        current = self.store.head(source.ref, deadline=deadline)
        if current is not None and current.etag != source.etag:
            raise ConcurrentWrites(
                f"Expected {source.ref} to stay as it was scored, etag={source.etag}, while its document was replaced. "
                f"Received: etag={current.etag}; it is scored again when its event is delivered again."
            )
