"""Defines and parses the addresses of objects and of prefixes. Pure values."""

from __future__ import annotations

import re

import msgspec

MAX_BUCKET_CHARACTERS = 255  # names of the oldest buckets may be that long, other names 63
MAX_KEY_BYTES = 1024  # in UTF-8; S3's own limit

_URI = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<key>.*))?", re.DOTALL)


class ObjectRef(msgspec.Struct, frozen=True):
    """The address of an object; `key` is always decoded."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """The part of the key after its last slash, like the name of a file; empty for a folder."""
        return self.key.rsplit("/", 1)[-1]


class Prefix(msgspec.Struct, frozen=True):
    """Everything in `bucket` whose key begins with `prefix`, which is empty or ends in "/"."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def holds(self, ref: ObjectRef) -> bool:
        """Returns whether `ref` lies under this prefix."""
        return ref.bucket == self.bucket and ref.key.startswith(self.prefix)

    def includes(self, other: Prefix) -> bool:
        """Returns whether everything under `other` lies under this prefix too."""
        return other.bucket == self.bucket and other.prefix.startswith(self.prefix)

    def overlaps(self, other: Prefix) -> bool:
        """Returns whether some object could lie under both prefixes."""
        nested = self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix)
        return self.bucket == other.bucket and nested


def parse_ref(uri: str) -> ObjectRef | None:
    """Parses `s3://bucket/key`, whose key is taken as it is; returns None for any other text."""
    match = _URI.fullmatch(uri)
    return ObjectRef(match["bucket"], match["key"]) if match and match["key"] else None


def parse_prefix(uri: str) -> Prefix | None:
    """Parses `s3://bucket/prefix/`; returns None for any other text."""
    match = _URI.fullmatch(uri)
    prefix = match["key"] or "" if match else ""
    return Prefix(match["bucket"], prefix) if match and (not prefix or prefix.endswith("/")) else None
