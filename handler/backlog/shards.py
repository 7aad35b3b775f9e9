"""Scores one shard of a run: its objects as uploads are scored, their documents into one file of rows, and then the index.

    keys --score--> documents --as rows--> rows, on condition --> index, on condition

The index is written last, so its presence means that the shard is done. If rows are there without an index, an earlier worker
was stopped between the two, or another one works at the same time: then the rows that are there count, and the index is made of
them. So whatever is repeated, a shard has one file of rows, which is never changed. No AWS here.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress

import msgspec

from handler.backlog.covering import read_plan
from handler.backlog.files import Entry, Index, IndexHead, Unfinished, decode_index, decode_keys, encode_index
from handler.backlog.keeping import GZIP, JSON_LINES, MAX_ATTEMPTS, create, overtaken, read
from handler.backlog.rows import RowStore
from handler.backlog.runs import Places, Plan, Shard, require_current
from handler.backlog.surviving import Attempts
from handler.deadline import Deadline, TimeBudget
from handler.documents import Documents
from handler.errors import (
    BROKEN_JSON,
    ArchivedObject,
    ConcurrentWrites,
    InvocationFailed,
    OutOfRoom,
    ProcessKilled,
    ScoringError,
    StaleRun,
    StorageUnavailable,
)
from handler.jobs import Asked
from handler.layout import Layout, LayoutName
from handler.objects import ObjectRef
from handler.outcomes import Outcome, Record, Report
from handler.scoring import Scorer
from handler.store import Store, StoredObject, WriteResult

TOLERATED_PERCENT = 10  # of the objects of a shard may fail by themselves; if more do, the shard is repeated

RETRY_AFTER_S = (1.0, 5.0)  # before failed objects are scored once more, within the invocation; half of it at least, by chance

# Environments that are restored from one snapshot must not share their jitter, so it comes from the operating system.
_random = random.SystemRandom()

_ROWS = Layout(LayoutName.JSON, 0)  # one JSON value, in one line


class Done(msgspec.Struct, frozen=True):
    """What became of a shard: its index, and whether an earlier invocation had finished it."""

    head: IndexHead
    was_done: bool


class _Work(msgspec.Struct, frozen=True):
    """One attempt at a shard: its keys, those whose documents are to be replaced, and the notes of the attempts before."""

    shard: Shard
    plan: Plan
    keys: Sequence[str]
    replaced: Sequence[str]
    attempts: Attempts
    budget: TimeBudget
    record: Record


class ShardScorer(msgspec.Struct, frozen=True, kw_only=True):
    """Scores shards by `scorer`; `clock` returns seconds, and `sleep` waits for some."""

    scorer: Scorer
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def score(self, shard: Shard, plan: Plan, budget: TimeBudget, record: Record) -> Done:
        """Scores a shard, unless it is done, and returns what became of it; `record` is called with each report.

        Raises:
            StaleRun: the run was planned for another model, or an earlier run of its name has scored other objects.
            InvocationFailed: more objects failed than are tolerated, or none was scored in time; the shard must be repeated.
            StorageUnavailable: the store failed.
            OutOfTime: a call did not end by the end of `budget`.
        """
        require_current(plan, self._documents.maker)
        keys, replaced = self._read_keys(shard, budget.finish_by)
        done = self._read_index(shard, _digest([*keys, *replaced]), budget.finish_by)
        if done:
            return Done(done.head, was_done=True)
        attempts = Attempts(self._store, self._places.note(shard), budget.finish_by)
        try:
            return self._try(_Work(shard, plan, keys, replaced, attempts, budget, record))
        except (ScoringError, OSError):  # the latter for temporary files that have no room
            with suppress(ScoringError):  # the next attempt is only slower for it
                attempts.end()
            raise

    def _try(self, work: _Work) -> Done:
        """Makes one attempt at a shard."""
        began, shard = self.clock(), work.shard
        if not work.attempts.are_careful:
            work.attempts.begin()
        if work.plan.order.writes_documents:
            reports = self._score(self.scorer, [*work.keys, *work.replaced], work)
            _record_failed(reports, work)
            return self._finish(Index(self._head(work, reports, began), []), shard, work.budget)
        with closing(RowStore(self._store, self._documents.output.prefix, self._documents.layout.suffix)) as rows:
            reports = self._score(self._row_scorer(rows), work.keys, work)
            others = list(work.replaced)
            if not work.plan.order.model:  # whose documents would take the place of those of the deployed model
                others += [ref.key for ref, report in reports.items() if isinstance(report.error, OutOfRoom)]
            reports = {**reports, **self._score(self.scorer, others, work)}
            _record_failed(reports, work)
            return self._write(rows, work.keys, reports, shard, self._head(work, reports, began), work.budget)

    @property
    def _documents(self) -> Documents:
        return self.scorer.documents

    @property
    def _store(self) -> Store:
        return self._documents.store

    @property
    def _places(self) -> Places:
        return Places(self._documents.output)

    def _row_scorer(self, rows: RowStore) -> Scorer:
        documents = msgspec.structs.replace(self._documents, store=rows, marks=None)
        return msgspec.structs.replace(self.scorer, documents=documents, layout=_ROWS)

    def _score(self, scorer: Scorer, keys: Sequence[str], work: _Work) -> Mapping[ObjectRef, Report]:
        """Scores objects: all together, or one at a time after attempts whose processes were killed."""
        if not work.attempts.are_careful:
            return self._score_together(scorer, keys, work)
        numbers = {key: number for number, key in enumerate((*work.keys, *work.replaced))}
        reports: dict[ObjectRef, Report] = {}
        for key in keys:
            at, ref = numbers[key], ObjectRef(work.shard.bucket, key)
            if at in work.attempts.killers:
                reports[ref] = Report(ref, Outcome.FAILED, error=ProcessKilled(_KILLED.format(ref)))
            else:
                if not work.budget.begin_by.is_over:  # afterwards nothing is begun, and notes would take the time for the rows
                    work.attempts.begin(at)
                reports |= self._score_together(scorer, [key], work)
        return reports

    def _score_together(self, scorer: Scorer, keys: Sequence[str], work: _Work) -> Mapping[ObjectRef, Report]:
        """Scores objects, and those that failed more than once."""
        shard, budget, record = work.shard, work.budget, work.record
        # With documents, a shard that is repeated passes over the objects that it has scored before.
        asked = {ref: Asked(ref, unless_done=scorer is self.scorer) for ref in (ObjectRef(shard.bucket, key) for key in keys)}
        reports: dict[ObjectRef, Report] = {}

        def note(ref: ObjectRef, report: Report) -> None:
            if report.outcome is not Outcome.FAILED:  # it may be tried again
                record(ref, report if scorer is self.scorer else msgspec.structs.replace(report, document=None))

        for pause_s in (0.0, *RETRY_AFTER_S):
            again = [asked[ref] for ref in asked if ref not in reports or _may_be_tried_again(reports[ref])]
            if not again or (reports and budget.begin_by.left_s <= pause_s):
                break
            self.sleep(pause_s * _random.uniform(0.5, 1))
            reports |= scorer.score(again, budget, note)
        return reports

    def _head(self, work: _Work, reports: Mapping[ObjectRef, Report], began: float) -> IndexHead:
        maker, shard = self._documents.maker, work.shard
        outcomes = Counter(report.outcome.value for report in reports.values())
        return IndexHead(
            run=shard.run,
            number=shard.number,
            bucket=shard.bucket,
            results=maker.results,
            rejections=maker.rejections,
            outcomes=outcomes,
            images=sum(report.images for report in reports.values()),
            bytes=sum(report.size_bytes for report in reports.values()),
            seconds=round(self.clock() - began, 3),
            unfinished=list(_unfinished(reports)),
            keys=_digest([*work.keys, *work.replaced]),
        )

    def _write(
        self,
        rows: RowStore,
        keys: Sequence[str],
        reports: Mapping[ObjectRef, Report],
        shard: Shard,
        head: IndexHead,
        budget: TimeBudget,
    ) -> Done:
        """Writes the rows of `keys` and the index; if other rows are there, the index is made of these.

        `reports` are those on all objects of the shard.
        """
        entries = list(rows.entries(keys, head.rejections))
        metadata = {"run": shard.run, "shard": str(shard.number), "maker": head.rejections, "keys": _digest(keys)}
        # Also without any row, so that the rows which another worker writes meanwhile cannot lie beside an index of none.
        there = self._put_rows(rows, entries, shard, metadata, budget.finish_by)
        if there is None:
            return self._finish(Index(head, entries), shard, budget)
        own = {entry.key for entry in entries}
        without_row = {ref: report for ref, report in reports.items() if ref.key not in own}
        index = self._index_of(there, keys, without_row, head, budget.finish_by)
        return self._finish(index, shard, budget)

    def _put_rows(
        self,
        rows: RowStore,
        entries: Sequence[Entry],
        shard: Shard,
        metadata: Mapping[str, str],
        deadline: Deadline,
    ) -> StoredObject | None:
        """Writes the rows; returns None if it did, and the rows that were there if there were some."""
        place = self._places.rows(self._documents.maker.results, shard.run, shard.number)
        with closing(rows.ordered(entries)) as content:
            for _ in range(MAX_ATTEMPTS):
                written = self._store.put(
                    place, content, content_type=JSON_LINES, metadata=metadata, replacing=None, deadline=deadline
                )
                if written is WriteResult.WRITTEN:
                    return None
                there = self._store.head(place, deadline=deadline)
                if there is not None:
                    return self._require_own(there, metadata)
        raise overtaken(place)

    def _require_own(self, there: StoredObject, metadata: Mapping[str, str]) -> StoredObject:
        """Requires that rows that are there are of the same keys."""
        if there.metadata.get("keys") != metadata["keys"]:
            raise StorageUnavailable(f"Expected rows of this shard at {there.ref}. Received: other ones; delete them.")
        return there

    def _index_of(
        self,
        there: StoredObject,
        keys: Sequence[str],
        without_row: Mapping[ObjectRef, Report],
        head: IndexHead,
        deadline: Deadline,
    ) -> Index:
        """Returns the index of rows that an earlier worker wrote, of which nothing else is known.

        `without_row` are the reports on the objects of which this attempt has no row. They count where those rows have none
        either: the object has a document, say, or is gone.
        """
        content = read(self._store, there.ref, deadline)
        try:
            rows = [_row.decode(line) for line in (content or b"").splitlines()]
        except BROKEN_JSON as error:
            raise StorageUnavailable(f"Expected rows of this shard at {there.ref}. Received: {error}; delete them.") from error
        entries = [Entry(row.input.key, row.input.etag, row.has_rejected) for row in rows]
        named = {entry.key for entry in entries}
        told = {ref: report for ref, report in without_row.items() if ref.key not in named}
        known = named.union(ref.key for ref in told)
        missing = [key for key in keys if key not in known]
        outcomes = Counter({Outcome.SCORED.value: 0})
        outcomes.update(Outcome.REJECTED.value if row.error else Outcome.SCORED.value for row in rows)
        outcomes[Outcome.FAILED.value] += len(missing)
        outcomes.update(report.outcome.value for report in told.values())
        made = msgspec.structs.replace(
            head,
            rejections=there.metadata.get("maker", head.rejections),
            outcomes=+outcomes,
            images=sum(row.summary.images for row in rows if row.summary) + sum(one.images for one in told.values()),
            bytes=sum(row.input.size_bytes for row in rows) + sum(one.size_bytes for one in told.values()),
            unfinished=[Unfinished(key, ConcurrentWrites.__name__, _NOT_AMONG) for key in missing] + [*_unfinished(told)],
        )
        return Index(made, entries)

    def _finish(self, index: Index, shard: Shard, budget: TimeBudget) -> Done:
        """Writes the index, unless another worker has."""
        place = self._places.index(self._documents.maker.results, shard.run, shard.number)
        if create(self._store, place, encode_index(index), GZIP, budget.finish_by):
            return Done(index.head, was_done=False)
        there = self._read_index(shard, index.head.keys, budget.finish_by)
        if there is None:
            raise ConcurrentWrites(f"Expected {place}, which another worker wrote. Received: nothing there; try again.")
        return Done(there.head, was_done=True)

    def _read_index(self, shard: Shard, keys: str | None, deadline: Deadline) -> Index | None:
        """Returns the index of a shard, if it is there; requires that it is of the same `keys`, given as a digest."""
        place = self._places.index(self._documents.maker.results, shard.run, shard.number)
        content = read(self._store, place, deadline)
        if content is None:
            return None
        index = decode_index(content, place)
        if index.head.keys not in {keys, None}:  # the plan of an earlier run expired, say, and its name was used again
            raise StaleRun(
                f"Expected the index of shard {shard.number} of this run at {place}. Received: that of other objects, by an "
                "earlier run of this name; start a run of another name."
            )
        return index

    def _read_keys(self, shard: Shard, deadline: Deadline) -> tuple[list[str], list[str]]:
        """Returns the keys of a shard, each once: of the objects that get a row, and of those whose document is replaced."""
        place = self._places.keys(shard)
        content = read(self._store, place, deadline)
        if content is None:
            raise StaleRun(f"Expected the keys of a shard at {place}. Received: nothing there; start a run of another name.")
        head, keys = decode_keys(content, place)
        if (head.run, head.number, head.bucket) != (shard.run, shard.number, shard.bucket):
            raise StaleRun(
                f"Expected the keys of shard {shard.number} at {place}. Received: those of {head.number}; start a run of "
                "another name."
            )
        replaced = dict.fromkeys(head.replaced)
        return [key for key in dict.fromkeys(keys) if key not in replaced], list(replaced)


class _RowInput(msgspec.Struct):
    key: str
    etag: str
    size_bytes: int


class _RowSummary(msgspec.Struct):
    images: int = 0


class _Row(msgspec.Struct):
    """The parts of a document that its index needs; a list has no images."""

    input: _RowInput
    summary: _RowSummary | None = None
    error: msgspec.Raw = msgspec.Raw(b"")
    rejected: list[msgspec.Raw] = []

    @property
    def has_rejected(self) -> bool:
        return bool(self.error) or bool(self.rejected)


_row = msgspec.json.Decoder(_Row)

_KILLED = (
    "Expected to score {}. Received: the end of the process at an earlier attempt, while it was being scored alone. "
    "Score it by itself, or give the function more memory."
)
_NOT_AMONG = (
    "Expected a row. Received: the rows of an earlier worker, which did not come to tell why it has none of this object."
)


def require_plan(store: Store, places: Places, run: str, deadline: Deadline) -> Plan:
    """Returns the plan of a run; raises StaleRun if there is none, and the same as `read_plan`."""
    plan = read_plan(store, places, run, deadline)
    if plan is None:
        raise StaleRun(
            f"Expected a run that is planned. Received: {run!r}, of which there is no {places.plan(run)}; plan it first."
        )
    return plan


def _record_failed(reports: Mapping[ObjectRef, Report], work: _Work) -> None:
    """Records the objects that failed at the last attempt, and requires that they are few."""
    for ref, report in reports.items():
        if report.outcome is Outcome.FAILED:
            work.record(ref, report)
    _require_few_failed(work.shard, reports)


def _may_be_tried_again(report: Report) -> bool:
    return report.outcome is Outcome.FAILED and not isinstance(report.error, OutOfRoom)


def _is_left(report: Report) -> bool:
    """Returns whether an object failed for no other reason than that there was no more time, or no more room."""
    return report.can_be_postponed or isinstance(report.error, OutOfRoom)


def _require_few_failed(shard: Shard, reports: Mapping[ObjectRef, Report]) -> None:
    failed = [report for report in reports.values() if report.outcome is Outcome.FAILED]
    killers = [report for report in failed if isinstance(report.error, ProcessKilled)]
    own = [report for report in failed if not _is_left(report) and report not in killers]
    is_in_vain = len(killers) < len(failed) == len(reports)
    if len(own) * 100 > TOLERATED_PERCENT * len(reports) or is_in_vain:
        example = (own or failed)[0]
        raise InvocationFailed(
            f"{len(failed)} of {len(reports)} objects of shard {shard.number} of the run {shard.run!r} failed. One of them: "
            f"{example.ref}: {type(example.error).__name__}: {example.error}"
        )


def _unfinished(reports: Mapping[ObjectRef, Report]) -> Iterator[Unfinished]:
    for ref, report in reports.items():
        if report.outcome is Outcome.FAILED or isinstance(report.error, ArchivedObject):
            yield Unfinished(ref.key, type(report.error).__name__, str(report.error))


def _digest(keys: Sequence[str]) -> str:
    return hashlib.sha256(msgspec.json.encode(keys)).hexdigest()
