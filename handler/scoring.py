"""Objects to images to batches to predictions to documents: the only place that knows the order of work.

    objects --fetch (threads)--> contents --decode--> images --batch, classify--> rows --render, publish (threads)--> outcomes

Images of all objects share the model's batches; while the model runs, the next objects are fetched and finished documents
are written. What goes wrong with one object becomes that object's outcome and touches no other. No AWS, no LiteRT, no clock
here: all of that is passed in.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from handler.contract import Manifest
from handler.errors import ObjectTooLarge, RejectedInput, UnacceptedObject
from handler.formats import decode
from handler.formats.image import Image, Target
from handler.objects import FetchedObject, ObjectRef, StoredObject
from handler.outcomes import Outcome, Report
from handler.predictions import Prediction, Row, predict, render_json, render_lines, render_rejection
from handler.publishing import Document, Published

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """All that scoring needs from outside.

    `fetch` returns None for an object that is gone. `classify` takes `(n, height, width, channels)` uint8 and returns
    `(n, classes)` float32 probabilities. `publish` writes a document. `locate` says where the document of an object
    belongs. Documents are JSON, or JSON Lines if `as_lines`.
    """

    manifest: Manifest
    fetch: Callable[[ObjectRef], FetchedObject | None]
    classify: Callable[[np.ndarray], np.ndarray]
    publish: Callable[[Document], Published]
    locate: Callable[[ObjectRef], ObjectRef]
    target: Target
    max_object_bytes: int
    batch_images: int
    concurrency: int
    as_lines: bool

    def score(
        self, refs: Iterable[ObjectRef], alternatives: Mapping[ObjectRef, ObjectRef] = MappingProxyType({})
    ) -> dict[ObjectRef, Report]:
        """Scores each object once, however often it is named, and reports on every one of them.

        Where there is no object of a name but one of its alternative, that one is scored, and the report names it.
        """
        works = (_Work(ref, alternatives.get(ref)) for ref in dict.fromkeys(refs))
        with ThreadPoolExecutor(self.concurrency) as pool:
            fetched = _ahead(pool, self._fetch, works, self.concurrency)
            classified = self._classified(self._decoded(fetched))
            publishing = [(work.named, pool.submit(self._finish, work)) for work in classified]
            return {named: future.result() for named, future in publishing}

    def _fetch(self, work: _Work) -> _Work:
        with _isolated(work):
            fetched = self.fetch(work.named)
            if fetched is None and work.alternative:
                with suppress(UnacceptedObject):  # then there is just none of the name given
                    fetched = self.fetch(work.alternative)
            if fetched:
                work.source, work.content = fetched.source, fetched.content
        return work

    def _decoded(self, works: Iterable[_Work]) -> Iterator[tuple[_Work, Image | None]]:
        """Yields every image with the work it belongs to, and each work once more, without one, when it has no more."""
        for work in works:
            if work.source:
                with _isolated(work):
                    _require_size(work.source, self.max_object_bytes)
                    for image in decode(work.content, work.source.ref.name, self.target):
                        yield work, image
                work.content = b""
            yield work, None

    def _classified(self, items: Iterable[tuple[_Work, Image | None]]) -> Iterator[_Work]:
        """Runs the model on full batches, and yields each work when its last image has a prediction."""
        pending: list[tuple[_Work, Image]] = []
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

    def _classify(self, pending: list[tuple[_Work, Image]]) -> None:
        if not pending:
            return
        probabilities = self.classify(np.stack([image.pixels for _, image in pending]))
        names = [image.name for _, image in pending]
        for (work, _), prediction in zip(pending, predict(names, probabilities, self.manifest), strict=True):
            work.rows.append(prediction)

    def _finish(self, work: _Work) -> Report:
        """Renders and publishes the document of one object whose images are all classified."""
        document = None
        published = Published.GONE
        with _isolated(work):
            if work.source and not work.failure:
                document = self._render(work, work.source)
                published = self.publish(document)
        return _report(work, published, document)

    def _render(self, work: _Work, source: StoredObject) -> Document:
        if work.rejection:
            content = render_rejection(source, self.manifest, work.rejection)
            result = type(work.rejection).__name__
        else:
            content = (render_lines if self.as_lines else render_json)(source, self.manifest, work.rows)
            result = "predictions"
        content_type = "application/jsonl" if self.as_lines else "application/json"
        place = self.locate(source.ref)
        return Document(place, content, content_type, source, self.manifest.model.sha256, result)


@dataclass(slots=True)
class _Work:
    """One object on its way. `source` stays None if the object is gone; `content` is let go of once it is decoded."""

    named: ObjectRef
    alternative: ObjectRef | None = None
    source: StoredObject | None = None
    content: bytes = b""
    rows: list[Row] = field(default_factory=list)
    rejection: RejectedInput | None = None
    failure: Exception | None = None


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


def _require_size(source: StoredObject, most_bytes: int) -> None:
    if source.size_bytes > most_bytes:
        raise ObjectTooLarge(
            f"Expected an object of at most {most_bytes} bytes. Received: {source.size_bytes} bytes; split it."
        )


def _report(work: _Work, published: Published, document: Document | None) -> Report:
    ref, size_bytes = (work.source.ref, work.source.size_bytes) if work.source else (work.named, 0)
    if work.failure:
        return Report(ref, Outcome.FAILED, error=work.failure, size_bytes=size_bytes)
    outcome = _outcome(published, rejected=work.rejection is not None)
    place = document.ref if document and published in {Published.WRITTEN, Published.DUPLICATE} else None
    if work.rejection:
        return Report(ref, outcome, place, work.rejection, size_bytes=size_bytes)
    predictions = [row for row in work.rows if isinstance(row, Prediction)]
    return Report(
        ref,
        outcome,
        place,
        images=len(predictions),
        size_bytes=size_bytes,
        unsure=sum(prediction.unsure is True for prediction in predictions),
        by_class=Counter(prediction.class_name for prediction in predictions),
    )


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
