"""Scores objects: opens, decodes, classifies and publishes them. The only module that knows the order of work.

    objects --open (threads)--> bodies --decode--> images --batch, classify--> rows --finish, publish (threads)--> outcomes

Images of all objects share the model's batches; while the model runs, the next objects are opened and finished documents are
written. `handler.opening` decides whose turn it is, and reads small objects whole; a larger object is read only as its images
are needed, so that memory depends on the limits and not on the object. An error of one object becomes that object's outcome and
affects no other object. No AWS, no LiteRT, no clock here: all of these are passed in.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import closing

import msgspec

from handler.batching import Batcher
from handler.calls import Calls, Threads, threads
from handler.contract import Model
from handler.deadline import TimeBudget
from handler.dispatch import Dispatcher, Listing
from handler.documents import LIST, PREDICTIONS, Document, Documents
from handler.errors import ObjectTooLarge, UnreadableList
from handler.formats import decode
from handler.formats.image import Image, Named, Target, Unreadable
from handler.inputs import Inputs, verified
from handler.jobs import Asked
from handler.layout import Layout
from handler.limits import Limits
from handler.objects import ObjectRef
from handler.opening import Opener, require_time
from handler.outcomes import Outcome, Record, Report
from handler.predictions import render_rejection
from handler.store import StoredObject
from handler.work import Work, drop_tracebacks, isolated, report_on
from handler.writing import DocumentWriter


class Scorer(msgspec.Struct, frozen=True, kw_only=True):
    """Scores objects. `dispatcher` sends the objects that lists name to the queue; it is None if there is no queue.

    `batch_images` is the number of images that the model sees in one call, `concurrency` the number of objects that are opened
    or published at the same time. `layout` is that of what is written, if it is not that of the documents. `threads` makes the
    threads that do so.
    """

    model: Model
    inputs: Inputs
    documents: Documents
    dispatcher: Dispatcher | None
    limits: Limits
    batch_images: int
    concurrency: int
    layout: Layout | None = None
    threads: Threads = threads

    def score(self, asked: Iterable[Asked], budget: TimeBudget, record: Record) -> dict[ObjectRef, Report]:
        """Scores each object once, however often it is asked for.

        Returns the report on each, by the object that was asked for and in the order of `asked`. A report names the object that
        was scored, which may be an alternative. An object that is not decoded by `budget.begin_by` has failed. `record` is
        called with each report as soon as the report is made.
        """
        works = [Work(one) for one in {one.ref: one for one in asked}.values()]
        reports: dict[ObjectRef, Report] = {}

        def note(finished: Iterable[tuple[ObjectRef, Report]]) -> None:
            for named, report in finished:
                reports[named] = report
                record(named, report)
                if report.error:
                    drop_tracebacks(report.error)

        try:
            pool = self.threads(self.concurrency)
            with Calls[Work](pool) as opening, Calls[tuple[ObjectRef, Report]](pool) as finishing:
                decoded = self._decoded(self._opener.open(works, opening, budget), budget)
                for work in Batcher(self.model, self.batch_images).classify(decoded):
                    if work.failure:  # nothing is to be written
                        note([self._finish(work, budget)])
                        continue
                    finishing.begin(lambda work: self._finish(work, budget), work)
                    note(finishing.take(0 if len(finishing) < 2 * self.concurrency else None))
                while finishing:
                    note(finishing.take(None))
        finally:
            for work in works:
                work.close()
        return {work.asked.ref: reports[work.asked.ref] for work in works}

    def _decoded(
        self, works: Iterable[Work | None], budget: TimeBudget
    ) -> Iterator[tuple[Work, Image | Unreadable | None] | None]:
        """Yields every image with the work that it belongs to, and each work once more, with None, after its last image.

        A mere None says that the next object may take long to come.
        """
        for work in works:
            if work is None:
                yield None
                continue
            self._opener.reopen_if_idle(work, budget)
            with isolated(work):
                for item in self._items(work, budget):
                    yield work, item
            with isolated(work):
                work.close_body()
            yield work, None

    def _items(self, work: Work, budget: TimeBudget) -> Iterator[Image | Unreadable]:
        """Yields the images of one object, from memory or as its bytes arrive.

        The objects that a list names are added to the work's listing instead.
        """
        if work.source is None or work.body is None or work.failure or work.rejection or work.is_done:
            return
        work.is_early = budget.is_early
        self._require_size(work.source)
        with verified(work.body):
            decoded = decode(work.body, work.source.ref.name, self.target)
            work.writer = self._writer(work.source, decoded.kind)
            for item in decoded:
                require_time(budget)
                if isinstance(item, Named):
                    work.listing = work.listing or Listing(work.source, self.inputs, self.documents, work.asked.lists + 1)
                    work.listing.add(item)
                else:
                    yield item
            if work.listing:
                work.listing.require_accepted()
                self._require_queue()

    def _require_queue(self) -> None:
        if self.dispatcher is None:
            raise UnreadableList(
                "Expected a queue, to which the objects that a list names are sent. Received: none; set QUEUE_URL, or upload "
                "the objects themselves."
            )

    def _finish(self, work: Work, budget: TimeBudget) -> tuple[ObjectRef, Report]:
        """Publishes the document of one object whose images are all classified, and closes the work."""
        outcome, place = Outcome.GONE, None  # unless something is there
        with isolated(work):
            if work.source and not work.failure:
                place = self.documents.place(work.source.ref)
                outcome = Outcome.DUPLICATE if work.is_done else self._publish(work, work.source, budget)
        work.close()
        return work.asked.ref, report_on(work, outcome, place)

    def _publish(self, work: Work, source: StoredObject, budget: TimeBudget) -> Outcome:
        if self.dispatcher and work.listing and not work.rejection:
            self.dispatcher.send_listing(work.listing, budget)
        document = self._document(work, source)
        with closing(document.content):  # an error's traceback would keep it open
            return self.documents.publish(document, budget.finish_by)

    def _document(self, work: Work, source: StoredObject) -> Document:
        writer = work.writer = work.writer or self._writer(source, None)
        model_sha256, maker = self.model.manifest.model.sha256, self.documents.maker
        if work.rejection:
            rejection = io.BytesIO(render_rejection(source, writer.kind, self.model.manifest, work.rejection))
            name = type(work.rejection).__name__
            return Document(source, rejection, model_sha256, maker.rejections, name, Outcome.REJECTED)
        if work.listing:
            content = writer.finish_list(work.listing.objects(), work.listing.refused)
            by = maker.rejections if writer.rejected or work.listing.refused else maker.results
            return Document(source, content, model_sha256, by, LIST, Outcome.SCORED)
        by = maker.rejections if writer.rejected else maker.results
        return Document(source, writer.finish(), model_sha256, by, PREDICTIONS, Outcome.SCORED)

    def _writer(self, source: StoredObject, kind: str | None) -> DocumentWriter:
        return DocumentWriter(source, kind, self.model.manifest, self.layout or self.documents.layout)

    @property
    def _opener(self) -> Opener:
        return Opener(self.inputs, self.documents, self.concurrency)

    @property
    def target(self) -> Target:
        """What images are decoded to."""
        return Target(self.model.manifest.input, self.model.manifest.conversion, self.limits)

    def _require_size(self, source: StoredObject) -> None:
        if source.size_bytes > self.limits.object_bytes:
            raise ObjectTooLarge(
                f"Expected an object of at most {self.limits.object_bytes} bytes (MAX_OBJECT_BYTES). "
                f"Received: {source.size_bytes} bytes; split it."
            )
