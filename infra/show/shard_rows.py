"""Reads the rows of shards, one for each object, in the order of the places that the objects' documents would have.

    shards, opened in turn --merge--> rows --the latest run's--> rows

Runs overlap, and so may the shards of one run that plans several buckets. The shards that are open at a time are those whose
ranges overlap, so memory depends on the number of runs, and not on that of rows.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, groupby
from operator import attrgetter
from typing import Annotated

import msgspec

from infra.show.files import Content, Files, lines_of
from infra.show.ordering import in_order, place_in_order
from infra.show.shards import Foreign, Shard


@dataclass(frozen=True, slots=True)
class ShardRow:
    """The row of an object of `bucket`, which is a document in one line, or in its place something that has a `fault`.

    `place` is that of the object's document, by which rows are in order, and `rank` that of its run.
    """

    place: str
    line: Content
    bucket: str = ""
    rank: tuple[str, str] = ("", "")
    fault: str | None = None


class _Source(msgspec.Struct):
    bucket: str
    key: str


class _Row(msgspec.Struct):
    schema: Annotated[str, msgspec.Meta(pattern=r"^coatcheck\.(predictions|rejection|list)/")]
    input: _Source


_row = msgspec.json.Decoder(_Row)


def read_rows(files: Files, found: Iterable[Shard | Foreign]) -> Iterator[ShardRow]:
    """Yields the rows of shards, in the order of `place`, and what else was found with them.

    Of the rows of an object, that of the latest run is yielded. What is broken is told in its turn, and costs no other row.

    Raises:
        OSError: the folder cannot be read.
        StorageUnavailable: S3 failed.
    """
    shards = []
    for one in found:
        if isinstance(one, Shard):
            shards.append(one)
        else:
            yield ShardRow("", one.found, fault=one.reason)
    for _, same in groupby(_merge(files, shards), attrgetter("place")):
        yield from _latest(same)


def _merge(files: Files, shards: Iterable[Shard]) -> Iterator[ShardRow]:
    """Yields the rows of all shards in the order of their places; a shard is opened when its first row may be next."""
    coming = sorted(shards, key=attrgetter("place"), reverse=True)
    current: list[tuple[str, int, ShardRow, Iterator[ShardRow]]] = []
    numbers = count()

    def advance(rows: Iterator[ShardRow]) -> None:
        row = next(rows, None)
        if row is not None:
            heapq.heappush(current, (row.place, next(numbers), row, rows))

    while coming or current:
        if coming and (not current or coming[-1].place <= current[0][0]):
            advance(_rows_of(files, coming.pop()))
        else:
            _, _, row, rows = heapq.heappop(current)
            yield row
            advance(rows)


def _rows_of(files: Files, shard: Shard) -> Iterator[ShardRow]:
    """Yields the rows of a shard in the order of their places, and what is wrong with them."""
    before = last = shard.place
    rows = 0
    for place, row in in_order(_parse(files, shard)):
        rows += 1
        last = max(last, place)
        if row.fault:
            yield replace(row, place=last)
        elif place > before:
            yield row
            before = place
        else:
            reason = "a row that does not follow the one before it, or its shard's first key"
            yield replace(row, place=last, fault=reason)
    if shard.rows not in {None, rows}:
        reason = f"which does not have the {shard.rows:,} rows that its index tells, but {rows:,}"
        yield ShardRow(last, Content(files.address(shard.key), b""), fault=reason)


def _parse(files: Files, shard: Shard) -> Iterator[tuple[str, ShardRow]]:
    """Yields the lines of a shard, each with a place; what is no row has that of the row before it."""
    place = shard.place
    for line in lines_of(files, shard.key):
        try:
            source = _row.decode(line.content).input
        except (msgspec.MsgspecError, RecursionError) as error:
            yield place, ShardRow(place, line, fault=str(error))
        else:
            place = f"{source.key}.json"
            yield place, ShardRow(place_in_order(place), line, source.bucket, shard.rank)


def _latest(rows: Iterable[ShardRow]) -> Iterator[ShardRow]:
    """Yields the row of the latest run for each bucket, of rows in one place, and whatever is to be told."""
    latest: dict[str, ShardRow] = {}
    for row in rows:
        if row.fault:
            yield row
        elif row.bucket not in latest or row.rank > latest[row.bucket].rank:
            latest[row.bucket] = row
    yield from (row for _, row in sorted(latest.items()))
