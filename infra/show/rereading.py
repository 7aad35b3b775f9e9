"""Reads what was predicted back, from documents or from a table that was made of them. No AWS here."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from handler.predictions import Prediction, Probability
from infra.errors import InfraError
from infra.show.documents import Row
from infra.show.lines import plain

TABLES = (".parquet", ".csv", ".jsonl")


class Predicted(msgspec.Struct, frozen=True, kw_only=True):
    """What was predicted for one image; `class_name` and `confidence` are None if it was rejected."""

    bucket: str
    key: str
    image: str
    class_name: str | None = None
    confidence: Probability | None = None
    unsure: bool | None = None
    unfamiliar: bool | None = None


def predicted(row: Row) -> Predicted:
    """Returns what a row of a document says of its image."""
    result = row.result
    if not isinstance(result, Prediction):
        return Predicted(bucket=row.input.bucket, key=row.input.key, image=result.image)
    return Predicted(
        bucket=row.input.bucket,
        key=row.input.key,
        image=result.image,
        class_name=result.class_name,
        confidence=result.confidence,
        unsure=result.unsure is True,
        unfamiliar=result.unfamiliar is True,
    )


def read_table(path: Path) -> Iterator[Predicted]:
    """Yields the rows of a table that `infra.show.tables` wrote, in its order, whatever columns were added to it.

    Raises:
        InfraError: the file is no such table.
        OSError: it cannot be read.
    """
    read: Callable[[Path], Iterable[object]] = {".csv": _rows_of_csv, ".jsonl": _rows_of_lines, ".parquet": _rows_of_parquet}[
        path.suffix.lower()
    ]
    try:
        for row in read(path):
            yield msgspec.convert(row, Predicted, strict=False)
    except (msgspec.MsgspecError, ValueError, RecursionError, csv.Error) as error:
        raise InfraError(
            f"Expected a table that `coatcheck table` wrote. Received: {path}, {error}; name another, or the documents."
        ) from error


def _rows_of_csv(path: Path) -> Iterator[object]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file, strict=True):  # a quote that is never closed is a fault
            yield {name: plain(text) for name, text in row.items() if name and text}


def _rows_of_lines(path: Path) -> Iterator[object]:
    with path.open("rb") as file:
        for line in file:
            yield msgspec.json.decode(line)


def _rows_of_parquet(path: Path) -> Iterator[object]:
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # a tenth of a second, which only Parquet needs

    table = pq.ParquetFile(path)
    columns = [name for name in Predicted.__struct_fields__ if name in table.schema_arrow.names]
    for batch in table.iter_batches(columns=columns):
        yield from batch.to_pylist()
