"""Defines an entry of a list: the address of an object, and its size if the list tells it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote_plus

from handler.objects import MAX_KEY_BYTES, ObjectRef, parse_ref

_SCHEME = "s3://"
_ADDRESSES = ("uri", "source-ref", "object")  # columns of s3://bucket/key or bucket/key
_SIZES = ("size_bytes", "size")
_MAX_CHARACTERS = 200  # of what an error quotes

Row = Sequence[object] | Mapping[int, object]  # the cells of a row by their positions


class BadEntry(ValueError):
    """Raised for a line or a row that names no object; the message says what is wrong with it."""


class Entry(NamedTuple):
    """One object that a list names; `size_bytes` is None if the list does not tell it."""

    bucket: str
    key: str
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """The positions of the columns that a table tells objects by: `bucket` and `key`, or one `address` of both.

    The others are None if there is no such column. `latest` and `deleted` tell whether a row is the latest version of its
    object, and whether this is a mark that the object was deleted. If `is_encoded`, keys are form-encoded, as S3 writes them.
    """

    bucket: int | None = None
    key: int | None = None
    address: int | None = None
    size: int | None = None
    latest: int | None = None
    deleted: int | None = None
    is_encoded: bool = False

    def used(self) -> list[int]:
        """Returns the positions of all columns that are read, in their order."""
        places = (self.bucket, self.key, self.address, self.size, self.latest, self.deleted)
        return sorted({place for place in places if place is not None})

    def entry_of(self, row: Row) -> Entry | None:
        """Returns the entry that a row of the table is; None if the row is of an earlier version, or of a deleted object.

        Raises:
            BadEntry: the row has too few columns, or names no object.
        """
        try:
            if not self._is_current(row):
                return None
            size = parse_size(row[self.size]) if self.size is not None else None
            if self.bucket is None or self.key is None:
                return parse_address(_text(row[self.address or 0]), size)
            key = _text(row[self.key])
            return make_entry(_text(row[self.bucket]), _decode(key) if self.is_encoded else key, size)
        except LookupError as error:
            raise BadEntry(f"a row of {len(row)} columns, which are too few") from error

    def _is_current(self, row: Row) -> bool:
        latest = self.latest is None or _is_true(row[self.latest])
        return latest and not (self.deleted is not None and _is_true(row[self.deleted]))


def find_columns(names: Sequence[str]) -> Columns | None:
    """Returns where the columns bucket and key are, or one of uri, source-ref and object; None if they are not there."""
    places = {name.strip().casefold(): place for place, name in reversed(list(enumerate(names)))}
    size = next((places[name] for name in _SIZES if name in places), None)
    if "bucket" in places and "key" in places:
        return Columns(bucket=places["bucket"], key=places["key"], size=size)
    address = next((places[name] for name in _ADDRESSES if name in places), None)
    return None if address is None else Columns(None, None, address, size)


def parse_address(text: str, size_bytes: int | None = None) -> Entry:
    """Returns the entry of `s3://bucket/key`, or of `bucket/key` as in our tables.

    Raises:
        BadEntry: it is no such address.
    """
    bucket, slash, key = text.removeprefix(_SCHEME).partition("/")
    if not slash:
        raise BadEntry(f"{_quote(text)}, which is no s3://bucket/key")
    return make_entry(bucket, key, size_bytes)


def make_entry(bucket: str, key: str, size_bytes: int | None) -> Entry:
    """Returns the entry of an object.

    Raises:
        BadEntry: no object can have this address.
    """
    if parse_ref(f"{_SCHEME}{bucket}/{key}") != ObjectRef(bucket, key):
        raise BadEntry(f"bucket {_quote(bucket)} and key {_quote(key)}, which no object can have")
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        raise BadEntry(f"a key that is not UTF-8, {_quote(key)}") from error
    if length > MAX_KEY_BYTES:
        raise BadEntry(f"a key of {length:,} bytes, which is more than {MAX_KEY_BYTES:,}")
    return Entry(bucket, key, size_bytes)


def parse_size(value: object) -> int | None:
    """Returns a size in bytes; None for whatever is none, since a plan only weighs objects by it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 2**53 else None
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16 else None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise BadEntry(f"{_quote(value)} where a text belongs")
    return value


def _is_true(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.casefold() == "true")


def _decode(key: str) -> str:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError as error:
        raise BadEntry(f"the key {_quote(key)}, which is not form-encoded UTF-8") from error


def _quote(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"
