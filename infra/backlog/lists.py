"""Reads lists of objects, from files here and in S3: text, CSV, Parquet, and the reports of S3 Inventory.

The first bytes and the name of a list tell its kind: Parquet and gzip have signatures, a table ends in `.csv`, the manifest of
a report in `.json`; everything else is text, with an address on each line. Files in S3 are copied to temporary files first.
"""

from __future__ import annotations

import gzip
import io
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from handler.deadline import Deadline
from handler.objects import ObjectRef
from infra.backlog.entries import BadEntry, Entry, parse_address
from infra.backlog.inventories import MAX_MANIFEST_BYTES, Report, parse_report, report_columns
from infra.backlog.tables import read_csv, read_parquet
from infra.locations import s3
from infra.score.lists import read_lines
from infra.score.sources import STANDARD_INPUT, WrongSource

_READ_S = 3600  # for one file in S3
_COPY_BYTES = 2**20
_SCHEME = "s3://"
_MARK = "\ufeff"  # that some editors begin a text with
_PARQUET, _GZIP = b"PAR1", b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class StandardInput:
    """The list that is written to this process, which is text."""

    def __str__(self) -> str:
        return STANDARD_INPUT


ListFile = Path | ObjectRef | StandardInput


def read_list(file: ListFile) -> Iterator[Entry]:
    """Yields the entry of each object that a list names, in the order of the list.

    Raises:
        WrongSource: there is no such file, it cannot be read, or a part of it names no object.
        StorageUnavailable: S3 failed.
    """
    try:
        if isinstance(file, StandardInput):
            yield from _read_text(_standard_input())
            return
        with _opened(file) as content:
            yield from _read(file, content)
    except (BadEntry, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise WrongSource(
            f"Expected a list of objects in S3. Received: {file}, with {error}. `coatcheck backlog --help` says what lists are."
        ) from error


def _read(file: Path | ObjectRef, content: BinaryIO) -> Iterator[Entry]:
    """Yields the entries of a list, whatever its kind."""
    begin = content.read(len(_PARQUET))
    content.seek(0)
    name = file.name.casefold()
    if begin.startswith(_GZIP):
        content, name = cast("BinaryIO", gzip.GzipFile(fileobj=content)), name.removesuffix(".gz")
    if begin == _PARQUET or name.endswith(".parquet"):
        yield from read_parquet(content)
    elif name.endswith(".json"):
        yield from _read_report(file, content)
    elif name.endswith(".csv"):
        yield from read_csv(content)
    else:
        yield from _read_text(cast("io.BufferedReader", content))  # which both files and gzip's are like


def _read_text(reader: io.BufferedReader) -> Iterator[Entry]:
    for number, line in enumerate(read_lines(reader), 1):
        try:
            address = line.removeprefix(_MARK) if number == 1 else line
            if not address.startswith(_SCHEME):
                raise BadEntry(f"{address[:200]!r}, which is no s3://bucket/key")
            yield parse_address(address)
        except BadEntry as error:
            raise BadEntry(f"{error}, in entry {number:,}") from error


def _read_report(manifest: Path | ObjectRef, content: BinaryIO) -> Iterator[Entry]:
    """Yields the entries of all files of a report."""
    text = content.read(MAX_MANIFEST_BYTES + 1)
    if len(text) > MAX_MANIFEST_BYTES:
        raise BadEntry(f"more than {MAX_MANIFEST_BYTES:,} bytes, which no manifest.json of an S3 Inventory has")
    report = parse_report(text)
    for one in report.files:
        file = _find_beside(manifest, one.key)
        try:
            with _opened(file) as opened:
                yield from _read_report_file(report, opened)
        except BadEntry as error:
            raise BadEntry(f"{error}, in {file}") from error


def _read_report_file(report: Report, content: BinaryIO) -> Iterator[Entry]:
    if not report.is_csv:
        return read_parquet(content, report_columns)
    return read_csv(cast("BinaryIO", gzip.GzipFile(fileobj=content)), report.columns)


def _find_beside(manifest: Path | ObjectRef, key: str) -> Path | ObjectRef:
    """Returns where a file of a report is: in the bucket of its manifest, or in the folder of a copy of the manifest.

    S3 writes the files into a folder `data` beside the folders of the manifests.
    """
    if isinstance(manifest, ObjectRef):
        return ObjectRef(manifest.bucket, key)
    name = key.rsplit("/", 1)[-1]
    places = [manifest.parent / name, manifest.parent / "data" / name, manifest.parent.parent / "data" / name]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise BadEntry(f"the file {name}, which is not beside it; copy it there, or name the manifest in S3")
    return found


@contextmanager
def _opened(file: Path | ObjectRef) -> Iterator[BinaryIO]:
    """Opens a file, from which any part can be read.

    Raises:
        WrongSource: there is none.
    """
    if isinstance(file, Path):
        if not file.is_file():
            raise WrongSource(f"Expected a list of objects, or s3://bucket/prefix/. Received: {file}, which is no file here.")
        with file.open("rb") as opened:
            yield opened
        return
    deadline = Deadline.after(_READ_S)
    source = s3().open(file, deadline=deadline)
    if source is None:
        raise WrongSource(f"Expected a list of objects. Received: {file}, which is not there; end a prefix with a slash.")
    with tempfile.TemporaryFile() as copy:
        with closing(source.body) as body:
            shutil.copyfileobj(body, copy, _COPY_BYTES)
        copy.seek(0)
        yield cast("BinaryIO", copy)


def _standard_input() -> io.BufferedReader:
    if sys.stdin is None:  # it was closed by whoever started this
        raise WrongSource(
            "Expected a list of objects on the standard input. Received: none, since it is closed; pipe one into the command."
        )
    return cast("io.BufferedReader", sys.stdin.buffer)
