"""Writes rows of documents as one table: Parquet, CSV, JSON Lines, or tasks for Label Studio.

    rows --flatten--> records --> the file, under a temporary name until it is whole

Rows are written as they come, so that memory does not depend on their number. No AWS here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.errors import WrongUse
from infra.show.documents import Row
from infra.show.faults import Faults
from infra.show.formats import Partition, TableFormat
from infra.show.label_studio import IN_S3, ImageAddress, write_tasks
from infra.show.lines import write_csv, write_json_lines
from infra.show.records import Record, flatten
from infra.show.whole import STANDARD_OUTPUT, whole_file, whole_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a table is written: the format, what its files are divided by, and where Label Studio finds the images."""

    format: TableFormat
    partition: Partition | None = None
    image_address: str = IN_S3


@dataclass(frozen=True, slots=True)
class TableSummary:
    """The counts of a table: rows that were read, those with a prediction and the rejected, and those that were written."""

    rows: int
    predictions: int
    rejected: int
    written: int


def parse_shape(
    out: Path, chosen: TableFormat | None = None, partition: Partition | None = None, image_address: str = IN_S3
) -> Shape:
    """Returns how a table is to be written to `out`, by its suffix unless a format was chosen.

    Raises:
        WrongUse: the suffix is of no format, or the format cannot be written there or divided.
    """
    known = {f".{each}": each for each in (TableFormat.PARQUET, TableFormat.CSV, TableFormat.JSON_LINES)}
    is_output = out == STANDARD_OUTPUT
    found = chosen or known.get(out.suffix.lower()) or (TableFormat.PARQUET if partition and not out.suffix else None)
    if found is None:
        wanted = "--format csv or jsonl with -" if is_output else "a name that ends in .parquet, .csv or .jsonl"
        raise WrongUse(f"Expected {wanted}, or --format label-studio. Received: --out {out}.")
    if partition and (found is not TableFormat.PARQUET or is_output):
        raise WrongUse(
            f"Expected --partition-by for a folder of Parquet alone. Received: --out {out}; name a folder, or leave it out."
        )
    if found is TableFormat.PARQUET and is_output:
        raise WrongUse(
            "Expected a file for Parquet. Received: the standard output, which can take csv and jsonl; name a file with --out."
        )
    return Shape(found, partition, image_address)


def write_table(
    rows: Iterable[Row], out: Path, shape: Shape | None = None, tell: Callable[[str], None] = print
) -> TableSummary:
    """Writes a table, one row for each image, and puts it into the place of `out` once it is whole.

    Args:
        rows: the rows, as `infra.show.documents` reads them or as something else makes them.
        out: the file, or the folder if the table is divided; `-` is the standard output.
        shape: how it is written; by the suffix of `out` if it is None.
        tell: is called with one line for each row that cannot be written; the summary tells their number.

    Raises:
        WrongUse: `out` is of no known format, or something else is there.
        OSError: the table cannot be written.
    """
    faults = Faults(tell)
    counted = _Counted(rows)
    kind = shape or parse_shape(out)
    if kind.partition:
        _write_folder(counted, out, kind.partition, faults)
        written = counted.rows - faults.count
    else:
        written = _write_file(counted, out, kind, faults)
    return TableSummary(counted.rows, counted.rows - counted.rejected, counted.rejected, written)


class _Counted:
    """Passes rows on as records, and counts them."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = self.rejected = 0
        self._given = rows

    def __iter__(self) -> Iterator[Record]:
        for row in self._given:
            record = flatten(row)
            self.rows += 1
            self.rejected += record.error is not None
            yield record


def _write_file(records: _Counted, out: Path, shape: Shape, faults: Faults) -> int:
    """Writes a file, and returns the number of rows in it."""
    with whole_file(out) as file:
        match shape.format:
            case TableFormat.PARQUET:
                from infra.show.parquet import write_parquet  # a tenth of a second, and 50 MB, that no other format needs

                write_parquet(records, file, faults)
            case TableFormat.CSV:
                write_csv(records, file, faults)
            case TableFormat.JSON_LINES:
                write_json_lines(records, file, faults)
            case TableFormat.LABEL_STUDIO:
                return write_tasks(records, file, faults, ImageAddress(shape.image_address))
    return records.rows - faults.count


def _write_folder(records: _Counted, out: Path, by: Partition, faults: Faults) -> None:
    from infra.show.parquet import write_partitions

    with whole_folder(out) as folder:
        write_partitions(records, folder, by, faults)
