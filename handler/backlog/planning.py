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
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime

import msgspec

from handler.backlog.collecting import Collector, part_place, read_part
from handler.backlog.covering import Covered, read_plan
from handler.backlog.files import unpack_lines
from handler.backlog.keeping import JSON, create, read
from handler.backlog.runs import Order, Places, Plan, Progress, RunName, Sampled, Shard
from handler.deadline import Deadline, TimeBudget
from handler.dispatch import chunks_of
from handler.errors import ScoringError, StorageUnavailable, UnacceptedObject
from handler.examining import Examiner, State
from handler.formats import decode
from handler.formats.image import Image
from handler.marks import Marks, Settled
from handler.objects import ObjectRef, Prefix, parse_prefix
from handler.pairing import Pairing, read_ahead
from handler.scoring import Scorer
from handler.store import Store, StoredObject


class _Named(msgspec.Struct, frozen=True, array_like=True):
    """A line of a list that a run was asked for: an object, and its size in bytes if it is known."""

    bucket: str
    key: str
    size_bytes: int | None = None

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(self.bucket, self.key)


_named = msgspec.json.Decoder(_Named)


class _Part(msgspec.Struct, frozen=True):
    """One invocation's part of a plan, which goes on from `progress` until the time `until`; listings end by `reading`."""

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

    def plan(self, progress: Progress | None, until: Deadline, budget: TimeBudget) -> Plan | Progress:
        """Plans until the time `until`, but some objects at least, and returns the plan, or the progress that was made.

        Raises:
            UnacceptedObject: the prefix lies outside of the inputs, or is none.
            StorageUnavailable: the store failed.
            OutOfTime: a call did not end in time.
        """
        planned = read_plan(self._store, self._places, self.run, budget.finish_by)
        if planned:
            return planned
        progress = progress or self._begin()
        if not progress.is_listed:
            progress = self._repeated(progress, budget) or self._list(progress, until, budget)
        return self._finish(progress, budget) if progress.is_listed else progress

    @property
    def _store(self) -> Store:
        return self.scorer.documents.store

    @property
    def _places(self) -> Places:
        return Places(self.scorer.documents.output)

    def _begin(self) -> Progress:
        now = self.now()
        return Progress(attempt=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}", planned_at=now.isoformat())

    def _repeated(self, progress: Progress, budget: TimeBudget) -> Progress | None:
        """Returns the progress of an earlier invocation from this position, whose answer was lost; None if there is none."""
        following = msgspec.structs.replace(progress, parts=progress.parts + 1)
        part = read_part(self._store, part_place(self._places, self.run, following), budget.finish_by)
        return part.progress if part else None

    def _list(self, progress: Progress, until: Deadline, budget: TimeBudget) -> Progress:
        """Plans the next part."""
        reading = budget.finish_by  # later than `until`, so that no page that was begun is lost
        covered = Covered.read(self.scorer.documents, reading)
        with ThreadPoolExecutor(3) as readers, ThreadPoolExecutor(self.concurrency) as pool:
            collector = Collector(self._store, self._places, self.run, progress, pool, budget.finish_by)
            part = _Part(progress, collector, covered, until, reading, readers, pool)
            return self._take_named(part) if self.order.listed else self._take_found(part)

    def _take_found(self, part: _Part) -> Progress:
        """Collects the inputs that listings find, side by side with their documents and rows."""
        prefixes, marks, inputs = self._prefixes(), self.marks, self.scorer.inputs
        made_since = marks.made_since(part.reading) if marks else None
        after, waiting = part.progress.after, [one.source(prefixes[part.progress.at].bucket) for one in part.progress.waiting]
        for at, prefix in enumerate(prefixes[part.progress.at :], part.progress.at):
            settled = Settled(made_since, marks.swept_since(prefix, part.reading)) if marks else Settled()
            examiner = Examiner(inputs, self.scorer.documents, settled, part.pool)
            pairing = self._pair(prefix, after, waiting, part)
            for chunk in chunks_of(pairing):
                for one in examiner.examine(chunk, part.reading, may_look=True):
                    self._sort(one.source, one.state, part.collector)
                if part.until.is_over:
                    return part.collector.close(at, pairing.after or after, list(pairing.waiting), is_listed=False)
            after, waiting = "", []
        return part.collector.close(len(prefixes), "", [], is_listed=True)

    def _prefixes(self) -> Sequence[Prefix]:
        inputs = self.scorer.inputs
        if self.order.prefix is None:
            return inputs.outermost()
        prefix = parse_prefix(self.order.prefix)
        if prefix is None:
            raise UnacceptedObject(f"Expected s3://bucket/prefix/ with a slash at its end. Received: {self.order.prefix!r}.")
        inputs.require_accepted_prefix(prefix)
        return [prefix]

    def _pair(self, prefix: Prefix, after: str, waiting: Sequence[StoredObject], part: _Part) -> Pairing:
        """Lists from where the invocation before this one ended; the inputs that waited then come first."""
        documents, readers = self.scorer.documents, part.readers
        sources = read_ahead(readers, self.scorer.inputs.list_under(prefix, after, part.reading))
        # A run of another model is for a place of its own, so it does not matter which documents there are.
        found = documents.list_under(prefix, after, part.reading) if self.marks else iter(())
        rows = read_ahead(readers, part.covered.rows(prefix, after, part.reading))
        output, suffix = documents.output.prefix, documents.layout.suffix
        return Pairing(itertools.chain(waiting, sources), read_ahead(readers, found), rows, output, suffix)

    def _take_named(self, part: _Part) -> Progress:
        """Collects the objects that lists name, after a look at each of which a document or a row is there."""
        files = list(self._store.list(self._places.asked(self.run), part.progress.after, deadline=part.reading))
        examiner = Examiner(self.scorer.inputs, self.scorer.documents, Settled(), part.pool)
        for at, file in enumerate(files, part.progress.at + 1):
            content = read(self._store, file.ref, part.reading) or b""
            for chunk in chunks_of(_named.decode(line) for line in unpack_lines(content, file.ref) if line):
                self._take_chunk(chunk, examiner, part)
            if part.until.is_over and file is not files[-1]:
                return part.collector.close(at, file.ref.key, [], is_listed=False)
        return part.collector.close(part.progress.at + len(files), "", [], is_listed=True)

    def _take_chunk(self, chunk: Sequence[_Named], examiner: Examiner, part: _Part) -> None:
        rows = part.covered.find((one.ref for one in chunk), part.reading)
        has_documents = self.marks is not None
        looks = [
            part.pool.submit(examiner.look_up, one.ref, rows.get(one.ref), part.reading, has_documents=has_documents)
            for one in chunk
        ]
        for one, look in zip(chunk, looks, strict=True):
            source, state = look.result()
            self._sort(source or StoredObject(one.ref, "", None, one.size_bytes or 0), state, part.collector)

    def _sort(self, source: StoredObject, state: State, collector: Collector) -> None:
        if state is State.MISSING or (state is State.OUTDATED and self.order.replace):
            collector.add(source)
        else:
            collector.leave_out(state.name.lower())

    def _finish(self, progress: Progress, budget: TimeBudget) -> Plan:
        """Joins the parts, looks into some objects, and writes the plan, unless another invocation has."""
        store, places, by = self._store, self._places, budget.finish_by
        parts = (
            read_part(store, found.ref, by) for found in store.list(places.parts(self.run, progress.attempt), "", deadline=by)
        )
        shards: list[Shard] = [shard for part in parts if part for shard in part.shards]
        create(store, places.shards(self.run, progress.attempt), msgspec.json.encode(shards), JSON, by)
        plan = Plan(
            run=self.run,
            order=self.order,
            planned_at=progress.planned_at,
            attempt=progress.attempt,
            results=self.scorer.documents.maker.results,
            totals=progress.totals,
            shards=len(shards),
            sampled=self._sample((ObjectRef(bucket, key) for _, bucket, key in progress.sample), budget.begin_by),
        )
        create(store, places.plan(self.run), msgspec.json.encode(plan), JSON, by)
        planned = read_plan(store, places, self.run, by)
        if planned is None:
            raise StorageUnavailable(f"Expected {places.plan(self.run)}, which was just written. Received: nothing there.")
        return planned

    def _sample(self, refs: Iterable[ObjectRef], until: Deadline) -> Sampled:
        """Counts the images in some objects, in as many as there is time for."""
        counts = [self._count_images(ref, until) for ref in refs if not until.is_over]
        return Sampled(len(counts), sum(counts))

    def _count_images(self, ref: ObjectRef, deadline: Deadline) -> int:
        """Returns the number of images in an object, as far as it can be read; its fault is told when it is scored."""
        count = 0
        with suppress(ScoringError):
            opened = self.scorer.inputs.open(ref, deadline)
            if opened:
                with closing(opened.body) as body:
                    for one in decode(body, ref.name, self.scorer.target):
                        count += isinstance(one, Image)
        return count
