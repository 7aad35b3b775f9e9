"""Turns what a user names into the objects to be scored: files, folders, addresses in S3, and lists of these.

    SOURCE… --parse--> sources --walk, list, read--> objects, and what cannot be one

A local file is an object like every other: its bucket is the name of a folder, and its key the path in it. This folder is the
one that was named; for a file that was named itself, the one that the file lies in; and for a line of a list, the current
folder, if the file lies in that. `FOLDER/./PATH` says which folder is meant.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from handler.objects import ObjectRef, Prefix, parse_prefix, parse_ref
from infra.errors import WrongUse

STANDARD_INPUT = "-"

_SCHEME = "s3://"
_MARK = "/./"  # between a folder and the path in it, as rsync has it


class WrongSource(WrongUse):
    """Raised for a source that cannot be scored as it is; the message says what would be."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file at the path `key` in `folder`, an absolute path."""

    folder: Path
    key: str

    @property
    def ref(self) -> ObjectRef:
        """The address of the file as an object."""
        return ObjectRef(self.folder.name, self.key)

    @property
    def path(self) -> Path:
        """The absolute path of the file, without links."""
        return self.folder / self.key

    def __str__(self) -> str:
        return f"{self.folder}{_MARK}{self.key}"


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """An object in S3."""

    ref: ObjectRef

    def __str__(self) -> str:
        return str(self.ref)


Item = LocalFile | RemoteObject  # whose text names the same object again, as a line of a list


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """All files in a folder, an absolute path, and in its subfolders."""

    folder: Path


Source = LocalFile | LocalFolder | RemoteObject | Prefix


def parse_source(text: str) -> Source:
    """Returns the source that an argument names: a file, a folder, or an address in S3.

    Raises:
        WrongSource: there is no such file or folder, or the address is none.
    """
    if text.startswith(_SCHEME):
        return _parse_address(text)
    written = os.path.expanduser(text)  # noqa: PTH111  # a Path raises an error for the home of nobody
    return LocalFolder(_named(Path(written).resolve())) if os.path.isdir(written) else _parse_file(text, None)  # noqa: PTH112


def parse_line(text: str, current: Path) -> Item:
    """Returns the object that a line of a list names; `current` is the current folder, an absolute path without links.

    An address that ends in a slash may be that of an object too, such as the S3 console makes for a folder.

    Raises:
        WrongSource: there is no such file, or the line is the address of no object.
    """
    if not text.startswith(_SCHEME):
        return _parse_file(text, current)
    source = _parse_address(text)
    if isinstance(source, RemoteObject):
        return source
    if not source.prefix:
        raise no_object(source)
    return RemoteObject(ObjectRef(source.bucket, source.prefix))


def no_object(prefix: Prefix) -> WrongSource:
    """Returns the error of a line that names a prefix, and no object."""
    return WrongSource(f"Expected the address of an object. Received: {prefix}, a prefix; name it as a source of its own.")


def _parse_address(text: str) -> RemoteObject | Prefix:
    ref, prefix = parse_ref(text), parse_prefix(text)
    if prefix:
        return prefix
    if ref is None:
        raise WrongSource(f"Expected s3://bucket/key or s3://bucket/prefix/. Received: {text!r}; mend this address.")
    return RemoteObject(ref)


def _parse_file(text: str, current: Path | None) -> LocalFile:
    """Returns the file that a text names. Links are followed here, since a link itself is no object."""
    written = os.path.expanduser(text)  # noqa: PTH111  # a Path would drop the mark
    head, mark, _ = written.rpartition(_MARK)
    if not mark and written.startswith("./"):
        head, mark = ".", _MARK
    path = Path(written)
    if not os.path.isfile(written):  # noqa: PTH113  # a Path raises errors for names that no file can have
        is_folder = os.path.isdir(written)  # noqa: PTH112
        received = "a folder; name it as a source of its own" if is_folder else "which is not there; check the path"
        raise WrongSource(f"Expected a file, a folder, or s3://bucket/key. Received: {text!r}, {received}.")
    real = path.resolve()
    named = Path(head or os.sep).resolve() if mark else current
    folder = named if named and (mark or real.is_relative_to(named)) else real.parent
    if not real.is_relative_to(folder):
        raise WrongSource(f"Expected a file in {folder}. Received: {text!r}, which leads out of it; name it by its own path.")
    return LocalFile(_named(folder), _encodable(real.relative_to(folder).as_posix()))


def _named(folder: Path) -> Path:
    if not folder.name:
        raise WrongSource(f"Expected a folder with a name. Received: {folder}; name the folders in it.")
    _encodable(str(folder))
    return folder


def _encodable(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise WrongSource(f"Expected a name in UTF-8. Received: {os.fsencode(name)!r}; rename it.") from error
    return name
