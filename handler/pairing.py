"""Pairs each input of a listing with its document in another listing, both read once, in order and ahead of their use. Pure.

    inputs, by key --reorder--> inputs, by their documents' keys --merge--> pairs
    documents, by key ----------------------------------------------^

Keys are listed in the order of their UTF-8 bytes, which is that of Python's strings. A document's key is its input's key with
a suffix, and this changes the order: `a` comes before `a-b`, but `a.json` after `a-b.json`. This happens only to a key that is
the beginning of another one. So an input waits until its document's key is at most the key that was read last: from then on,
every document's key is greater, since it is longer than its input's. The inputs that wait are all beginnings of the key that
was read last, each followed there by a character up to ".". So there are at most as many as a key has characters, whatever a
bucket holds, and one or two as a rule.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Generic, TypeVar

import msgspec

from handler.store import StoredObject

T = TypeVar("T")

BLOCK_OBJECTS = 1000  # read ahead of each listing, which is a page of S3's

Pair = tuple[StoredObject, StoredObject | None]


class Pairing:
    """Yields each input with the object in the place of its document, or with None, in the order of these places.

    `sources` and `found` are listings in the order of their keys. The place of the document of `key` is `output + key +
    suffix`; any other object is passed over. At any moment, the inputs up to the key `after` have been yielded, except those
    that are `waiting`.
    """

    def __init__(self, sources: Iterable[StoredObject], found: Iterable[StoredObject], output: str, suffix: str) -> None:
        self.after: str | None = None
        self._waiting: list[tuple[str, StoredObject]] = []
        self._sources = sources
        self._found = iter(found)
        self._next = next(self._found, None)
        self._output, self._suffix = output, suffix

    @property
    def waiting(self) -> tuple[StoredObject, ...]:
        """The inputs that were read, and are not yet yielded."""
        return tuple(source for _, source in self._waiting)

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
        found = self._next
        while found is not None and found.ref.key < place:
            found = next(self._found, None)
        self._next = found
        return source, found if found is not None and found.ref.key == place else None


def read_ahead(pool: ThreadPoolExecutor, items: Iterable[T]) -> Iterator[T]:
    """Has a thread of `pool` read the next block of `items` while the last one is used; an error is raised in its place.

    Reading begins at once.
    """
    reading = iter(items)
    return _used(pool, reading, _read(pool, reading))


def _used(pool: ThreadPoolExecutor, reading: Iterator[T], coming: _Block[T]) -> Iterator[T]:
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


def _read(pool: ThreadPoolExecutor, reading: Iterator[T]) -> _Block[T]:
    items: list[T] = []

    def read() -> None:
        for item in islice(reading, BLOCK_OBJECTS):
            items.append(item)  # noqa: PERF402  # one by one, so that an error loses nothing

    return _Block(items, pool.submit(read))
