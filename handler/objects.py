"""What S3 stores, as values: an object's address, its identity, its content. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import BinaryIO

MAX_BUCKET_CHARACTERS = 255  # of the oldest buckets; 63 of others
MAX_KEY_BYTES = 1024  # S3's own limit, of the key in UTF-8

_URI = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<key>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object's address; `key` is always decoded."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """The key's last part, as a file's name; empty for a folder."""
        return self.key.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One state of an object: `etag` changes with every new content; `version_id` is None in an unversioned bucket."""

    ref: ObjectRef
    etag: str
    version_id: str | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class FetchedObject:
    """An object as it was read. `content` is empty if `size_bytes` was more than the reader was ready to hold."""

    source: StoredObject
    content: bytes


@dataclass(frozen=True, slots=True)
class OpenObject:
    """An object that is being read. `body` is read forwards, once, and closed by whoever opened it."""

    source: StoredObject
    body: BinaryIO


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as it lies in S3: its own `etag`, for a conditional write, and the metadata it was written with."""

    etag: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Layout:
    """How documents are laid out: as lines if they have more than `lines_above` rows, which -1 means always; None: never."""

    content_type: str
    lines_above: int | None


class WriteResult(Enum):
    """What became of a conditional write."""

    WRITTEN = auto()
    STOPPED = auto()  # the condition does not hold
    CONFLICT = auto()  # another write was under way: start again


@dataclass(frozen=True, slots=True)
class Prefix:
    """Everything in `bucket` whose key begins with `prefix`, which is empty or ends in "/"."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def holds(self, ref: ObjectRef) -> bool:
        """Whether `ref` lies under this prefix."""
        return ref.bucket == self.bucket and ref.key.startswith(self.prefix)

    def includes(self, other: Prefix) -> bool:
        """Whether all that lies under `other` lies under this prefix."""
        return other.bucket == self.bucket and other.prefix.startswith(self.prefix)

    def overlaps(self, other: Prefix) -> bool:
        """Whether some object could lie under both."""
        nested = self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix)
        return self.bucket == other.bucket and nested


def parse_ref(uri: str) -> ObjectRef | None:
    """Parses `s3://bucket/key`, the key as it is; None if it is not one."""
    match = _URI.fullmatch(uri)
    return ObjectRef(match["bucket"], match["key"]) if match and match["key"] else None


def parse_prefix(uri: str) -> Prefix | None:
    """Parses `s3://bucket/prefix/`; None if it is not one."""
    match = _URI.fullmatch(uri)
    prefix = match["key"] or "" if match else ""
    return Prefix(match["bucket"], prefix) if match and (not prefix or prefix.endswith("/")) else None
