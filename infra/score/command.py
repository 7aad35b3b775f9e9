"""Carries out `coatcheck score`: checks what was asked for, shows progress, and writes the table, the page and the summary."""

from __future__ import annotations

import io
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from rich.console import Console

from handler.deadline import Deadline
from handler.objects import Prefix
from infra.errors import WrongUse
from infra.locations import expand_home, own_errors, parse_artifact, parse_location, read_limits, s3
from infra.score.expanding import require_distinct
from infra.score.folders import Folders
from infra.score.listed import count_cores
from infra.score.lists import read_lines
from infra.score.progress import shown_progress
from infra.score.run import Order, Run
from infra.score.shards import WHOLE, Shard, parse_shard
from infra.score.sources import LocalFolder, RemoteObject, Source, WrongSource, parse_source
from infra.score.summary import Summary, show, to_json
from infra.score.tally import Tally
from infra.show.faults import gather_rows, standard_error
from infra.show.sheet.thumbnails import ObjectThumbnails
from infra.show.sheet.writing import write_sheet
from infra.show.tables import parse_shape, write_table
from infra.show.whole import require_writable

_LOOK_S = 30  # for one call of S3 before the run

STANDARD_INPUT = "-"


def score(
    sources: list[str],
    *,
    artifact: str | None,
    out: str,
    table: Path | None,
    page: Path | None,
    failed: Path | None,
    processes: int | None,
    shard: str | None,
    as_json: bool,
) -> Tally:
    """Scores sources, prints what was done, and returns its counts.

    Raises:
        WrongUse: what was asked for cannot be meant.
        InfraError: the artifact, a folder or a prefix cannot be read.
    """
    began = time.monotonic()
    table, page, failed = (expand_home(path) if path else None for path in (table, page, failed))
    if table:
        parse_shape(table)
    _require_places([file for file in (table, page, failed) if file])
    with own_errors():
        order = _parse_order(sources, artifact, out, failed, processes, parse_shard(shard) if shard else WHOLE)
        folders = Folders(order.job)
        for source in order.sources:
            _require_usable(source, order, folders)
        require_distinct(order.sources)
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogateescape") as keys:
            run = Run(order, keys)
            with _told_when_stopped(run), shown_progress(order, is_shown=not as_json and sys.stderr.isatty()) as advance:
                run.score(advance)
            places = {"documents": str(order.out)} | _write_views(run, order, table, page)
    seconds = time.monotonic() - began
    summary = Summary(
        tally=run.tally, links=run.links, in_output=run.in_output, manifest=run.manifest, seconds=seconds, places=places
    )
    if as_json:
        sys.stdout.write(json.dumps(to_json(summary)) + "\n")
    else:
        show(summary, Console(highlight=False))
    return run.tally


def _write_views(run: Run, order: Order, table: Path | None, page: Path | None) -> dict[str, str]:
    """Writes the table and the page, and returns where they are."""
    faults = standard_error()
    if table:
        write_table(gather_rows(run.documents(), faults), table, tell=faults.add)
    if page:
        thumbnails = ObjectThumbnails(lambda: run.store, None, run.manifest.input, order.limits)
        write_sheet(gather_rows(run.documents(), faults), thumbnails, page, order.title, manifest=run.manifest)
    return {kind: str(path) for kind, path in (("table", table), ("page", page)) if path}


def _parse_order(
    sources: list[str], artifact: str | None, out: str, failed: Path | None, processes: int | None, shard: Shard
) -> Order:
    named = dict.fromkeys(sources)
    return Order(
        sources=tuple(dict.fromkeys(parse_source(source) for source in named if source != STANDARD_INPUT)),
        lines=_read_standard_input() if STANDARD_INPUT in named else None,
        out=_make_folder(parse_location(out)),
        artifact=parse_artifact(artifact),
        limits=read_limits(),
        failed=failed,
        processes=processes or count_cores(),
        shard=shard,
    )


def _read_standard_input() -> Iterator[str]:
    if sys.stdin is None:  # it was closed by whoever started this
        raise WrongUse("Expected a list on the standard input. Received: none, since it is closed; pipe one into the command.")
    return read_lines(cast("io.BufferedReader", sys.stdin.buffer))


def _require_places(files: list[Path]) -> None:
    """Requires that all files can be written, each in a place of its own, before hours of scoring.

    Raises:
        WrongUse: two are the same file, or one cannot be written.
    """
    if len({file.resolve() for file in files}) < len(files):
        raise WrongUse(
            f"Expected a file of its own for each of --table, --page and --failed. Received: {files[0]} twice; name others."
        )
    for file in files:
        require_writable(file)


def _make_folder(place: Path | Prefix) -> Path | Prefix:
    if isinstance(place, Path):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise WrongUse(
                f"Expected a folder, or s3://bucket/prefix/, for --out. Received: {place}, a file; name another."
            ) from error
    return place


def _require_usable(source: Source, order: Order, folders: Folders) -> None:
    """Requires that a source is there, is no part of the output, and is not taken for a folder or bucket of the same name.

    Raises:
        WrongSource: it is not there, lies where documents do, or has the name of another folder or bucket.
    """
    if isinstance(source, RemoteObject) and s3().head(source.ref, deadline=Deadline.after(_LOOK_S)) is None:
        raise WrongSource(f"Expected an object. Received: {source}, which is not there; end a prefix with a slash.")
    if isinstance(source, Prefix):
        is_inside = order.job.output.includes(source)
    elif isinstance(source, LocalFolder):
        is_inside = isinstance(order.out, Path) and source.folder.is_relative_to(order.out)
    else:
        is_inside = order.job.holds(source)
    if is_inside:
        raise WrongSource(f"Expected an --out that does not hold what is to be scored. Received: {order.out}; name another.")
    if isinstance(source, LocalFolder):
        folders.require_alone(source.folder)
    elif isinstance(source, Prefix):
        folders.require_bucket(source.bucket)
    else:
        folders.require_place(source)


@contextmanager
def _told_when_stopped(run: Run) -> Iterator[None]:
    """Says after Ctrl-C what was done, and how to go on. SIGTERM ends the run in the same way."""

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell may have had ignored, as for nohup
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(f"stopped: {run.tally.objects:,} objects are done; the same command goes on with the others\n")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
