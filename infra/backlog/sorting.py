"""Sorts any number of entries in bounded memory: sorted runs in temporary files, which are merged."""

from __future__ import annotations

import heapq
import itertools
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO, Self

import msgspec

from infra.backlog.entries import Entry

RUN_ENTRIES = 50_000  # some 20 MB
MAX_RUNS = 64  # that are merged into one, whose like are merged again, so that few files are open at the same time

_decoder = msgspec.json.Decoder(Entry)
_encoder = msgspec.json.Encoder()


class Sorted:
    """Entries in the order of their buckets and keys, each once, in temporary files that end with the context.

    Texts compare by code points here, which is the order of their UTF-8 bytes. Of an object that was named several times, the
    largest size that was told counts.
    """

    def __init__(self, entries: Iterable[Entry], *, run_entries: int = RUN_ENTRIES, max_runs: int = MAX_RUNS) -> None:
        self._stack = ExitStack()
        self._max_runs = max_runs
        self._levels: list[list[IO[bytes]]] = []
        rest = iter(entries)
        try:
            while run := list(itertools.islice(rest, run_entries)):
                run.sort(key=_order)
                self._add(self._written(run), 0)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[Entry]:
        return _merged(itertools.chain.from_iterable(self._levels))

    def _add(self, run: IO[bytes], level: int) -> None:
        """Adds a run to those of a level; when there are many, one of the next level takes their place."""
        if level == len(self._levels):
            self._levels.append([])
        runs = self._levels[level]
        runs.append(run)
        if len(runs) == self._max_runs:
            merged = self._written(_merged(runs))
            for one in runs:
                one.close()
            runs.clear()
            self._add(merged, level + 1)

    def _written(self, entries: Iterable[Entry]) -> IO[bytes]:
        file = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # closed by the stack
        for entry in entries:
            file.write(_encoder.encode(entry) + b"\n")
        return file


def _order(entry: Entry) -> tuple[str, str]:
    return entry[:2]


def _read(file: IO[bytes]) -> Iterator[Entry]:
    file.seek(0)
    for line in file:
        yield _decoder.decode(line)


def _merged(runs: Iterable[IO[bytes]]) -> Iterator[Entry]:
    """Yields the entries of sorted runs in their order, each object once."""
    entries = heapq.merge(*map(_read, runs), key=_order)
    for (bucket, key), same in itertools.groupby(entries, _order):
        sizes = [entry.size_bytes for entry in same if entry.size_bytes is not None]
        yield Entry(bucket, key, max(sizes, default=None))
