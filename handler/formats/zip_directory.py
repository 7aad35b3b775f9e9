"""Reads the directory of a zip archive, which lies at its end, entry by entry. Pure.

`zipfile.ZipFile` is not used: it gives up a whole archive for one entry whose name or extra field is odd, ignores what follows
the archive, and makes an object of each entry before they can be counted.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from handler.errors import RejectedInput, UnreadableArchive, UnreadableMember
from handler.formats.member_names import readable_name
from handler.formats.members import too_many
from handler.limits import Limits

MAGIC, END_MAGIC = b"PK\x03\x04", b"PK\x05\x06"

_END = struct.Struct("<4s4H2IH")  # of the archive: disks, counts of entries, size and place of the directory, size of a comment
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_EXTRA = struct.Struct("<HH")
_MAX_COMMENT_BYTES = 2**16 - 1
_LOCAL_HEADER_BYTES = 30  # the fixed part, before each member's name and bytes
_IN_UTF8 = 0x800  # a flag
_IS_64, _FIELD_64 = 2**32 - 1, 1  # the value of a field that stands in an extra field of this type instead


class Entry(msgspec.Struct, frozen=True):
    """A member as the directory describes it; `problem` says why it cannot be read if its entry cannot be."""

    name: str
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    start: int
    mode: int
    problem: RejectedInput | None


class Directory(msgspec.Struct, frozen=True):
    """The entries of an archive, and the position at which the archive ends in its file."""

    entries: list[Entry]
    end: int


def read_directory(file: BinaryIO, limits: Limits) -> Directory:
    """Reads the directory of the archive that `file` holds from its first byte on.

    Raises:
        UnreadableArchive: the archive is truncated or corrupt, other bytes come before it, or its members share bytes.
        ObjectTooLarge: the archive has more members than the limits allow.
    """
    start, size_bytes, end = _find(file)
    entries = []
    for entry in _entries(file, start, size_bytes):
        entries.append(entry)
        if len(entries) > limits.archive_members:
            raise too_many(limits)
    _require_apart(entries, start)
    return Directory(entries, end)


def _find(file: BinaryIO) -> tuple[int, int, int]:
    """Returns the position of the directory, its size in bytes, and the position at which the archive ends."""
    length = file.seek(0, 2)
    tail_at = max(0, length - _END64.size - _LOCATOR64.size - _END.size - _MAX_COMMENT_BYTES)
    file.seek(tail_at)
    tail = file.read()
    found = tail.rfind(END_MAGIC)
    if found < 0 or found + _END.size > len(tail):
        raise UnreadableArchive(
            "Expected a zip archive with its directory at the end. Received: one that is truncated, or that other bytes "
            "follow; upload it again, alone."
        )
    *_, size_bytes, start, comment_bytes = _END.unpack_from(tail, found)
    found64 = found - _LOCATOR64.size - _END64.size
    if found64 >= 0 and tail[found - _LOCATOR64.size :].startswith(b"PK\x06\x07") and tail[found64:].startswith(b"PK\x06\x06"):
        *_, size_bytes, start = _END64.unpack_from(tail, found64)
        place = tail_at + found64
    else:
        place = tail_at + found
    if start + size_bytes != place or (not size_bytes and place):
        raise UnreadableArchive(
            "Expected one zip archive from the first byte on. Received: one behind other bytes, such as another archive, or "
            "one inside of an archive that is cut; upload each as an object of its own."
        )
    return start, size_bytes, min(length, tail_at + found + _END.size + comment_bytes)


def _entries(file: BinaryIO, start: int, size_bytes: int) -> Iterator[Entry]:
    file.seek(start)
    left = size_bytes
    while left:
        fixed = file.read(_ENTRY.size)
        if left < _ENTRY.size or not fixed.startswith(b"PK\x01\x02"):
            raise UnreadableArchive("Expected a zip archive with a whole directory. Received: a corrupt one; upload it again.")
        fields = _ENTRY.unpack(fixed)
        name, extra, _ = (file.read(length) for length in fields[10:13])
        left -= _ENTRY.size + sum(fields[10:13])
        if left < 0:
            raise UnreadableArchive(
                "Expected a zip archive with a whole directory. Received: a truncated one; upload it again."
            )
        yield _entry(fields, name, extra)


def _entry(fields: tuple[int, ...], raw_name: bytes, extra: bytes) -> Entry:
    _, _, _, flags, method, _, _, crc, packed_bytes, size_bytes, _, _, _, _, _, attributes, start = fields
    problem = None
    try:
        size_bytes, packed_bytes, start = _in_64_bits([size_bytes, packed_bytes, start], extra)
    except struct.error:
        problem = UnreadableMember(
            "Expected the member's size in the archive's directory. Received: a corrupt entry; pack it again."
        )
    return Entry(_name(raw_name, flags), flags, method, crc, packed_bytes, size_bytes, start, attributes >> 16, problem)


def _in_64_bits(values: list[int], extra: bytes) -> list[int]:
    """Returns `values`, those that do not fit into 32 bits taken from the extra field in their order."""
    if _IS_64 not in values:
        return values
    position = 0
    while True:
        kind, length = _EXTRA.unpack_from(extra, position)
        position += _EXTRA.size
        if kind == _FIELD_64:
            larger = iter(struct.unpack_from(f"<{values.count(_IS_64)}Q", extra[: position + length], position))
            return [next(larger) if value == _IS_64 else value for value in values]
        position += length


def _name(raw: bytes, flags: int) -> str:
    """Returns a member's name; macOS and others write UTF-8 without saying so, and the standard's encoding is code page 437."""
    raw = raw.partition(b"\0")[0]
    if flags & _IN_UTF8:
        return readable_name(raw)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _require_apart(entries: list[Entry], directory_start: int) -> None:
    """Refuses members that share bytes, and bytes before the first one.

    A small archive whose members share bytes can unpack to petabytes.

    Source: https://www.bamsoftware.com/hacks/zipbomb/
    """
    in_place = sorted(
        (entry.start, 0 if entry.problem else entry.packed_bytes)
        for entry in entries
        if not entry.problem or entry.start < directory_start
    )
    ends = [start + _LOCAL_HEADER_BYTES + packed_bytes for start, packed_bytes in in_place]
    starts = [start for start, _ in in_place[1:]] + [directory_start]
    if any(end > start for end, start in zip(ends, starts, strict=False)):
        raise UnreadableArchive(
            "Expected a zip archive of members one behind the other. Received: some that share bytes, or exceed the archive; "
            "pack it again."
        )
    if in_place and in_place[0][0] != 0:
        raise UnreadableArchive(
            "Expected a zip archive from its first byte on. Received: one behind other bytes; pack its files again."
        )
