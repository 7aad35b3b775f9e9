"""Decodes tar archives of pictures and arrays, gzipped or not: every file, in the archive's order, read forwards. Pure.

Directories, `__MACOSX/` and files whose name begins with a dot are skipped. Members that cannot be read (of unsafe names, links
and special files, archives in the archive, too large, of no known format) are reported by name, and the others are scored.

`tarfile` parses single headers, and this module walks from one header to the next. `TarFile` takes a header that it cannot read
for the end of the archive, so that the remaining members would be lost silently, and it reads extended headers of any size into
memory.

Format: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from handler.errors import RejectedInput, UnreadableArchive, UnsafeMember
from handler.formats import gunzip
from handler.formats.image import Image, Target, Unreadable
from handler.formats.members import Member, decode_members, is_skipped, require_safe_name, require_size, too_many, unreadable
from handler.formats.meter import Meter, Metered
from handler.formats.stream import Body, Stream
from handler.limits import Limits

NAME = "tar archive (.tar, .tar.gz, .tgz) of pictures and arrays"

_BLOCK_BYTES = 512
_MAGIC, _MAGIC_AT = b"ustar", 257
_FILES = {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE}
_WITHOUT_CONTENT = {tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE}
_PAX = {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE}
_EXTENSIONS = _PAX | {tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}

# Tools write one extended header before a member, GNU tar two, of some hundred bytes; macOS writes file attributes there.
_MAX_EXTENSIONS = 4
_MAX_EXTENSION_BYTES = 2**16
_MAX_PAX_RECORDS = 100

_PIECE_BYTES = 2**16  # in one read of bytes that are skipped


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a tar archive, or a gzipped one.

    The oldest archives have no magic number, so the checksum of their first header is verified.
    """
    block = gunzip.first_bytes(head, _BLOCK_BYTES) if head.startswith(gunzip.MAGIC) else head[:_BLOCK_BYTES]
    try:
        return block[_MAGIC_AT:].startswith(_MAGIC) or bool(_parse(block))
    except UnreadableArchive:
        return False


def kind(head: bytes) -> str:
    """Returns the name that documents give to this format."""
    return "tar.gz" if head.startswith(gunzip.MAGIC) else "tar"


def decode(body: Stream, target: Target) -> Iterator[Image | Unreadable]:
    """Yields the images of all members, and the members that cannot be read.

    Raises:
        UnreadableArchive: the archive is truncated or corrupt.
        ObjectTooLarge: the archive has more members than the limits allow, or unpacks to more bytes, in total or relative to
            its compressed size.
    """
    meter = Meter(target.limits)
    is_packed = body.peek(2) == gunzip.MAGIC
    plain = gunzip.Gunzip(body, meter, UnreadableArchive) if is_packed else Metered(body, meter)
    yield from decode_members(_members(plain, target.limits), target)
    while plain.read(_PIECE_BYTES):  # bytes after the end are ignored, but a gzip stream must be whole
        pass


@dataclass(frozen=True, slots=True)
class _Entry:
    """A member as its headers describe it."""

    name: str
    kind: bytes
    size_bytes: int
    is_sparse: bool


def _members(body: Body, limits: Limits) -> Iterator[Member | Unreadable]:
    count = 0
    while entry := _read_entry(body):
        count += 1
        if count > limits.archive_members:
            raise too_many(limits)
        if entry.kind == tarfile.DIRTYPE or is_skipped(entry.name):
            _skip(body, entry)
            continue
        try:
            _require_readable(entry, limits)
        except RejectedInput as error:
            yield unreadable(entry.name, error)
            _skip(body, entry)
        else:
            yield Member(entry.name, _read(body, entry.size_bytes))


def _require_readable(entry: _Entry, limits: Limits) -> None:
    require_safe_name(entry.name)
    if entry.kind not in _FILES or entry.is_sparse:
        raise UnsafeMember("Expected a file. Received: a link, a sparse or a special file.")
    require_size(entry.size_bytes, limits)


def _read_entry(body: Body) -> _Entry | None:
    """Reads the headers of the next member; returns None at the end of the archive, which is a block of zeros."""
    extended: dict[bytes, bytes] = {}
    for _ in range(_MAX_EXTENSIONS + 1):
        header = _parse(body.read(_BLOCK_BYTES))
        if not header:
            return None
        if header.type not in _EXTENSIONS:
            return _combine(header, extended)
        extended |= _read_extension(body, header)
    raise UnreadableArchive(f"Expected at most {_MAX_EXTENSIONS} extended headers of a member. Received: more; save it again.")


def _parse(block: bytes) -> tarfile.TarInfo | None:
    if len(block) == _BLOCK_BYTES and not block.strip(b"\0"):
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "replace")
    except tarfile.HeaderError as error:
        raise UnreadableArchive(
            f"Expected a tar archive up to its closing zeros. Received: a truncated or corrupt one ({error}); upload it again."
        ) from error
    if header.size < 0:
        raise UnreadableArchive(f"Expected a member's size. Received: {header.size}.")
    return header


def _read_extension(body: Body, header: tarfile.TarInfo) -> dict[bytes, bytes]:
    """Reads an extended header, and returns its records by their pax names.

    Headers that hold for all members, or name the targets of links, have no records that are used.
    """
    if header.size > _MAX_EXTENSION_BYTES:
        raise UnreadableArchive(
            f"Expected extended headers of at most {_MAX_EXTENSION_BYTES} bytes. Received: {header.size} declared."
        )
    content = _read(body, header.size)
    if header.type in _PAX:
        return _parse_pax(content)
    return {b"path": content.partition(b"\0")[0]} if header.type == tarfile.GNUTYPE_LONGNAME else {}


def _parse_pax(content: bytes) -> dict[bytes, bytes]:
    """Parses pax records, each of which is `length key=value` and a line feed."""
    records: dict[bytes, bytes] = {}
    while content:
        digits = content[:20].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        key, equals, value = content[len(digits) + 1 : length].partition(b"=")
        if not equals or not value.endswith(b"\n") or len(records) == _MAX_PAX_RECORDS:
            raise UnreadableArchive(f"Expected at most {_MAX_PAX_RECORDS} pax records. Received: more, or corrupt ones.")
        records[key] = value[:-1]
        content = content[length:]
    return records


def _combine(header: tarfile.TarInfo, extended: dict[bytes, bytes]) -> _Entry:
    size = extended.get(b"size", b"%d" % header.size)
    if not size.isdigit() or len(size) > 20:
        raise UnreadableArchive(f"Expected a member's size. Received: {size[:20]!r}.")
    name = extended[b"path"].decode("utf-8", "replace") if b"path" in extended else header.name
    is_sparse = any(key.startswith(b"GNU.sparse.") for key in extended)
    return _Entry(name, header.type, 0 if header.type in _WITHOUT_CONTENT else int(size), is_sparse)


def _read(body: Body, size_bytes: int) -> bytes:
    """Reads the content of a member, and the zeros that fill its last block; returns the content."""
    content = body.read(size_bytes)
    padding = -size_bytes % _BLOCK_BYTES
    if len(content) < size_bytes or len(body.read(padding)) < padding:
        raise UnreadableArchive(f"Expected {size_bytes} bytes, as declared. Received: a truncated archive; upload it again.")
    return content


def _skip(body: Body, entry: _Entry) -> None:
    left = entry.size_bytes + -entry.size_bytes % _BLOCK_BYTES
    while left:
        piece = body.read(min(left, _PIECE_BYTES))
        if not piece:
            raise UnreadableArchive(
                f"Expected {entry.size_bytes} bytes, as declared. Received: a truncated archive; upload it again."
            )
        left -= len(piece)
