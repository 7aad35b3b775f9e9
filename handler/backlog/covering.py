"""Reads which objects the rows of finished shards cover: a third listing, beside that of the inputs and that of the documents.

    runs --by the ranges of their shards--> indexes --merge--> rows, in the order of their documents' places

Several runs may have a row for one object, when it changed between them. Then the row of the run that was planned last counts.
No AWS here.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from operator import itemgetter

import msgspec

from handler.backlog.files import Index, decode_index
from handler.backlog.keeping import read
from handler.backlog.runs import Places, Plan, Shard
from handler.calls import Threads
from handler.deadline import Deadline
from handler.documents import Documents
from handler.errors import BROKEN_JSON, StorageUnavailable
from handler.maker import Maker
from handler.objects import ObjectRef, Prefix
from handler.pairing import RowRef
from handler.store import Store

_READERS = 16  # of the plans of runs at the same time

# A shard's rows are in the order of places with the suffix that was set when its run was planned, and nothing tells which one.
_SUFFIXES = (".json", ".jsonl")

_plan = msgspec.json.Decoder(Plan)
_shards = msgspec.json.Decoder(list[Shard])


def read_plan(store: Store, places: Places, run: str, deadline: Deadline) -> Plan | None:
    """Returns the plan of a run; None if it is not planned.

    Raises:
        StorageUnavailable: the store failed, or the plan is none.
        OutOfTime: a call did not end by `deadline`.
    """
    place = places.plan(run)
    content = read(store, place, deadline)
    try:
        return _plan.decode(content) if content is not None else None
    except BROKEN_JSON as error:
        raise StorageUnavailable(
            f"Expected the plan of a run. Received at {place}: {error}; start a run of another name.", operation="GetObject"
        ) from error


def read_shards(store: Store, places: Places, plan: Plan, deadline: Deadline) -> list[Shard] | None:
    """Returns the shards of a run, in the order of their numbers; None if the list of them was deleted.

    Raises:
        StorageUnavailable: the store failed, or the list is none.
        OutOfTime: a call did not end by `deadline`.
    """
    place = places.shards(plan.run, plan.attempt)
    content = read(store, place, deadline)
    try:
        return _shards.decode(content) if content is not None else None
    except BROKEN_JSON as error:
        raise StorageUnavailable(
            f"Expected the shards of a run. Received at {place}: {error}; start a run of another name.", operation="GetObject"
        ) from error


class _Run(msgspec.Struct, frozen=True):
    """The shards of a run that are finished, and the time at which the run was planned.

    The shards of each bucket are in the order of `_lowest`, and for each suffix in the order of their last places with it.
    """

    planned_at: str
    shards: dict[str, list[Shard]]
    by_last: dict[tuple[str, str], list[Shard]]


class Covered(msgspec.Struct, frozen=True):
    """The rows of the finished shards of all runs of `maker`, as they are when this is read; `suffix` ends documents' keys."""

    store: Store
    places: Places
    maker: Maker
    suffix: str
    runs: tuple[_Run, ...]

    @classmethod
    def read(cls, documents: Documents, deadline: Deadline, threads: Threads = ThreadPoolExecutor) -> Covered:
        """Returns what the rows of the maker of `documents` cover, beside these documents, as read on threads of `threads`.

        Raises:
            StorageUnavailable: the store failed.
            OutOfTime: a call did not end by `deadline`.
        """
        store, places, maker = documents.store, Places(documents.output), documents.maker
        finished: dict[str, set[int]] = defaultdict(set)
        folder = places.indexes(maker)
        for found in store.list(folder, "", deadline=deadline):
            run, _, name = found.ref.key.removeprefix(folder.prefix).partition("/")
            number = name.removesuffix(".jsonl.gz")
            if number.isascii() and number.isdigit():
                finished[run].add(int(number))
        suffix = documents.layout.suffix
        with threads(_READERS) as pool:
            runs = pool.map(lambda run: _read_run(store, places, run, finished[run], deadline), list(finished))
            return cls(store, places, maker, suffix, tuple(run for run in runs if run))

    def rows(self, prefix: Prefix, after: str, deadline: Deadline) -> Iterator[RowRef]:
        """Yields the rows of objects under `prefix`, lazily, of all whose documents' places follow that of the key `after`.

        They come in the order of these places, one for each object. Some of objects up to `after` may come too. Raises the
        same as `read`.
        """
        streams = (self._rows_of(run, order, prefix, after, deadline) for order, run in enumerate(self._latest_first))
        for _, same in groupby(heapq.merge(*streams, key=itemgetter(0, 1)), key=itemgetter(0)):
            yield next(same)[2]

    def find(self, refs: Iterable[ObjectRef], deadline: Deadline) -> dict[ObjectRef, RowRef]:
        """Returns the rows of some objects, of those that have one; raises the same as `read`."""
        wanted: dict[tuple[int, Shard], list[ObjectRef]] = defaultdict(list)
        for ref in refs:
            for order, run in enumerate(self._latest_first):
                for shard in _may_have(run, ref):
                    wanted[order, shard].append(ref)
        found: dict[ObjectRef, RowRef] = {}
        for order, shard in sorted(wanted, key=lambda one: (one[0], one[1].number)):
            rows = {row.key: row for row in self._index_rows(shard, deadline)}
            for ref in wanted[order, shard]:
                if ref.key in rows:
                    found.setdefault(ref, rows[ref.key])
        return found

    @property
    def _latest_first(self) -> list[_Run]:
        return sorted(self.runs, key=lambda run: run.planned_at, reverse=True)

    def _rows_of(
        self, run: _Run, order: int, prefix: Prefix, after: str, deadline: Deadline
    ) -> Iterator[tuple[str, int, RowRef]]:
        """Yields the place of each row of a run under `prefix`, relative to the output, the run's `order`, and the row."""
        start = max(after, prefix.prefix)
        waiting: list[tuple[str, int, RowRef]] = []
        for shard in run.shards.get(prefix.bucket, []):
            lowest = _lowest(shard)
            if lowest > start and not lowest.startswith(prefix.prefix):
                break
            if _highest(shard) <= start:
                continue
            while waiting and waiting[0][0] < lowest:  # so few shards' rows wait, whichever order they were written in
                yield heapq.heappop(waiting)
            for row in self._index_rows(shard, deadline):
                place = row.key + self.suffix
                if place > start and row.key.startswith(prefix.prefix):
                    heapq.heappush(waiting, (place, order, row))
        while waiting:
            yield heapq.heappop(waiting)

    def _index_rows(self, shard: Shard, deadline: Deadline) -> list[RowRef]:
        index = self._read_index(shard, deadline)
        if index is None:
            return []
        is_same = index.head.rejections == self.maker.rejections
        return [RowRef(entry.key, entry.etag, is_valid=is_same or not entry.has_rejected) for entry in index.entries]

    def _read_index(self, shard: Shard, deadline: Deadline) -> Index | None:
        place = self.places.index(self.maker.results, shard.run, shard.number)
        content = read(self.store, place, deadline)
        return decode_index(content, place) if content is not None else None


def _read_run(store: Store, places: Places, run: str, finished: set[int], deadline: Deadline) -> _Run | None:
    """Returns the finished shards of a run; None if the run's plan was deleted, whereby nobody can tell their order."""
    plan = read_plan(store, places, run, deadline)
    shards = read_shards(store, places, plan, deadline) if plan else None
    if plan is None or shards is None:
        return None
    by_bucket: dict[str, list[Shard]] = defaultdict(list)
    for shard in sorted(shards, key=_lowest):  # a run may plan several prefixes
        if shard.number in finished:
            by_bucket[shard.bucket].append(shard)
    by_last = {
        (bucket, suffix): sorted(some, key=lambda shard: shard.last + suffix)
        for bucket, some in by_bucket.items()
        for suffix in _SUFFIXES
    }
    return _Run(plan.planned_at, dict(by_bucket), by_last)


def _may_have(run: _Run, ref: ObjectRef) -> set[Shard]:
    """Returns the shards of a run that may have an object: the one whose range it is in, by either suffix."""
    found: set[Shard] = set()
    for suffix in _SUFFIXES:
        shards = run.by_last.get((ref.bucket, suffix), [])
        at = bisect_left(shards, ref.key + suffix, key=lambda shard: shard.last + suffix)
        found.update(shards[at : at + 1])
    return found


def _lowest(shard: Shard) -> str:
    """Returns a place that none of the shard's rows precedes, whichever suffix its run had, and whichever there is now.

    With `.jsonl`, the place of `a` follows those of all keys that begin with `a.json/`; with `.json`, it comes before them.
    """
    start, end = _SUFFIXES
    beginnings = (key for key in _beginnings(shard.first) if key + end <= shard.last + end)
    return min([shard.first + start, *(key + start for key in beginnings)])


def _highest(shard: Shard) -> str:
    """Returns a place that none of the shard's rows follows, whichever suffixes there are."""
    return max(key + _SUFFIXES[-1] for key in (shard.last, *_beginnings(shard.last)))


def _beginnings(key: str) -> Iterator[str]:
    """Yields what stands before each `.json` in a key."""
    at = key.find(_SUFFIXES[0])
    while at >= 0:
        yield key[:at]
        at = key.find(_SUFFIXES[0], at + 1)
