"""Reads lists that name objects; each named object is scored as if it had just been uploaded. Pure.

    [{"prefix": "s3://bucket/rack/"}, "a.png", "b/c.png"]         a SageMaker manifest
    {"source-ref": "s3://bucket/rack/a.png", "class": 4}          an augmented manifest of SageMaker, whose keys are raw
    {"key": "rack/a.png"}                                         JSON Lines, with "bucket" if it is not the list's bucket
    bucket,rack/a%20b.png                                         CSV of S3 Batch Operations and S3 Inventory, form-encoded

Lists are read line by line, except for a manifest, which is read whole. A line that names no object becomes a row under
`rejected`, and the other lines are used all the same. Sources:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html
https://docs.aws.amazon.com/sagemaker/latest/dg/augmented-manifest.html
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
from handler.formats.image import Named, Target, Unreadable, or_refuse
from handler.formats.lines import BYTE_ORDER_MARK, read_lines
from handler.formats.meter import read_whole
from handler.formats.stream import Stream
from handler.objects import MAX_KEY_BYTES, Prefix, parse_prefix, parse_ref

NAME = "list of objects (SageMaker manifest, JSON Lines with key or source-ref, CSV of bucket,key)"

T = TypeVar("T")

_MANIFEST = re.compile(rb'\s*\[\s*\{\s*"prefix"\s*:')
_JSON_LINE = re.compile(rb'\s*\{[^\n]*"(key|source-ref)"\s*:', re.IGNORECASE)
_CSV_LINE = re.compile(rb'"?[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"?,[^\x00-\x1f,]+(,[^\x00-\x1f]*)?\r?(\n|$)')
_CSV_NAMES = re.compile(rb'(?i)"?bucket"?\s*,\s*"?key"?(,[^\x00-\x1f]*)?\r?(\n|$)')  # a first line of names, which people add
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")  # the oldest names may be longer, and have capitals
_JSON_NAMES = {int: "a number", float: "a number", bool: "true or false", dict: "an object", list: "an array"}
_MAX_CSV_BYTES = 2**14  # of one line: more than a key of 1,024 bytes needs, each of them encoded as three
_MAX_JSON_BYTES = 2**17  # of one line; SageMaker allows 100,000 characters of labels


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a list.

    CSV has no magic number, so a first line of a bucket name and a key, or of the words "bucket" and "key", is taken for CSV.
    """
    text = head.removeprefix(BYTE_ORDER_MARK)
    return any(pattern.match(text) for pattern in (_MANIFEST, _JSON_LINE, _CSV_NAMES, _CSV_LINE))


def kind(head: bytes) -> str:
    """Returns the name that documents give to this format."""
    return "list"


def decode(body: Stream, target: Target) -> Iterator[Named | Unreadable]:
    """Yields the objects that the list names, in order, and the lines that name none.

    Raises:
        UnreadableList: no line names an object, or one is longer than any line of a list.
        ObjectTooLarge: a manifest has more bytes than may be in memory at once.
    """
    head = body.peek(4096).removeprefix(BYTE_ORDER_MARK)
    if _MANIFEST.match(head):
        items = _read_manifest(read_whole(body, target.limits, "a manifest"))
    elif head.lstrip().startswith(b"{"):
        items = _read_lines(body, _parse_json, _MAX_JSON_BYTES)
    else:
        items = _read_lines(body, _parse_csv, _MAX_CSV_BYTES)
    return or_refuse(items, UnreadableList, "a list that names an object", "lines")


def _read_manifest(content: bytes) -> Iterator[Named | Unreadable]:
    try:
        first, *names = msgspec.json.decode(content.removeprefix(BYTE_ORDER_MARK), type=list[Any])
        prefix = parse_prefix(first["prefix"]) if set(first) == {"prefix"} else None
    except (msgspec.DecodeError, UnicodeError, RecursionError, LookupError, TypeError, ValueError) as error:
        raise UnreadableList("Expected a manifest in JSON. Received: one that is truncated or no JSON; mend it.") from error
    if prefix is None:
        raise UnreadableList(
            f'Expected a first entry {{"prefix": "s3://bucket/prefix/"}}. Received: {str(first)[:200]}; mend the first entry.'
        )
    for position, entry in enumerate(names, start=1):
        yield _named(f"entry {position}", partial(_parse_entry, prefix), entry)


def _read_lines(body: Stream, parse: Callable[[bytes], tuple[str | None, str]], max_bytes: int) -> Iterator[Named | Unreadable]:
    too_long = UnreadableList(
        f"Expected lines of at most {max_bytes} bytes. Received: a longer one, so it is no list; name one object a line."
    )
    for number, line in enumerate(read_lines(body, max_bytes, too_long), start=1):
        if line.strip() and not (number == 1 and _CSV_NAMES.fullmatch(line)):
            yield _named(f"line {number}", parse, line)


def _named(where: str, parse: Callable[[T], tuple[str | None, str]], entry: T) -> Named | Unreadable:
    try:
        bucket, key = parse(entry)
        if not 0 < len(key.encode()) <= MAX_KEY_BYTES:
            raise UnreadableList(f"Expected a key of 1 to {MAX_KEY_BYTES} bytes. Received: {len(key.encode())}; mend the line.")
        if bucket is not None and not _BUCKET.fullmatch(bucket):
            raise UnreadableList(f"Expected the name of a bucket. Received: {bucket[:100]!r}; mend the line.")
    except UnreadableList as error:
        return Unreadable.because(where, error)
    except (msgspec.DecodeError, UnicodeError, RecursionError, csv.Error, ValueError):
        reason = "Expected an object's bucket and key. Received: what is neither JSON nor CSV in UTF-8; mend the line."
        return Unreadable.because(where, UnreadableList(reason))
    return Named(bucket, key)


def _parse_json(line: bytes) -> tuple[str | None, str]:
    fields = {name.lower(): value for name, value in msgspec.json.decode(line, type=dict[str, Any]).items()}
    if "source-ref" in fields and "key" not in fields:
        ref = parse_ref(str(fields["source-ref"]))
        if ref is None:
            raise UnreadableList(
                f"Expected a source-ref s3://bucket/key. Received: {str(fields['source-ref'])[:200]!r}; mend the line."
            )
        return ref.bucket, ref.key
    bucket, key = fields.get("bucket"), fields.get("key")
    if not isinstance(key, str) or not isinstance(bucket, str | None):
        raise UnreadableList(
            f"Expected a key, and a bucket or none, as text. Received: the fields {str(sorted(fields))[:200]}; mend the line."
        )
    return bucket, key


def _parse_csv(line: bytes) -> tuple[str | None, str]:
    (row,) = csv.reader([line.decode().strip()], strict=True)
    if len(row) < 2:
        raise UnreadableList("Expected a bucket and a key, with a comma between. Received: one of them; mend the line.")
    return row[0], unquote_plus(row[1], errors="strict")


def _parse_entry(prefix: Prefix, entry: object) -> tuple[str, str]:
    if not isinstance(entry, str):
        raise UnreadableList(
            f"Expected a name relative to the prefix. Received: {_JSON_NAMES.get(type(entry), 'nothing')}; mend the entry."
        )
    return prefix.bucket, prefix.prefix + entry
