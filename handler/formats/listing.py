"""Reads lists that name objects; each named object is scored as if it had just been uploaded. Pure.

    [{"prefix": "s3://bucket/rack/"}, "a.png", "b/c.png"]         a SageMaker manifest
    {"key": "rack/a.png"}                                         JSON Lines, with "bucket" if it is not the list's bucket
    bucket,rack/a%20b.png                                         CSV of S3 Batch Operations, with form-encoded keys

Lists are read line by line, except for a manifest, which is read whole. A line that names no object becomes a row under
`rejected`, and the other lines are used all the same. Sources:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/specify-batchjob-manifest.html
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote_plus

import msgspec

from handler.errors import UnreadableList
from handler.formats.image import Named, Target, Unreadable
from handler.formats.meter import read_whole
from handler.formats.stream import Stream
from handler.objects import MAX_KEY_BYTES, Prefix, parse_prefix

NAME = "list of objects (SageMaker manifest, JSON Lines with key, CSV of bucket and key)"

T = TypeVar("T")

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MANIFEST = re.compile(rb'\s*\[\s*\{\s*"prefix"\s*:')
_JSON_LINE = re.compile(rb'\s*\{[^\n]*"key"\s*:', re.IGNORECASE)
_CSV_LINE = re.compile(rb'"?[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"?,[^\x00-\x1f,]+(,[^\x00-\x1f]*)?\r?(\n|$)')
_MAX_LINE_BYTES = 16 * 2**10  # more than a key of 1,024 bytes needs, each of them escaped as six
_BLOCK_BYTES = 2**16


class _Line(msgspec.Struct, rename=str.lower):
    """One line of JSON Lines, whose field names were converted to lower case."""

    key: str
    bucket: str | None = None


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a list.

    CSV has no magic number, so a first line of a bucket name and a key is taken for CSV.
    """
    text = head.removeprefix(_BYTE_ORDER_MARK)
    return any(pattern.match(text) for pattern in (_MANIFEST, _JSON_LINE, _CSV_LINE))


def kind(head: bytes) -> str:
    """Returns the name that documents give to this format."""
    return "list"


def decode(body: Stream, target: Target) -> Iterator[Named | Unreadable]:
    """Yields the objects that the list names, in order, and the lines that name none.

    Raises:
        UnreadableList: the content is not a list after all, or has a line that is longer than any line of a list.
        ObjectTooLarge: a manifest has more bytes than may be in memory at once.
    """
    head = body.peek(4096).removeprefix(_BYTE_ORDER_MARK)
    if _MANIFEST.match(head):
        return _read_manifest(read_whole(body, target.limits, "a manifest"))
    return _read_lines(body, _parse_json if head.lstrip().startswith(b"{") else _parse_csv)


def _read_manifest(content: bytes) -> Iterator[Named | Unreadable]:
    try:
        first, *names = msgspec.json.decode(content.removeprefix(_BYTE_ORDER_MARK), type=list[Any])
        prefix = parse_prefix(first["prefix"]) if set(first) == {"prefix"} else None
    except (msgspec.DecodeError, UnicodeError, RecursionError, LookupError, TypeError, ValueError) as error:
        raise UnreadableList(f"Expected a manifest in JSON. Received: one that cannot be read ({error}).") from error
    if prefix is None:
        raise UnreadableList(f'Expected a first entry {{"prefix": "s3://bucket/prefix/"}}. Received: {str(first)[:200]}.')
    for position, entry in enumerate(names, start=1):
        yield _named(f"entry {position}", partial(_parse_entry, prefix), entry)


def _read_lines(body: Stream, parse: Callable[[bytes], tuple[str | None, str]]) -> Iterator[Named | Unreadable]:
    for number, line in enumerate(_lines(body), start=1):
        if line.strip():
            yield _named(f"line {number}", parse, line)


def _lines(body: Stream) -> Iterator[bytes]:
    rest = body.read(_BLOCK_BYTES).removeprefix(_BYTE_ORDER_MARK)
    while rest:
        *whole, rest = rest.split(b"\n")
        for line in whole:
            yield _bounded(line)
        more = body.read(_BLOCK_BYTES)
        if not more:
            yield _bounded(rest)
            return
        rest = _bounded(rest) + more


def _bounded(line: bytes) -> bytes:
    if len(line) > _MAX_LINE_BYTES:
        raise UnreadableList(f"Expected lines of at most {_MAX_LINE_BYTES} bytes. Received: a longer one; it is no list.")
    return line


def _named(where: str, parse: Callable[[T], tuple[str | None, str]], entry: T) -> Named | Unreadable:
    try:
        bucket, key = parse(entry)
        if not 0 < len(key.encode()) <= MAX_KEY_BYTES:
            raise UnreadableList(f"Expected a key of 1 to {MAX_KEY_BYTES} bytes. Received: {len(key.encode())}.")
    except UnreadableList as error:
        return Unreadable.because(where, error)
    except (msgspec.DecodeError, UnicodeError, RecursionError, csv.Error, ValueError) as error:
        reason = f"Expected an object's bucket and key. Received: what cannot be read as that ({type(error).__name__})."
        return Unreadable.because(where, UnreadableList(reason))
    return Named(bucket, key)


def _parse_json(line: bytes) -> tuple[str | None, str]:
    fields = msgspec.json.decode(line, type=dict[str, Any])
    entry = msgspec.convert({name.lower(): value for name, value in fields.items()}, _Line)
    return entry.bucket, entry.key


def _parse_csv(line: bytes) -> tuple[str | None, str]:
    (row,) = csv.reader([line.decode().strip()], strict=True)
    if len(row) < 2:
        raise UnreadableList("Expected a bucket and a key, with a comma between. Received: one of them.")
    return row[0], unquote_plus(row[1], errors="strict")


def _parse_entry(prefix: Prefix, entry: object) -> tuple[str, str]:
    if not isinstance(entry, str):
        raise UnreadableList(f"Expected a name relative to the prefix. Received: a JSON {type(entry).__name__}.")
    return prefix.bucket, prefix.prefix + entry
