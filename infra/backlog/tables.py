"""Reads tables of keys: CSV with or without a line of names, and Parquet. A part of a table is in memory at a time."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from infra.backlog.entries import BadEntry, Columns, Entry, Row, find_columns, make_entry

_MAX_LINE_CHARACTERS = 2**17
_BATCH_ROWS = 2**14
_MAX_NAMES = 20  # of columns that an error quotes

_MANIFEST = Columns(bucket=0, key=1, is_encoded=True)  # of S3 Batch Operations: bucket,key or bucket,key,version


def read_csv(file: BinaryIO, columns: Columns | None = None) -> Iterator[Entry]:
    """Yields the entry of each row of a table, whose first line names its columns if they are not given.

    A first line that is a bucket and a key is a row of the manifest of S3 Batch Operations, whose keys are form-encoded.

    Raises:
        BadEntry: the table cannot be read, its first line is neither, or a row names no object.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    rows = csv.reader(_lines(text), strict=True)
    numbered: Iterator[tuple[int, Row]] = ((rows.line_num, row) for row in rows if row)
    try:
        if columns is None and (first := next(numbered, None)):
            names = [str(cell) for cell in first[1]]
            columns = find_columns(names)
            if columns is None:
                columns = _manifest_columns(names)
                numbered = itertools.chain([first], numbered)
        if columns:
            yield from _entries(numbered, columns)
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadEntry(f"a table that cannot be read after line {rows.line_num:,}: {error}") from error
    finally:
        text.detach()


def read_parquet(file: BinaryIO, find: Callable[[list[str]], Columns | None] = find_columns) -> Iterator[Entry]:
    """Yields the entry of each row of a table in Parquet, whose columns `find` finds by their names.

    Raises:
        BadEntry: the table cannot be read, has no columns that tell objects, or a row names no object.
    """
    import pyarrow as pa  # type: ignore[import-untyped]  # a tenth of a second, which only Parquet needs
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        table = pq.ParquetFile(file)
        names = table.schema_arrow.names
        found = find(names)
        if found is None:
            raise _unnamed(names)
        used = found.used()
        batches = table.iter_batches(_BATCH_ROWS, columns=[names[place] for place in used])
        rows = (
            dict(zip(used, cells, strict=True))
            for batch in batches
            for cells in zip(*(batch.column(names[place]).to_pylist() for place in used), strict=True)
        )
        yield from _entries(enumerate(rows, 1), found)
    except (pa.ArrowException, OSError) as error:
        raise BadEntry(f"a Parquet file that cannot be read: {error}") from error


def _entries(rows: Iterable[tuple[int, Row]], columns: Columns) -> Iterator[Entry]:
    for number, row in rows:
        try:
            entry = columns.entry_of(row)
        except BadEntry as error:
            raise BadEntry(f"{error}, in row {number:,}") from error
        if entry:
            yield entry


def _manifest_columns(cells: list[str]) -> Columns:
    """Returns the columns of the manifest of S3 Batch Operations, whose first row is `cells`."""
    try:
        make_entry(cells[0], cells[1], None)
    except (BadEntry, IndexError) as error:
        raise _unnamed(cells) from error
    return _MANIFEST


def _unnamed(names: list[str]) -> BadEntry:
    shown = ", ".join(repr(name[:50]) for name in names[:_MAX_NAMES])
    return BadEntry(f"the columns {shown}, which are neither bucket and key, nor uri, source-ref or object")


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Yields the lines of a text, each with its end; a longer one would fill the memory.

    Raises:
        BadEntry: a line is too long.
    """
    while line := text.readline(_MAX_LINE_CHARACTERS):
        if len(line) == _MAX_LINE_CHARACTERS:
            raise BadEntry(f"a line of more than {_MAX_LINE_CHARACTERS:,} characters")
        yield line
