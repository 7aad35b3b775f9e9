"""Sums up a run: its counts, and the list of the objects that it could not score. No AWS here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import msgspec

from handler.backlog.covering import read_shards
from handler.backlog.files import Index, decode_index, decode_keys
from handler.backlog.keeping import JSON, JSON_LINES, read, replace
from handler.backlog.runs import Places, Plan, Shard, Totals
from handler.deadline import Deadline
from handler.outcomes import Outcome
from handler.predictions import ModelName, name_model
from handler.prices import estimate_backlog_dollars
from handler.scoring import Scorer

MAX_LIST_BYTES = 2**27  # of what failed: a million objects; the run that scores them leaves no others out


class ShardCounts(msgspec.Struct, frozen=True):
    """The number of shards of a run, and of those that are finished."""

    planned: int
    finished: int


class Summary(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="coatcheck.run/1"):
    """What became of a run.

    `planned_at` and `ended_at` are when the plan was begun and this was written. `outcomes` counts objects, and `images`
    predictions. `seconds` is the time of all workers together, and `dollars` about what that and the calls cost. `rows` is
    where the rows are; null if each object has a document. `failed` is the number of objects that have neither, which
    `failed_list` names, a million of them at most; null if there are none.
    """

    run: str
    model: ModelName
    planned_at: str
    ended_at: str
    planned: Totals
    shards: ShardCounts
    outcomes: dict[str, int]
    images: int
    bytes: int
    seconds: float
    dollars: float
    rows: str | None
    failed: int
    failed_list: str | None


class Summariser(msgspec.Struct, frozen=True, kw_only=True):
    """Sums up the runs of `scorer`; `concurrency` indexes are read at the same time, and `now` returns the time of day."""

    scorer: Scorer
    concurrency: int
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def summarise(self, plan: Plan, deadline: Deadline) -> Summary:
        """Writes the summary of a run, and the list of what failed, as far as the run has come; returns the summary.

        Raises:
            StorageUnavailable: the store failed.
            OutOfTime: a call did not end by `deadline`.
        """
        places, store = self._places, self.scorer.documents.store
        shards = read_shards(store, places, plan, deadline) or []
        outcomes: Counter[str] = Counter({outcome.value: 0 for outcome in Outcome})
        images = size = finished = 0
        seconds, failed = 0.0, _Failed()
        with ThreadPoolExecutor(self.concurrency) as pool:
            for shard, index in zip(shards, pool.map(lambda one: self._index(one, plan, deadline), shards), strict=True):
                if index is None:
                    failed.add(shard.bucket, self._keys(shard, deadline))
                    continue
                finished += 1
                outcomes.update(index.head.outcomes)
                images, size, seconds = images + index.head.images, size + index.head.bytes, seconds + index.head.seconds
                failed.add(shard.bucket, (one.key for one in index.head.unfinished))
        if failed.count or store.head(places.failed(plan.run), deadline=deadline):  # of an earlier summary
            replace(store, places.failed(plan.run), bytes(failed.lines), JSON_LINES, deadline)
        summary = Summary(
            run=plan.run,
            model=plan.model or name_model(self.scorer.model.manifest),
            planned_at=plan.planned_at,
            ended_at=self.now().isoformat(),
            planned=plan.totals,
            shards=ShardCounts(plan.shards, finished),
            outcomes=dict(outcomes),
            images=images,
            bytes=size,
            seconds=round(seconds, 3),
            dollars=estimate_backlog_dollars(
                outcomes.total(), plan.shards, seconds, writes_documents=plan.order.writes_documents
            ),
            rows=None if plan.order.writes_documents else str(places.rows_of(plan.results, plan.run)),
            failed=failed.count,
            failed_list=str(places.failed(plan.run)) if failed.count else None,
        )
        replace(store, places.summary(plan.run), msgspec.json.encode(summary), JSON, deadline)
        return summary

    @property
    def _places(self) -> Places:
        return Places(self.scorer.documents.output)

    def _index(self, shard: Shard, plan: Plan, deadline: Deadline) -> Index | None:
        place = self._places.index(plan.results, shard.run, shard.number)
        content = read(self.scorer.documents.store, place, deadline)
        return decode_index(content, place) if content is not None else None

    def _keys(self, shard: Shard, deadline: Deadline) -> Iterator[str]:
        place = self._places.keys(shard)
        content = read(self.scorer.documents.store, place, deadline)
        return iter(decode_keys(content, place)[1] if content is not None else ())


class _Failed:
    """The objects that a run could not score: their `count`, and the `lines` of a list of them, up to `MAX_LIST_BYTES`."""

    def __init__(self) -> None:
        self.count = 0
        self.lines = bytearray()

    def add(self, bucket: str, keys: Iterable[str]) -> None:
        for key in keys:
            self.count += 1
            if len(self.lines) < MAX_LIST_BYTES:
                self.lines += msgspec.json.encode({"source-ref": f"s3://{bucket}/{key}"}) + b"\n"
