"""Decodes zip archives of pictures and arrays, such as NumPy's `.npz`: every file, in the order of the directory.

Directories, `__MACOSX/` and files whose name begins with a dot are skipped. Members that cannot be read (encrypted, corrupt, in
another compression than deflate, of unsafe names, links, archives in the archive, too large) are reported by name, and the
others are scored. The directory lies at the end of the archive, so a body that can only be read forwards is first copied to a
temporary file, still compressed.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from handler.errors import RejectedInput, UnreadableArchive, UnreadableMember, UnsafeMember
from handler.formats.image import Image, Target, Unreadable
from handler.formats.members import Member, decode_members, is_skipped, require_safe_name, require_size, too_many, unreadable
from handler.formats.meter import Meter
from handler.formats.stream import Stream
from handler.limits import Limits

NAME = "zip archive (.zip, .npz) of pictures and arrays"

_MAGIC, _EMPTY_MAGIC = b"PK\x03\x04", b"PK\x05\x06"
_ENTRY_MAGIC = b"PK\x01\x02"  # begins each entry of the directory
_LOCAL_HEADER_BYTES = 30  # the fixed part, before each member's name and bytes
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # flags: traditional, strong, and an encrypted directory

_PIECE_BYTES = 2**16
_SPOOL_BYTES = 2**24  # kept in memory; a larger archive is kept on disk

# The errors that zipfile raises on broken archives, found by truncating and corrupting some at every place. None of them can
# come from S3, because the archive is in memory or in a file by then.
_ZIP_ERRORS = (zipfile.BadZipFile, EOFError, OSError, OverflowError, RuntimeError, ValueError, struct.error, zlib.error)


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a zip archive."""
    return head.startswith((_MAGIC, _EMPTY_MAGIC))


def kind(head: bytes) -> str:
    """Returns the name that documents give to this format."""
    return "zip"


def decode(body: Stream, target: Target) -> Iterator[Image | Unreadable]:
    """Yields the images of all members, and the members that cannot be read.

    Raises:
        UnreadableArchive: the archive is truncated or corrupt, or its members share bytes.
        ObjectTooLarge: the archive has more members than the limits allow, or unpacks to more bytes, in total or relative to
            its compressed size.
    """
    with _seekable(body) as file:
        size_bytes = _require_few_entries(file, target.limits)
        entries, archive = _read_directory(file)
        _require_apart(entries, size_bytes)
        yield from decode_members(_members(archive, entries, target.limits), target)


@contextmanager
def _seekable(body: Stream) -> Iterator[BinaryIO]:
    if file := body.rewound():
        yield file
        return
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool:
        while piece := body.read(_PIECE_BYTES):
            spool.write(piece)
        yield cast("BinaryIO", spool)


def _require_few_entries(file: BinaryIO, limits: Limits) -> int:
    """Requires that the archive does not have too many members, and returns its size in bytes.

    The headers in the directory are counted before `zipfile` makes an object of each.
    """
    file.seek(0)
    count, size_bytes, tail = 0, 0, b""
    while piece := file.read(_PIECE_BYTES):
        count += (tail + piece).count(_ENTRY_MAGIC)
        size_bytes += len(piece)
        tail = piece[-len(_ENTRY_MAGIC) + 1 :]
        if count > limits.archive_members:
            raise too_many(limits)
    return size_bytes


def _read_directory(file: BinaryIO) -> tuple[list[zipfile.ZipInfo], zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(file)
    except _ZIP_ERRORS as error:
        raise UnreadableArchive(
            f"Expected a zip archive with its directory at the end. Received: a truncated or corrupt one ({error}); "
            "upload it again."
        ) from error
    return archive.infolist(), archive


def _require_apart(entries: list[zipfile.ZipInfo], size_bytes: int) -> None:
    """Refuses members that share bytes, and a directory that belongs to an archive inside of this one.

    A small archive whose members share bytes can unpack to petabytes.

    Source: https://www.bamsoftware.com/hacks/zipbomb/ (CPython refuses some such archives from 3.11.8 and 3.12.2 on.)
    """
    in_place = sorted(entries, key=lambda entry: entry.header_offset)
    starts = [entry.header_offset for entry in in_place]
    ends = [entry.header_offset + _LOCAL_HEADER_BYTES + entry.compress_size for entry in in_place]
    if any(end > start for end, start in zip(ends, [*starts[1:], size_bytes], strict=False)):
        raise UnreadableArchive(
            "Expected members one behind the other. Received: some that share bytes, or exceed the archive."
        )
    if starts and starts[0] != 0:
        raise UnreadableArchive("Expected a zip archive from its first byte on. Received: the directory of one inside of it.")


def _members(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], limits: Limits) -> Iterator[Member | Unreadable]:
    meter = Meter(limits)
    for entry in entries:
        if entry.filename.endswith("/") or is_skipped(entry.filename):
            continue
        try:
            _require_readable(entry, limits)
        except RejectedInput as error:
            yield unreadable(entry.filename, error)
            continue
        yield _read_member(archive, entry, meter)


def _require_readable(entry: zipfile.ZipInfo, limits: Limits) -> None:
    require_safe_name(entry.filename)
    if stat.S_IFMT(entry.external_attr >> 16) not in {0, stat.S_IFREG}:
        raise UnsafeMember("Expected a file. Received: a link or a special file.")
    if entry.flag_bits & _ENCRYPTED:
        raise UnsafeMember(
            "Expected a member that can be read by anybody. Received: an encrypted one; save it without a password."
        )
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise UnreadableMember(
            f"Expected a member that is stored or deflated. Received: compression method {entry.compress_type}; "
            "save it with deflate."
        )
    require_size(entry.file_size, limits)


def _read_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, meter: Meter) -> Member | Unreadable:
    """Unpacks a member, up to the declared size that was checked before.

    zipfile verifies the checksum of the member at its end.
    """
    meter.count(packed=entry.compress_size)
    pieces = []
    try:
        with archive.open(entry) as file:
            while piece := file.read(_PIECE_BYTES):
                meter.count(unpacked=len(piece))
                pieces.append(piece)
    except _ZIP_ERRORS as error:
        problem = UnreadableMember(
            f"Expected a whole member whose checksum holds. Received: one that cannot be unpacked ({type(error).__name__})."
        )
        return unreadable(entry.filename, problem)
    content = b"".join(pieces)
    if len(content) != entry.file_size:
        problem = UnreadableMember(f"Expected {entry.file_size} bytes, as declared. Received: {len(content)}.")
        return unreadable(entry.filename, problem)
    return Member(entry.filename, content)
