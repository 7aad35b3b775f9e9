"""Reads documents back, wherever they lie and in every layout, and yields one row for each image.

    a folder, or s3://bucket/prefix/ --list, read--> documents --merge--> one for each object --parse--> rows of images
    rows of a backlog's finished shards -----------------^

Documents of all schemas are read, also of `/1`, whose rows have the same fields. One document is in memory at a time, as bytes,
and its rows are decoded one by one, so that memory depends on the largest document alone. No AWS here.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from handler.marks import RESERVED
from handler.objects import Prefix
from handler.predictions import Input, ModelName, Prediction, Problem, RejectedImage
from handler.store import Store
from infra.errors import InfraError
from infra.show.files import Content, Files, files_in
from infra.show.ordering import in_order, place_in_order
from infra.show.shard_rows import ShardRow, read_rows
from infra.show.shards import find_present_shards, find_shards, parse_rows_place

_NAMED = re.compile(rb'\s*\{\s*"schema"\s*:\s*"(coatcheck\.[a-z-]+/\d+)"')
_SUFFIXES = (".json", ".jsonl")
_VALUES = ("coatcheck.predictions/", "coatcheck.rejection/")
_LINES = "coatcheck.prediction-lines/"


# What backlogs keep under an output, or under one that lies further inside.
_OWN = re.compile(rf"((?:.*/)?){RESERVED}(?:runs|shards|covered|models)/", re.DOTALL)


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
    """A document that was found at `place`, a path or an address, with its bytes, and the time at which they were written.

    A row of a backlog is a document in one line, and its place ends in ":" and the number of the line. Where something else was
    found in the place of a row, `fault` tells what is wrong with it.
    """

    place: str
    content: bytes
    written_at: datetime | None = field(default=None, compare=False)
    fault: str | None = None

    def rows(self) -> Iterator[Row]:
        """Yields the rows: in the order of the lines, or the predictions first; none for a list or a file that is no document.

        Raises:
            BrokenDocument: the document does not follow its schema, or its end is missing; rows may have been yielded before.
        """
        if self.fault:
            raise BrokenDocument(f"Expected a document as its schema says. Received: {self.place}, {self.fault}.")
        try:
            yield from _rows(self.content, self.written_at)
        except (msgspec.MsgspecError, RecursionError) as error:  # the latter for a value that is nested too deeply
            raise BrokenDocument(
                f"Expected a document as its schema says. Received: {self.place}, {error}; delete it, and score its "
                "object again."
            ) from error


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


class _Source(msgspec.Struct):
    bucket: str


class _About(msgspec.Struct):
    """The part of a document, or of the head of one in lines, that names its object."""

    input: _Source


_about = msgspec.json.Decoder(_About)
_value = msgspec.json.Decoder(_Value)
_line = msgspec.json.Decoder(_Line)
_prediction = msgspec.json.Decoder(Prediction)
_rejected = msgspec.json.Decoder(RejectedImage)


def read_documents(place: Path | Prefix, store: Callable[[], Store]) -> Iterator[Document]:
    """Yields the documents in a folder and its subfolders, or under a prefix of S3, in the order of their keys.

    Rows of a backlog are among them, as documents in one line, where they are the answer: if the place is a whole output, those
    that the present model made of objects that have no document; and if it is `…/_coatcheck/shards/<maker>/`, or one run of it,
    these alone. Other files are among them too, if their names end as those of documents do; what else the writer keeps for
    itself is not.

    Args:
        place: the folder or the prefix.
        store: returns the store that reads S3; it is not called for a folder.

    Raises:
        OSError: the folder cannot be read.
        StorageUnavailable: S3 failed.
        WrongUse: the place is that of the rows of all models.
    """
    named = parse_rows_place(place)
    if named:
        files = files_in(named.output, store)
        yield from map(_of_row, read_rows(files, find_shards(files, named.maker, named.run)))
    else:
        files, inner = files_in(place, store), set[str]()
        yield from _answers(files, read_rows(files, find_present_shards(files)), inner)
        for output in sorted(inner):
            yield Document(
                files.address(output), b"", fault="an output inside of this place; name it, and its rows are read too"
            )


def read_named(place: Path | Prefix, keys: Iterable[str], store: Callable[[], Store]) -> Iterator[Document]:
    """Yields the documents of some keys, relative to a folder or a prefix of S3, in the order of `keys`.

    Those that are gone are left out. Of S3, several are read at the same time, ahead of their turn. Raises the same as
    `read_documents`.
    """
    return (_of(content) for _, content in files_in(place, store).read_all(keys) if content)


def _answers(files: Files, rows: Iterable[ShardRow], inner: set[str]) -> Iterator[Document]:
    """Yields all documents, and the rows of objects that have none; adds to `inner` the outputs with rows further inside."""
    keys = (key for _, key in in_order((key, key) for key in files.list() if _is_document(key, inner)))
    documents = ((place_in_order(key), _of(content)) for key, content in files.read_all(keys) if content)
    answers: tuple[Iterable[tuple[str, Document | ShardRow]], ...] = (documents, ((row.place, row) for row in rows))
    for _, same in groupby(heapq.merge(*answers, key=itemgetter(0)), itemgetter(0)):
        known: list[Document] = []  # documents come first, since `merge` is stable
        for _, answer in same:
            if isinstance(answer, Document):
                known.append(answer)
                yield answer
            elif answer.fault or not any(_may_be_about(document, answer.bucket) for document in known):
                yield _of_row(answer)


def _of(content: Content, fault: str | None = None) -> Document:
    return Document(content.place, content.content, content.written_at, fault)


def _of_row(row: ShardRow) -> Document:
    return _of(row.line, row.fault)


def _may_be_about(document: Document, bucket: str) -> bool:
    """Returns whether a document is about an object of a bucket, as far as it can be read."""
    for content in (document.content, document.content.partition(b"\n")[0]):  # one value, or a head and lines
        with suppress(msgspec.MsgspecError, RecursionError):
            return _about.decode(content).input.bucket == bucket
    return True


def _is_document(key: str, inner: set[str]) -> bool:
    own = _OWN.match(key)
    if own and own[1]:
        inner.add(own[1])
    return not own and key.endswith(_SUFFIXES) and not key.startswith(RESERVED)


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
