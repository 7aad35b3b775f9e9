"""Reads documents back, wherever they lie and in every layout, and yields one row for each image.

    a folder, or s3://bucket/prefix/ --list, read--> documents --parse--> rows

Documents of all schemas are read, also of `/1`, whose rows have the same fields. One document is in memory at a time, as bytes,
and its rows are decoded one by one, so that memory depends on the largest document alone. No AWS here.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from handler.deadline import Deadline
from handler.marks import RESERVED
from handler.objects import ObjectRef, Prefix
from handler.predictions import Input, ModelName, Prediction, Problem, RejectedImage
from handler.store import Store
from infra.errors import InfraError
from infra.stores.folders import find_file, open_file, root_folder
from infra.stores.places import keys_under, object_places

READ_S = 60  # for one document in S3
CONCURRENCY = 16  # documents in S3 that are read at the same time

_NAMED = re.compile(rb'\s*\{\s*"schema"\s*:\s*"(coatcheck\.[a-z-]+/\d+)"')
_SUFFIXES = (".json", ".jsonl")
_VALUES = ("coatcheck.predictions/", "coatcheck.rejection/")
_LINES = "coatcheck.prediction-lines/"


class BrokenDocument(InfraError):
    """Raised for a document that is incomplete, or that does not follow its schema."""


@dataclass(frozen=True, slots=True)
class Row:
    """One image of one object, with its prediction or the reason why there is none.

    An object that was rejected as a whole is one row, which `is_object`, and whose image is named as the last part of its key.
    `written_at` is the time of the document's file or object, since documents hold no time; it is None if it is not known.
    """

    input: Input
    model: ModelName
    result: Prediction | RejectedImage
    is_object: bool = False
    written_at: datetime | None = field(default=None, compare=False)

    @property
    def object(self) -> str:
        """The address of the object, `bucket/key`; the bucket of local files is the name of their folder."""
        return f"{self.input.bucket}/{self.input.key}"


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was found at `place`, a path or an address, with its bytes, and the time at which they were written."""

    place: str
    content: bytes
    written_at: datetime | None = field(default=None, compare=False)

    def rows(self) -> Iterator[Row]:
        """Yields the rows: in the order of the lines, or the predictions first; none for a list or a file that is no document.

        Raises:
            BrokenDocument: the document does not follow its schema, or its end is missing; rows may have been yielded before.
        """
        try:
            yield from _rows(self.content, self.written_at)
        except (msgspec.MsgspecError, RecursionError) as error:  # the latter for a value that is nested too deeply
            raise BrokenDocument(f"Expected a document as its schema says. Received: {self.place}, {error}.") from error


class _Schema(msgspec.Struct):
    schema: str = ""


class _Value(msgspec.Struct):
    """A document that is one JSON value, or the head of one in lines, with its rows as they stand."""

    input: Input
    model: ModelName
    predictions: list[msgspec.Raw] = []
    rejected: list[msgspec.Raw] = []
    error: Problem | None = None


class _Line(msgspec.Struct):
    """The fields by which the kinds of lines are told apart."""

    summary: Any = None
    error: str | None = None


_value = msgspec.json.Decoder(_Value)
_line = msgspec.json.Decoder(_Line)
_prediction = msgspec.json.Decoder(Prediction)
_rejected = msgspec.json.Decoder(RejectedImage)


def read_documents(place: Path | Prefix, store: Callable[[], Store]) -> Iterator[Document]:
    """Yields the documents in a folder and its subfolders, or under a prefix of S3, in the order of their keys.

    Other files are among them, if their names end as those of documents do; what the writer keeps for itself is not.

    Args:
        place: the folder or the prefix.
        store: returns the store that reads S3; it is not called for a folder.

    Raises:
        OSError: the folder cannot be read.
        StorageUnavailable: S3 failed.
    """
    return read_named(place, filter(_is_document, _keys(place, store)), store)


def read_named(place: Path | Prefix, keys: Iterable[str], store: Callable[[], Store]) -> Iterator[Document]:
    """Yields the documents of some keys, relative to a folder or a prefix of S3, in the order of `keys`.

    Those that are gone are left out. Of S3, several are read at the same time, ahead of their turn. Raises the same as
    `read_documents`.
    """
    return _in_store(place, keys, store()) if isinstance(place, Prefix) else _in_folder(place, keys)


def _keys(place: Path | Prefix, store: Callable[[], Store]) -> Iterator[str]:
    if isinstance(place, Prefix):
        for found in store().list(place, "", deadline=Deadline.never()):
            yield found.ref.key.removeprefix(place.prefix)
    else:
        with root_folder(place) as root:
            yield from keys_under(root, "", "")


def _in_folder(folder: Path, keys: Iterable[str]) -> Iterator[Document]:
    with root_folder(folder) as root:
        for key in keys:
            found = find_file(root, object_places(key))
            file = open_file(root, found[0]) if found else None
            if file:
                with file:
                    written_at = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
                    yield Document(str(folder / key), file.read(), written_at)


def _in_store(prefix: Prefix, keys: Iterable[str], store: Store) -> Iterator[Document]:
    def read(key: str) -> Document | None:
        ref = ObjectRef(prefix.bucket, prefix.prefix + key)
        opened = store.open(ref, deadline=Deadline.after(READ_S))
        if opened is None:
            return None
        with closing(opened.body) as body:
            return Document(str(ref), body.read(), opened.source.last_modified)

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        reading: deque[Future[Document | None]] = deque()
        for key in keys:
            reading.append(pool.submit(read, key))
            if len(reading) == CONCURRENCY:
                yield from filter(None, [reading.popleft().result()])
        yield from filter(None, (one.result() for one in reading))


def _is_document(key: str) -> bool:
    return key.endswith(_SUFFIXES) and not key.startswith(RESERVED)


def _rows(content: bytes, written_at: datetime | None) -> Iterator[Row]:
    first, _, rest = content.partition(b"\n")
    schema = _schema(content)
    if schema.startswith(_LINES):
        yield from _rows_of_lines(_value.decode(first), rest, written_at)
    elif schema.startswith(_VALUES):
        value = _value.decode(content)
        if value.error:
            name = value.input.key.rsplit("/", 1)[-1]
            problem = RejectedImage(name, value.error.name, value.error.message)
            yield Row(value.input, value.model, problem, is_object=True, written_at=written_at)
        for row in value.predictions:
            yield Row(value.input, value.model, _prediction.decode(row), written_at=written_at)
        for row in value.rejected:
            yield Row(value.input, value.model, _rejected.decode(row), written_at=written_at)


def _schema(content: bytes) -> str:
    """Returns the schema that a document names; empty if it names none. It comes first, unless somebody sorted the fields."""
    named = _NAMED.match(content)
    if named:
        return named[1].decode()
    try:
        return msgspec.json.decode(content, type=_Schema).schema
    except (msgspec.MsgspecError, RecursionError):
        return ""


def _rows_of_lines(head: _Value, lines: bytes, written_at: datetime | None) -> Iterator[Row]:
    start, is_whole = 0, False
    while start < len(lines):
        end = lines.find(b"\n", start)
        line = lines[start : end if end >= 0 else len(lines)]
        start += len(line) + 1
        kind = _line.decode(line)
        is_whole = kind.summary is not None
        if not is_whole:
            result = (_rejected if kind.error is not None else _prediction).decode(line)
            yield Row(head.input, head.model, result, written_at=written_at)
    if not is_whole:
        raise msgspec.ValidationError("whose last line, the summary, is missing")
