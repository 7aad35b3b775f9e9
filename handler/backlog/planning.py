"""Plans a run: finds the objects that have no answer yet, and writes lists of their keys, one for each shard.

    inputs, documents, rows --listed side by side--> missing --collected--> lists of keys --joined--> shards.json, plan.json

An invocation plans until its time is over, and answers with the progress that the next one begins with. So a run over any
number of objects is planned by invocations one after the other, and in bounded memory. Each writes its part once, so that an
invocation may be repeated; and the plan is written last, so that of two who plan a run at the same time one wins. No AWS and
no clock here: these are passed in.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from handler.backlog.collecting import Collector, read_part
from handler.backlog.covering import Covered, read_plan
from handler.backlog.files import unpack_lines
from handler.backlog.keeping import JSON, create, read
from handler.backlog.runs import Order, Part, Places, Plan, Position, Progress, RunName, Sampled, Shard, Totals, require_current
from handler.deadline import Deadline, TimeBudget
from handler.dispatch import chunks_of
from handler.errors import BROKEN_JSON, StaleRun, StorageUnavailable, UnacceptedObject
from handler.examining import Examiner, State
from handler.formats import decode
from handler.formats.image import Image
from handler.marks import Marks, Settled
from handler.objects import ObjectRef, Prefix, parse_prefix
from handler.pairing import Pairing, PlaceOrder, read_ahead
from handler.predictions import name_model
from handler.scoring import Scorer
from handler.store import Store, StoredObject


class _Named(msgspec.Struct, frozen=True, array_like=True):
    """A line of a list that a run was asked for: an object, and its size in bytes if it is known."""

    bucket: str
    key: str
    size_bytes: int | None = None

    @property
    def source(self) -> StoredObject:
        return StoredObject(ObjectRef(self.bucket, self.key), "", None, self.size_bytes or 0)


_named = msgspec.json.Decoder(_Named)


class Made(NamedTuple):
    """What is made of a plan that is not finished: the position at which the next invocation goes on, and the counts."""

    position: Position
    totals: Totals


class _Listing(msgspec.Struct, frozen=True):
    """What one invocation lists, from `progress` on and until the time `until`; every call ends by `reading`."""

    progress: Progress
    collector: Collector
    covered: Covered
    until: Deadline
    reading: Deadline
    readers: ThreadPoolExecutor
    pool: ThreadPoolExecutor


class Planner(msgspec.Struct, frozen=True, kw_only=True):
    """Plans the run `run`, which `order` asks for, and which `scorer` is to score; `marks` are None for another model's run.

    `concurrency` calls are made at the same time. `now` returns the time of day.
    """

    run: RunName
    order: Order
    scorer: Scorer
    marks: Marks | None
    concurrency: int
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def plan(self, position: Position | None, until: Deadline, budget: TimeBudget) -> Plan | Made:
        """Plans until the time `until`, but some objects at least, and returns the plan, or what was made so far.

        Raises:
            UnacceptedObject: the prefix lies outside of the inputs, or is none.
            StaleRun: there is nothing at `position`, or the run was planned for another model.
            StorageUnavailable: the store failed.
            OutOfTime: a call did not end in time.
        """
        planned = read_plan(self._store, self._places, self.run, budget.finish_by)
        if planned:
            require_current(planned, self.scorer.documents.maker)
            return planned
        position = position or self._begin()
        progress = self._progress_at(position, budget)
        if not progress.is_listed:
            position, progress = self._next(position), self._add_part(position, progress, until, budget)
        return self._finish(position, progress, budget) if progress.is_listed else Made(position, progress.totals)

    @property
    def _store(self) -> Store:
        return self.scorer.documents.store

    @property
    def _places(self) -> Places:
        return Places(self.scorer.documents.output)

    def _begin(self) -> Position:
        now = self.now()
        return Position(attempt=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}", planned_at=now.isoformat())

    def _next(self, position: Position) -> Position:
        return msgspec.structs.replace(position, parts=position.parts + 1)

    def _progress_at(self, position: Position, budget: TimeBudget) -> Progress:
        if not position.parts:
            return Progress()
        place = self._places.part(self.run, position)
        part = read_part(self._store, place, budget.finish_by)
        if part is None:
            raise StaleRun(f"Expected the last part of a plan at {place}. Received: nothing there; plan it from the beginning.")
        # What has an answer by the model was left out, and the progress names a prefix by its number.
        if (part.results, part.prefixes) != (self.scorer.documents.maker.results, self._names_of_prefixes()):
            raise StaleRun(
                f"Expected the model and the inputs for which the run {self.run!r} was begun to be planned. Received: other "
                "ones, since the function was deployed anew; plan it from the beginning."
            )
        return part.progress

    def _add_part(self, position: Position, progress: Progress, until: Deadline, budget: TimeBudget) -> Progress:
        """Plans the next part and writes it, unless another invocation has done so from the same position.

        That one's answer was lost then. Its part counts, and nobody reads what this one wrote.
        """
        place, by = self._places.part(self.run, self._next(position)), budget.finish_by
        written = read_part(self._store, place, by)
        if written:
            return written.progress
        part = msgspec.structs.replace(self._list(progress, until, by), prefixes=self._names_of_prefixes())
        if create(self._store, place, msgspec.json.encode(part), JSON, by):
            return part.progress
        written = read_part(self._store, place, by)
        if written is None:
            raise StorageUnavailable(f"Expected {place}, which another invocation wrote. Received: nothing there; try again.")
        return written.progress

    def _list(self, progress: Progress, until: Deadline, reading: Deadline) -> Part:
        """Lists from where `progress` ended; `reading` is later than `until`, so that no page that was begun is lost."""
        covered = Covered.read(self.scorer.documents, reading)
        with ThreadPoolExecutor(3) as readers, ThreadPoolExecutor(self.concurrency) as pool:
            results = self.scorer.documents.maker.results
            collector = Collector(self._store, self._places, self.run, results, progress, pool, reading)
            listing = _Listing(progress, collector, covered, until, reading, readers, pool)
            return self._take_named(listing) if self.order.listed else self._take_found(listing)

    def _take_found(self, listing: _Listing) -> Part:
        """Collects the inputs that listings find, side by side with their documents and rows."""
        prefixes, marks, inputs = self._prefixes(), self.marks, self.scorer.inputs
        made_since = marks.made_since(listing.reading) if marks else None
        begin, after = listing.progress.at, listing.progress.after
        waiting = [one.source() for one in listing.progress.waiting]
        for at, prefix in enumerate(prefixes[begin:], begin):
            settled = Settled(made_since, marks.swept_since(prefix, listing.reading)) if marks else Settled()
            examiner = Examiner(inputs, self.scorer.documents, settled, listing.pool, is_strict=True)
            pairing = self._pair(prefix, after, waiting, listing)
            for chunk in chunks_of(pairing):
                for one in examiner.examine(chunk, listing.reading, may_look=True):
                    self._sort(one.source, one.document, one.state, listing.collector)
                if listing.until.is_over:
                    reached = max(after, pairing.after or "")  # those that waited come first, and lie before
                    return listing.collector.close(at, reached, pairing.waiting, is_listed=False)
            listing.collector.end_prefix()
            after, waiting = "", []
        return listing.collector.close(len(prefixes), "", (), is_listed=True)

    def _names_of_prefixes(self) -> list[str]:
        return [] if self.order.listed else [str(prefix) for prefix in self._prefixes()]

    def _prefixes(self) -> Sequence[Prefix]:
        inputs = self.scorer.inputs
        if self.order.prefix is None:
            return inputs.outermost()
        prefix = parse_prefix(self.order.prefix)
        if prefix is None:
            raise UnacceptedObject(f"Expected s3://bucket/prefix/ with a slash at its end. Received: {self.order.prefix!r}.")
        inputs.require_accepted_prefix(prefix)
        return [prefix]

    def _pair(self, prefix: Prefix, after: str, waiting: Sequence[StoredObject], listing: _Listing) -> Pairing:
        """Lists from where the invocation before this one ended; the inputs that waited then come first."""
        documents, readers = self.scorer.documents, listing.readers
        sources = read_ahead(readers, self.scorer.inputs.list_under(prefix, after, listing.reading))
        # A run of another model is for a place of its own, so it does not matter which documents there are.
        found = documents.list_under(prefix, after, listing.reading) if self.marks else iter(())
        rows = read_ahead(readers, listing.covered.rows(prefix, after, listing.reading))
        output, suffix = documents.output.prefix, documents.layout.suffix
        return Pairing(itertools.chain(waiting, sources), read_ahead(readers, found), rows, output, suffix)

    def _take_named(self, listing: _Listing) -> Part:
        """Collects the objects that lists name, after a look at each of which a document or a row is there."""
        if self.marks:
            self.marks.renew(listing.reading)  # the rows count only where the marker names their maker
        files = list(self._store.list(self._places.asked(self.run), listing.progress.after, deadline=listing.reading))
        order = PlaceOrder(self.scorer.documents.layout.suffix, [one.source() for one in listing.progress.waiting])
        examiner = Examiner(self.scorer.inputs, self.scorer.documents, Settled(), listing.pool, is_strict=True)
        for at, file in enumerate(files, listing.progress.at + 1):
            for chunk in chunks_of(order.add(_names_in(read(self._store, file.ref, listing.reading), file.ref))):
                self._take_chunk(chunk, examiner, listing)
            if listing.until.is_over and file is not files[-1]:
                return listing.collector.close(at, file.ref.key, order.waiting, is_listed=False)
        for chunk in chunks_of(order.rest()):
            self._take_chunk(chunk, examiner, listing)
        return listing.collector.close(listing.progress.at + len(files), "", (), is_listed=True)

    def _take_chunk(self, chunk: Sequence[StoredObject], examiner: Examiner, listing: _Listing) -> None:
        rows = listing.covered.find((one.ref for one in chunk), listing.reading)
        has_documents = self.marks is not None
        looks = [
            listing.pool.submit(examiner.look_up, one.ref, rows.get(one.ref), listing.reading, has_documents=has_documents)
            for one in chunk
        ]
        for one, look in zip(chunk, looks, strict=True):
            source, document, state = look.result()
            self._sort(source or one, document, state, listing.collector)

    def _sort(self, source: StoredObject, document: StoredObject | None, state: State, collector: Collector) -> None:
        if state is State.MISSING or (state is State.OUTDATED and self.order.replace):
            collector.add(source, has_document=document is not None)
        else:
            collector.leave_out(state.name.lower())

    def _finish(self, position: Position, progress: Progress, budget: TimeBudget) -> Plan:
        """Joins the parts, looks into some objects, and writes the plan, unless another invocation has."""
        store, places, by = self._store, self._places, budget.finish_by
        parts = (read_part(store, found.ref, by) for found in store.list(places.parts(self.run, position), "", deadline=by))
        shards: list[Shard] = [shard for part in parts if part for shard in part.shards]
        create(store, places.shards(self.run, position.attempt), msgspec.json.encode(shards), JSON, by)
        plan = Plan(
            run=self.run,
            order=self.order,
            planned_at=position.planned_at,
            attempt=position.attempt,
            results=self.scorer.documents.maker.results,
            totals=progress.totals,
            shards=len(shards),
            model=name_model(self.scorer.model.manifest),
            sampled=self._sample([ObjectRef(bucket, key) for _, bucket, key in progress.sample], budget),
        )
        create(store, places.plan(self.run), msgspec.json.encode(plan), JSON, by)
        planned = read_plan(store, places, self.run, by)
        if planned is None:
            raise StorageUnavailable(
                f"Expected {places.plan(self.run)}, which was just written. Received: nothing there; try again."
            )
        return planned

    def _sample(self, refs: Sequence[ObjectRef], budget: TimeBudget) -> Sampled:
        """Counts the images in some objects, in as many as there is time for, and in none if that was tried before.

        An invocation that began to and left no plan may have died of one of them, and so would each further one.
        """
        if not refs or not create(self._store, self._places.sampling(self.run), b"", JSON, budget.finish_by):
            return Sampled()
        until = budget.begin_by
        counts = [self._count_images(ref, until) for ref in refs if not until.is_over]
        return Sampled(len(counts), sum(counts))

    def _count_images(self, ref: ObjectRef, deadline: Deadline) -> int:
        """Returns the number of images in an object, as far as it can be read; its fault is told when it is scored."""
        count = 0
        with suppress(Exception):  # also a bug that one object triggers: the plan is of all of them
            opened = self.scorer.inputs.open(ref, deadline)
            if opened:
                with closing(opened.body) as body:
                    for one in decode(body, ref.name, self.scorer.target):
                        count += isinstance(one, Image)
        return count


def _names_in(content: bytes | None, place: ObjectRef) -> Iterator[StoredObject]:
    """Yields the objects that the lines of a file name, which was read at `place`; None if it is gone."""
    try:
        yield from (_named.decode(line).source for line in unpack_lines(content or b"", place) if line)
    except BROKEN_JSON as error:
        raise StorageUnavailable(
            f'Expected a line ["bucket","key",size]. Received in {place}: {error}; make the list again.'
        ) from error
