"""Pairs each input of a listing with its document in another listing, each read once, in order and ahead of its use. Pure.

    inputs, by key --reorder--> inputs, by their documents' keys --merge--> pairs
    documents, by key ----------------------------------------------^
    rows of backlogs, by the keys of the documents in their place --^

Keys are listed in the order of their UTF-8 bytes, which is that of Python's strings. A document's key is its input's key with
a suffix, and this changes the order: `a` comes before `a-b`, but `a.json` after `a-b.json`. This happens only to a key that is
the beginning of another one. So an input waits until its document's key is at most the key that was read last: from then on,
every document's key is greater, since it is longer than its input's. The inputs that wait are all beginnings of the key that
was read last, each followed there by a character up to ".". So there are at most as many as a key has characters, whatever a
bucket holds, and one or two as a rule.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import count, islice
from typing import Generic, NamedTuple, TypeVar

import msgspec

from handler.store import StoredObject

T = TypeVar("T")

BLOCK_OBJECTS = 1000  # read ahead of each listing, which is a page of S3's


class RowRef(msgspec.Struct, frozen=True, order=True):
    """The row that a backlog wrote for the object `key`, in the state `etag`.

    It `is_valid` unless it tells of something that was rejected, and the function that is at work now may read more.
    """

    key: str
    etag: str
    is_valid: bool = True

    def holds(self, source: StoredObject) -> bool:
        """Returns whether the row is about the present state of `source`, and still right."""
        return self.is_valid and self.key == source.ref.key and self.etag == source.etag


class Pair(NamedTuple):
    """An input, the object in the place of its document, and its row; None for what is not there."""

    source: StoredObject
    document: StoredObject | None
    row: RowRef | None


class Pairing:
    """Yields each input with the object in the place of its document and with its row, in the order of these places.

    `sources` and `found` are listings in the order of their keys, and `rows` come in the order of their documents' places. The
    place of the document of `key` is `output + key + suffix`; any other object is passed over. At any moment, the inputs up to
    the key `after` have been yielded, except those that are `waiting`.
    """

    def __init__(
        self,
        sources: Iterable[StoredObject],
        found: Iterable[StoredObject],
        rows: Iterable[RowRef],
        output: str,
        suffix: str,
    ) -> None:
        self.after: str | None = None
        self._waiting: list[tuple[str, StoredObject]] = []
        self._sources = sources
        self._found = Ahead(found, lambda document: document.ref.key)
        self._rows = Ahead(rows, lambda row: output + row.key + suffix)
        self._output, self._suffix = output, suffix

    @property
    def waiting(self) -> tuple[StoredObject, ...]:
        """The inputs that were read, and are not yet yielded, in the order of their keys."""
        return tuple(sorted((source for _, source in self._waiting), key=lambda source: source.ref.key))

    def __iter__(self) -> Iterator[Pair]:
        output, suffix, waiting = self._output, self._suffix, self._waiting
        for source in self._sources:
            key = source.ref.key
            while waiting and waiting[0][0] <= output + key:
                yield self._pair(*heapq.heappop(waiting))
            heapq.heappush(waiting, (output + key + suffix, source))
            self.after = key
        while waiting:
            yield self._pair(*heapq.heappop(waiting))

    def _pair(self, place: str, source: StoredObject) -> Pair:
        return Pair(source, self._found.at(place), self._rows.at(place))


class PlaceOrder:
    """Puts objects that come in the order of their buckets and keys into that of their documents' places, bucket by bucket.

    The place of the document of `key` ends in `suffix`. The objects that are `waiting` at the beginning come first.
    """

    def __init__(self, suffix: str, waiting: Iterable[StoredObject]) -> None:
        self._suffix = suffix
        self._numbers = count()
        self._heap: list[tuple[str, str, int, StoredObject]] = []
        for source in waiting:
            self._push(source)

    @property
    def waiting(self) -> tuple[StoredObject, ...]:
        """The objects that were added, and whose turn has not come."""
        return tuple(source for _, _, _, source in sorted(self._heap))

    def add(self, sources: Iterable[StoredObject]) -> Iterator[StoredObject]:
        """Yields the objects, of these and of those that wait, before which nothing that is added later can come."""
        for source in sources:
            while self._heap and self._heap[0][:2] <= (source.ref.bucket, source.ref.key):
                yield heapq.heappop(self._heap)[-1]
            self._push(source)

    def rest(self) -> Iterator[StoredObject]:
        """Yields the objects that wait."""
        while self._heap:
            yield heapq.heappop(self._heap)[-1]

    def _push(self, source: StoredObject) -> None:
        heapq.heappush(self._heap, (source.ref.bucket, source.ref.key + self._suffix, next(self._numbers), source))


class Ahead(Generic[T]):
    """Items in the order of their places, of which only the next one is looked at; `place_of` returns the place of an item."""

    def __init__(self, items: Iterable[T], place_of: Callable[[T], str]) -> None:
        self._items = iter(items)
        self._place_of = place_of
        self._next = next(self._items, None)

    def at(self, place: str) -> T | None:
        """Returns the item at `place`, or None if there is none; nothing before `place` can be asked for any more."""
        item = self._next
        while item is not None and self._place_of(item) < place:
            item = next(self._items, None)
        self._next = item
        return item if item is not None and self._place_of(item) == place else None


def read_ahead(pool: Executor, items: Iterable[T]) -> Iterator[T]:
    """Has a thread of `pool` read the next block of `items` while the last one is used; an error is raised in its place.

    Reading begins at once.
    """
    reading = iter(items)
    return _used(pool, reading, _read(pool, reading))


def _used(pool: Executor, reading: Iterator[T], coming: _Block[T]) -> Iterator[T]:
    while True:
        error = coming.done.exception()
        block = coming.items
        if block and not error:
            coming = _read(pool, reading)
        yield from block
        if error:
            raise error
        if not block:
            return


class _Block(msgspec.Struct, Generic[T], frozen=True):
    """A block that a thread reads, with what came before an error if one ends it early."""

    items: list[T]
    done: Future[None]


def _read(pool: Executor, reading: Iterator[T]) -> _Block[T]:
    items: list[T] = []

    def read() -> None:
        for item in islice(reading, BLOCK_OBJECTS):
            items.append(item)  # noqa: PERF402  # one by one, so that an error loses nothing

    return _Block(items, pool.submit(read))
