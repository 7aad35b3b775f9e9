"""Carries out `coatcheck table`: finds the documents, shows progress, and tells what was written."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from handler.objects import Prefix
from infra.errors import WrongUse
from infra.locations import own_errors, parse_folder, s3
from infra.show.documents import Document, read_documents
from infra.show.faults import gather_rows, require_rows, standard_error
from infra.show.formats import Partition, TableFormat
from infra.show.label_studio import IN_S3, LOCAL
from infra.show.tables import TableSummary, parse_shape, write_table
from infra.show.whole import STANDARD_OUTPUT


def tabulate(
    documents: str, out: Path, table_format: TableFormat | None, partition: Partition | None, image_url: str | None
) -> int:
    """Writes the table of some documents, and returns the number of faults, each of which was told on the standard error.

    Raises:
        WrongUse: the documents or the table cannot be where they are said to be.
        InfraError: the documents cannot be read, or there are none.
    """
    place = parse_folder(documents, "documents")
    shape = parse_shape(out, table_format, partition, image_url or (IN_S3 if isinstance(place, Prefix) else LOCAL))
    _require_usable(place, documents, out)
    faults = standard_error()
    with own_errors(), _progress() as watched:
        rows = require_rows(gather_rows(watched(read_documents(place, s3)), faults))
        summary = write_table(rows, out, shape, faults.add)
    (sys.stderr if out == STANDARD_OUTPUT else sys.stdout).write(_describe(summary, out))
    return faults.count


def _require_usable(place: Path | Prefix, documents: str, out: Path) -> None:
    if isinstance(place, Prefix):
        return
    if out.suffix in {".json", ".jsonl"} and out.resolve().is_relative_to(place):
        raise WrongUse(
            f"Expected --out outside {documents}, where it would be taken for a document. Received: {out}; name another."
        )


class _Watched:
    """Counts documents as they pass, on a line that is only there on a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("reading", total=None)

    def __call__(self, documents: Iterable[Document]) -> Iterator[Document]:
        for document in documents:
            yield document
            self._progress.advance(self._task)


@contextmanager
def _progress() -> Iterator[_Watched]:
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} documents read"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, disable=not sys.stderr.isatty()
    ) as progress:
        yield _Watched(progress)


def _describe(summary: TableSummary, out: Path) -> str:
    left_out = summary.rows - summary.written
    place = "" if out == STANDARD_OUTPUT else f": {out}"
    return (
        f"{summary.written:,} rows written, of {summary.predictions:,} predictions and {summary.rejected:,} rejected"
        f"{f'; {left_out:,} left out' if left_out else ''}{place}\n"
    )
