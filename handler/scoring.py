"""Objects to images to batches to predictions to documents: the only place that knows the order of work.

    objects --fetch (threads)--> bodies --decode--> images --batch, classify--> rows --finish, publish (threads)--> outcomes

Images of all objects share the model's batches; while the model runs, the next objects are fetched and finished documents
are written. A small object is fetched whole, ahead of its turn; a larger one is read when its turn comes, as its images are
wanted, so that memory depends on the limits and not on the object. What goes wrong with one object becomes that object's
outcome and touches no other. No AWS, no LiteRT, no clock here: all of that is passed in.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, BinaryIO, TypeVar

import numpy as np

from handler.contract import Manifest
from handler.errors import ObjectTooLarge, OutOfTime, RejectedInput, UnacceptedObject, UnreadableList
from handler.formats import decode
from handler.formats.image import Image, Item, Named, Target, Unreadable
from handler.jobs import score_message
from handler.objects import FetchedObject, Layout, ObjectRef, OpenObject, StoredDocument, StoredObject
from handler.outcomes import Outcome, Report
from handler.predictions import NamedObject, Prediction, RejectedImage, predict, render_list, render_rejection
from handler.publishing import Document, Published, is_about
from handler.writing import DocumentWriter

_REST_BYTES = 2**20  # read at once of what a decoder left

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """All that scoring needs from outside.

    `fetch` reads a small object whole, and of a larger one its identity; `open` opens one of any size. Both return None for
    an object that is gone. `classify` takes `(n, height, width, channels)` uint8 and returns `(n, classes)` float32
    probabilities. `publish` writes a document. `locate` says where the document of an object belongs, `describe` what stands
    there. For lists, `require_accepted` raises UnacceptedObject for what may not be read, and `send` puts messages into the
    queue; None: there is none.
    """

    manifest: Manifest
    fetch: Callable[[ObjectRef], FetchedObject | None]
    open: Callable[[ObjectRef], OpenObject | None]
    classify: Callable[[np.ndarray], np.ndarray]
    publish: Callable[[Document], Published]
    locate: Callable[[ObjectRef], ObjectRef]
    describe: Callable[[ObjectRef], StoredDocument | None]
    require_accepted: Callable[[ObjectRef], None]
    send: Callable[[Iterable[Mapping[str, Any]]], None] | None
    target: Target
    max_object_bytes: int
    batch_images: int
    concurrency: int
    layout: Layout

    def score(
        self,
        refs: Iterable[ObjectRef],
        alternatives: Mapping[ObjectRef, ObjectRef] = MappingProxyType({}),
        has_time: Callable[[], bool] = lambda: True,
    ) -> dict[ObjectRef, Report]:
        """Scores each object once, however often it is named, and reports on every one of them.

        Where there is no object of a name but one of its alternative, that one is scored, and the report names it. What is
        not decoded when `has_time` says that there is no more has failed.
        """
        works = [_Work(ref, alternatives.get(ref)) for ref in dict.fromkeys(refs)]
        try:
            with ThreadPoolExecutor(self.concurrency) as pool:
                fetched = _ahead(pool, lambda work: self._fetch(work, has_time), works, self.concurrency)
                classified = self._classified(self._decoded(fetched, has_time))
                return dict(_ahead(pool, self._finish, classified, 2 * self.concurrency))
        finally:
            for work in works:
                work.close()

    def _fetch(self, work: _Work, has_time: Callable[[], bool]) -> _Work:
        with _isolated(work):
            _require_time(has_time)
            fetched = self._fetch_either(work.named, work.alternative)
            if fetched:
                work.source, work.content = fetched.source, fetched.content
        return work

    def _fetch_either(self, named: ObjectRef, alternative: ObjectRef | None) -> FetchedObject | None:
        if alternative is None:
            return self.fetch(named)
        try:
            fetched = self.fetch(named)
        except UnacceptedObject:
            fetched = self.fetch(alternative)
            if fetched is None:
                raise
            return fetched
        if fetched is None:
            with suppress(UnacceptedObject):  # then there is just none of the name given
                return self.fetch(alternative)
        return fetched

    def _decoded(
        self, works: Iterable[_Work], has_time: Callable[[], bool]
    ) -> Iterator[tuple[_Work, Image | Unreadable | None]]:
        """Yields every image with the work it belongs to, and each work once more, without one, when it has no more."""
        for work in works:
            with _isolated(work):
                for item in self._items(work):
                    _require_time(has_time)
                    if isinstance(item, Named):
                        self._name(work, item)
                    else:
                        yield work, item
            work.content = b""
            yield work, None

    def _items(self, work: _Work) -> Iterator[Item]:
        """Reads what one object holds, from memory or as they arrive, and then the rest of its bytes.

        Bytes that arrived wrongly can look like an object that is broken, and only its end tells: so it is read in any case.
        """
        body = self._open(work)
        if body is None or work.source is None:
            return
        with closing(body):
            try:
                decoded = decode(body, work.source.ref.name, self.target)
                work.document = DocumentWriter(work.source, decoded.kind, self.manifest, self.layout)
                yield from decoded
            except RejectedInput:
                _read_to_the_end(body)
                raise
            _read_to_the_end(body)

    def _name(self, work: _Work, item: Named) -> None:
        """Takes note of an object that a list names."""
        if self.send is None:
            raise UnreadableList("Expected a QUEUE_URL, which what a list names is sent to. Received: none; set it.")
        if work.source:
            ref = ObjectRef(item.bucket or work.source.ref.bucket, item.key)
            try:
                self.require_accepted(ref)
            except UnacceptedObject as error:
                work.refused.append(RejectedImage(str(ref), type(error).__name__, str(error)))
            else:
                work.names[ref] = None

    def _open(self, work: _Work) -> BinaryIO | None:
        """The body of an object that is not too large; None: it is gone, since when does not matter."""
        if work.source is None:
            return None
        self._require_size(work.source)
        if len(work.content) == work.source.size_bytes:
            return io.BytesIO(work.content)
        opened = self.open(work.source.ref)
        work.source = opened.source if opened else None
        if opened is None:
            return None
        try:
            self._require_size(opened.source)  # it may have been overwritten since
        except ObjectTooLarge:
            opened.body.close()
            raise
        return opened.body

    def _classified(self, items: Iterable[tuple[_Work, Image | Unreadable | None]]) -> Iterator[_Work]:
        """Runs the model on full batches, and yields each work when its last image has a prediction."""
        pending: list[tuple[_Work, Image | Unreadable]] = []
        ended: list[_Work] = []
        for work, image in items:
            if image is None:
                ended.append(work)
            else:
                pending.append((work, image))
            if len(pending) == self.batch_images or not pending:
                self._classify(pending)
                pending.clear()
                yield from ended
                ended.clear()
        self._classify(pending)
        yield from ended

    def _classify(self, pending: Sequence[tuple[_Work, Image | Unreadable]]) -> None:
        """Adds the row of each image to the document it belongs to, in order."""
        images = [image for _, image in pending if isinstance(image, Image)]
        predictions: Iterator[Prediction] = iter(())
        if images:
            probabilities = self.classify(np.stack([image.pixels for image in images]))
            predictions = iter(predict([image.name for image in images], probabilities, self.manifest))
        for work, image in pending:
            row = next(predictions) if isinstance(image, Image) else _row(image)
            with _isolated(work):
                if work.document and not work.rejection and not work.failure:
                    work.document.add(row)

    def _finish(self, work: _Work) -> tuple[ObjectRef, Report]:
        """Publishes the document of one object whose images are all classified, and lets go of it."""
        published, place = Published.GONE, None
        with _isolated(work):
            if work.source and not work.failure:
                if work.names and not work.rejection:
                    self._send(work.names, work.source)
                document = self._document(work, work.source)
                with closing(document.content):  # an error's traceback would hold on to it
                    published, place = self.publish(document), document.ref
        work.close()
        return work.named, _report(work, published, place)

    def _document(self, work: _Work, source: StoredObject) -> Document:
        content: BinaryIO
        rows = work.document = work.document or DocumentWriter(source, None, self.manifest, self.layout)
        if work.rejection:
            content = io.BytesIO(render_rejection(source, rows.kind, self.manifest, work.rejection))
            result = type(work.rejection).__name__
        elif work.names or work.refused:
            objects = [NamedObject(str(ref), str(self.locate(ref))) for ref in work.names]
            rejected = [*rows.read_rejected(), *work.refused]
            content, result = io.BytesIO(render_list(source, rows.kind, self.manifest, objects, rejected)), "list"
        else:
            content, result = rows.finish(), "predictions"
        digest = self.manifest.model.sha256
        return Document(self.locate(source.ref), content, self.layout.content_type, source, digest, result)

    def _send(self, names: Iterable[ObjectRef], source: StoredObject) -> None:
        """Has what a list names scored, unless its document says that it was: a list that names itself must come to an end."""
        existing = self.describe(self.locate(source.ref))
        if self.send and not (existing and is_about(existing, source, self.manifest.model.sha256)):
            self.send(score_message(ref) for ref in names)

    def _require_size(self, source: StoredObject) -> None:
        if source.size_bytes > self.max_object_bytes:
            raise ObjectTooLarge(
                f"Expected an object of at most {self.max_object_bytes} bytes. Received: {source.size_bytes} bytes; split it."
            )


@dataclass(slots=True)
class _Work:
    """One object on its way. `source` stays None if the object is gone; `content` is let go of once it is decoded."""

    named: ObjectRef
    alternative: ObjectRef | None = None
    source: StoredObject | None = None
    content: bytes = b""
    document: DocumentWriter | None = None
    names: dict[ObjectRef, None] = field(default_factory=dict)  # of a list, each once
    refused: list[RejectedImage] = field(default_factory=list)
    rejection: RejectedInput | None = None
    failure: Exception | None = None

    def close(self) -> None:
        if self.document:
            self.document.close()


@contextmanager
def _isolated(work: _Work) -> Iterator[None]:
    """Turns whatever goes wrong with one object, a bug included, into that object's outcome."""
    try:
        yield
    except RejectedInput as error:
        # A copy, and the original's traceback let go of: it holds every frame's variables, and so the object's bytes, and
        # from Python 3.12 on it is part of a cycle that only the garbage collector would break.
        work.rejection = type(error)(str(error))
        error.__traceback__ = None
    except Exception as error:  # the one place: a bug that one object brings out must not take the others with it
        work.failure = error


def _require_time(has_time: Callable[[], bool]) -> None:
    if not has_time():
        raise OutOfTime("Expected time to score it. Received: the end of the invocation is near; its event is to come again.")


def _read_to_the_end(body: BinaryIO) -> None:
    while body.read(_REST_BYTES):
        pass


def _row(image: Unreadable) -> RejectedImage:
    return RejectedImage(image.name, type(image.error).__name__, str(image.error))


def _report(work: _Work, published: Published, place: ObjectRef | None) -> Report:
    ref, size_bytes = (work.source.ref, work.source.size_bytes) if work.source else (work.named, 0)
    if work.failure:
        return Report(ref, Outcome.FAILED, error=work.failure, size_bytes=size_bytes)
    outcome = _outcome(published, rejected=work.rejection is not None)
    document = place if published in {Published.WRITTEN, Published.DUPLICATE} else None
    if work.rejection or not work.document:
        return Report(ref, outcome, document, work.rejection, size_bytes=size_bytes)
    rows = work.document
    return Report(ref, outcome, document, None, rows.images, size_bytes, rows.unsure, rows.by_class)


def _outcome(published: Published, *, rejected: bool) -> Outcome:
    if published is Published.WRITTEN:
        return Outcome.REJECTED if rejected else Outcome.SCORED
    return Outcome(published.name.lower())


def _ahead(pool: ThreadPoolExecutor, function: Callable[[T], R], items: Iterable[T], count: int) -> Iterator[R]:
    """Maps in order, with `count` calls under way and no more, so that memory is bounded by what is in flight."""
    under_way: deque[Future[R]] = deque()
    for item in items:
        under_way.append(pool.submit(function, item))
        if len(under_way) == count:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()
