"""Writes tables as text, one row after the other: CSV for spreadsheets, JSON Lines for programs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import BinaryIO

import msgspec

from infra.show.faults import Faults
from infra.show.records import COLUMNS, Record

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # without it, Excel takes UTF-8 for the code page of the machine

# What begins a formula, at the start of a cell or of what becomes one where a semicolon or a tab divides cells and quotes end:
# https://owasp.org/www-community/attacks/CSV_Injection, which also names tabs, line breaks and the full-width forms.
_FORMULA = re.compile(r"(^(?=[\t\r\n])|(?:^|[;\t\r\n])(?=[\s\"]*[=+\-@\uff1d\uff0b\uff0d\uff20]))")

_APOSTROPHE = re.compile(r"(^|[;\t\r\n])'(?=[\t\r\n]|[\s\"]*[=+\-@\uff1d\uff0b\uff0d\uff20])")


def plain(text: str) -> str:
    """Returns a text as it was before `write_csv` kept spreadsheets from taking it for a formula."""
    return _APOSTROPHE.sub(r"\1", text)


def write_csv(records: Iterable[Record], file: BinaryIO, faults: Faults) -> None:
    """Writes CSV as RFC 4180 has it, in UTF-8 with a byte order mark.

    A text that a spreadsheet could take for a formula gets an apostrophe before it. `probabilities` are a JSON array, because
    the header is written before it is known which models and classes follow.
    """
    line = io.StringIO(newline="")
    writer = csv.writer(line)

    def render(cells: Iterable[str]) -> bytes:
        line.seek(0)
        line.truncate()
        writer.writerow(cells)
        return line.getvalue().encode()

    file.write(BYTE_ORDER_MARK + render(COLUMNS))
    _write_each(records, file, lambda record: render(map(_cell, msgspec.structs.astuple(record))), faults)


def write_json_lines(records: Iterable[Record], file: BinaryIO, faults: Faults) -> None:
    """Writes each row as a JSON object on a line of its own; a column without a value is null."""
    encoder = msgspec.json.Encoder()
    _write_each(records, file, lambda record: encoder.encode(record) + b"\n", faults)


def _write_each(records: Iterable[Record], file: BinaryIO, render: Callable[[Record], bytes], faults: Faults) -> None:
    for record in records:
        try:
            line = render(record)
        except (ValueError, OverflowError) as error:
            faults.add(describe_unwritable(record, error))
        else:
            file.write(line)


def describe_unwritable(record: Record, error: Exception) -> str:
    """Returns the line that tells why a row is not in the table."""
    return f"Expected a row that can be written. Received: {record.image!r} of {record.bucket}/{record.key}: {error}."


def _cell(value: object) -> str:
    if isinstance(value, str):
        return _FORMULA.sub(r"\1'", value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return msgspec.json.encode(value).decode()
    return value.isoformat() if isinstance(value, datetime) else str(value)
