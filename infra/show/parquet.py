"""Writes tables as Parquet, in one file, or in a folder of files for each class or date.

Values go through memory in batches, which are bounded by the size of what they hold and not only by the number of rows, since a
row of a model of thousands of classes is thousands of numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.dataset as ds  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from infra.errors import InfraError
from infra.show.faults import Faults
from infra.show.formats import Partition
from infra.show.lines import describe_unwritable
from infra.show.records import COLUMNS, Record

MAX_BATCH_UNITS = 1_000_000  # characters and probabilities in a batch, which take about 40 MB as objects of Python
MAX_BATCH_ROWS = 8_192
MAX_GROUP_BYTES = 64_000_000  # in memory, of a row group
MAX_GROUP_ROWS = 122_880  # DuckDB's own choice
MAX_PARTITIONS = 4_096  # values of the column that divides the table
MAX_OPEN_FILES = 64
COMPRESSION = "zstd"

SCHEMA = pa.schema(
    {
        "object": pa.string(),
        "bucket": pa.string(),
        "key": pa.string(),
        "image": pa.string(),
        "class_name": pa.string(),
        "class_index": pa.int32(),
        "confidence": pa.float64(),
        "unsure": pa.bool_(),
        "unfamiliar": pa.bool_(),
        "probabilities": pa.list_(pa.float64()),
        "error": pa.string(),
        "message": pa.string(),
        "format": pa.string(),
        "size_bytes": pa.int64(),
        "etag": pa.string(),
        "version_id": pa.string(),
        "model_name": pa.string(),
        "model_version": pa.string(),
        "model_sha256": pa.string(),
        "written_at": pa.timestamp("ms", "UTC"),
    }
)


def write_parquet(records: Iterable[Record], file: BinaryIO, faults: Faults) -> None:
    """Writes one file, in row groups of a bounded size."""
    with pq.ParquetWriter(file, SCHEMA, compression=COMPRESSION) as writer:
        for group in _groups(_batches(records, SCHEMA, faults)):
            writer.write_table(group)


def write_partitions(records: Iterable[Record], folder: Path, by: Partition, faults: Faults) -> None:
    """Writes folders as Hive names them, `class=Coat` or `date=2026-11-28`, with files of whole rows in them.

    What has no class or date lies in `class=__HIVE_DEFAULT_PARTITION__`. The date is that of the document, in UTC. A
    zero byte in the name of a class, at which Arrow would cut the name of the folder, is replaced.

    Raises:
        InfraError: there are too many classes.
    """
    schema = SCHEMA.append(pa.field(by.value, pa.string()))
    reader = pa.RecordBatchReader.from_batches(
        schema,
        (batch for group in _groups(_batches(records, schema, faults, by)) for batch in group.combine_chunks().to_batches()),
    )
    try:
        ds.write_dataset(
            reader,
            folder,
            format="parquet",
            file_options=ds.ParquetFileFormat().make_write_options(compression=COMPRESSION),
            partitioning=ds.partitioning(pa.schema([schema.field(by.value)]), flavor="hive"),
            max_open_files=MAX_OPEN_FILES,
            max_partitions=MAX_PARTITIONS,
            use_threads=False,
        )
    except pa.ArrowInvalid as error:
        raise InfraError(
            f"Expected at most {MAX_PARTITIONS:,} folders. Received: {error}; leave out --partition-by."
        ) from error


def _batches(
    records: Iterable[Record], schema: pa.Schema, faults: Faults, by: Partition | None = None
) -> Iterator[pa.RecordBatch]:
    """Yields batches; a row that does not fit into the columns is a fault, and costs no other row."""
    for chunk in _chunks(records):
        try:
            yield _batch(chunk, schema, by)
        except (pa.ArrowException, ValueError, OverflowError):
            for record in chunk:
                try:
                    yield _batch([record], schema, by)
                except (pa.ArrowException, ValueError, OverflowError) as error:
                    faults.add(describe_unwritable(record, error))


def _batch(records: list[Record], schema: pa.Schema, by: Partition | None) -> pa.RecordBatch:
    columns: list[list[Any]] = [[getattr(record, name) for record in records] for name in COLUMNS]
    if by is Partition.CLASS:
        columns.append(
            [record.class_name and record.class_name.replace("\0", "\N{REPLACEMENT CHARACTER}") for record in records]
        )
    if by is Partition.DATE:
        columns.append([record.written_at.date().isoformat() if record.written_at else None for record in records])
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    chunk: list[Record] = []
    units = 0
    for record in records:
        chunk.append(record)
        units += _units(record)
        if units >= MAX_BATCH_UNITS or len(chunk) == MAX_BATCH_ROWS:
            yield chunk
            chunk, units = [], 0
    if chunk:
        yield chunk


def _units(record: Record) -> int:
    texts = len(record.key) + len(record.image) + len(record.message or "") + len(record.class_name or "")
    return texts + len(record.etag) + len(record.version_id or "") + len(record.probabilities or ())


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if group and (rows + batch.num_rows > MAX_GROUP_ROWS or size + batch.nbytes > MAX_GROUP_BYTES):
            yield pa.Table.from_batches(group)
            group, rows, size = [], 0, 0
        group.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
    if group:
        yield pa.Table.from_batches(group)
