"""Encodes and decodes the files of a run: lists of keys, and the index of a shard's rows. Pure.

Both are JSON Lines, compressed with gzip, that begin with a head. The same values give the same bytes.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from handler.backlog.runs import Count, Digest, RunName
from handler.errors import BROKEN_JSON, StorageUnavailable

MAX_FILE_BYTES = 2**26  # unpacked: a shard of 2,500 keys, each of 1,024 bytes that JSON writes as six characters, has 16 MB

_GZIP = 31  # zlib's number for data in gzip's format


class Entry(NamedTuple):
    """The row of one object: its key, the ETag of the state that was scored, and whether it tells of something rejected."""

    key: str
    etag: str
    has_rejected: bool = False


class Unfinished(msgspec.Struct, frozen=True):
    """An object that has no row, and the reason; `error` is the name of a class of `handler.errors`."""

    key: str
    error: str
    message: str


class KeysHead(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="coatcheck.keys/1"):
    """The first line of a list of keys; each of the others is a key of `bucket`.

    The objects of the keys `replaced` have a document already, of an earlier state. A row beside it would not count, so they
    get a new document.
    """

    run: RunName
    number: Count
    bucket: str
    replaced: list[str] = []


class IndexHead(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="coatcheck.shard/1"):
    """The first line of the index of a shard, which tells what became of its objects; each of the others is an `Entry`.

    `results` and `rejections` are the maker of the rows. `outcomes` counts objects. `images` is the number of predictions,
    `bytes` the size of the objects that were read, and `seconds` the time it took. `unfinished` are the objects that have
    neither a row nor a document, except for those that are gone. `keys` is the digest of the shard's keys, which the indexes of
    earlier versions lack.
    """

    run: RunName
    number: Count
    bucket: str
    results: Digest
    rejections: Digest
    outcomes: Mapping[str, int]
    images: Count
    bytes: Count
    seconds: float
    unfinished: list[Unfinished] = []
    keys: Digest | None = None


class Index(NamedTuple):
    """The index of a shard: its head, and an entry for each row, in the order of the rows."""

    head: IndexHead
    entries: list[Entry]


_encoder = msgspec.json.Encoder()
_keys_head = msgspec.json.Decoder(KeysHead)
_index_head = msgspec.json.Decoder(IndexHead)
_key = msgspec.json.Decoder(str)
_entry = msgspec.json.Decoder(Entry)


def encode_keys(head: KeysHead, keys: Iterable[str]) -> bytes:
    """Returns the file of the keys of a shard."""
    return _pack(head, keys)


def decode_keys(content: bytes, place: object) -> tuple[KeysHead, list[str]]:
    """Returns the head and the keys of the file that was read at `place`.

    Raises:
        StorageUnavailable: it is no such file.
    """
    try:
        head, *lines = _unpack(content)
        return _keys_head.decode(head), [_key.decode(line) for line in lines]
    except (*BROKEN_JSON, zlib.error) as error:
        raise _broken("the keys of a shard", place, error, "start a run of another name") from error


def encode_index(index: Index) -> bytes:
    """Returns the file of the index of a shard."""
    return _pack(index.head, (entry if entry.has_rejected else entry[:2] for entry in index.entries))


def decode_index(content: bytes, place: object) -> Index:
    """Returns the index that was read at `place`.

    Raises:
        StorageUnavailable: it is no such file.
    """
    try:
        head, *lines = _unpack(content)
        return Index(_index_head.decode(head), [_entry.decode(line) for line in lines])
    except (*BROKEN_JSON, zlib.error) as error:
        raise _broken("the index of a shard", place, error, "delete it, and its objects are scored again") from error


def unpack_lines(content: bytes, place: object) -> list[bytes]:
    """Returns the lines of a file in gzip's format that was read at `place`, without their line feeds.

    Raises:
        StorageUnavailable: it is no such file, or has more than `MAX_FILE_BYTES`.
    """
    try:
        return list(_unpack(content))
    except (zlib.error, ValueError) as error:
        raise _broken("a list of objects, packed by gzip", place, error, "make the list again") from error


def _pack(head: msgspec.Struct, lines: Iterable[object]) -> bytes:
    text = b"".join(_encoder.encode(line) + b"\n" for line in (head, *lines))
    return gzip.compress(text, mtime=0)


def _unpack(content: bytes) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(_GZIP)
    text = unpacker.decompress(content, MAX_FILE_BYTES)
    if not unpacker.eof:
        raise ValueError(f"more than {MAX_FILE_BYTES} bytes, or the end is missing")
    return iter(text.removesuffix(b"\n").split(b"\n"))


def _broken(what: str, place: object, error: Exception, remedy: str) -> StorageUnavailable:
    return StorageUnavailable(f"Expected {what}. Received at {place}: {error}; {remedy}.", operation="GetObject")
