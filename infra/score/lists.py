"""Reads and writes lists of objects, one a line: a path, an address in S3, or JSON that holds one of them.

What `score` writes as failed is such a list, and every list is a source again. A line of JSON is needed for a name with a line
break in it; it is also what Ground Truth and S3 tools write: `{"source-ref": "s3://bucket/key"}`, `{"bucket": …, "key": …}`.
Entries may end with NUL instead of a line break, as `find -print0` writes them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import msgspec

MAX_LINE_BYTES = 2**17  # what a list in S3 may have too

_PROBE_BYTES = 2**13  # in which a NUL is, if entries end with one: longer than any path


class _Line(msgspec.Struct):
    source_ref: str | None = msgspec.field(default=None, name="source-ref")
    bucket: str | None = None
    key: str | None = None


def read_lines(file: io.BufferedReader) -> Iterator[str]:
    """Yields the text of each entry of a list; what is no UTF-8 is kept as paths have it.

    Ends of Windows and lines of mere spaces are no part of names, unless NULs say where each name ends.
    """
    end = b"\0" if b"\0" in file.peek(_PROBE_BYTES) else b"\n"
    for entry in _entries(file, end):
        text = entry.decode(errors="surrogateescape")
        if end == b"\n":
            text = text.removesuffix("\n").removesuffix("\r")
            text = text if text.strip() else ""
        if text:
            yield _parse(text)


def _entries(reader: io.BufferedReader, end: bytes) -> Iterator[bytes]:
    if end == b"\n":
        while line := reader.readline(MAX_LINE_BYTES):
            yield line
        return
    rest = b""
    while block := reader.read(MAX_LINE_BYTES):
        *whole, rest = (rest + block).split(end)
        yield from whole
    yield rest


def write_line(text: str) -> bytes:
    """Returns the line of a list that `read_lines` reads as `text`."""
    if text.startswith("{") or text != text.strip() or len(text.splitlines()) != 1:
        text = json.dumps({"source-ref": text})
    return text.encode(errors="surrogateescape") + b"\n"


def _parse(text: str) -> str:
    if not text.startswith("{"):
        return text
    try:
        line = msgspec.json.decode(text.encode(errors="surrogateescape"), type=_Line)
    except msgspec.MsgspecError:
        return text
    if line.source_ref:
        return line.source_ref
    return f"s3://{line.bucket}/{line.key}" if line.bucket and line.key else text
