"""Decodes tar archives of pictures and arrays: every file, in the archive's order, read forwards. Pure.

Folders, and files that are hidden or that systems add for themselves, are skipped. Members that cannot be read (of unsafe
names, links and special files, archives in the archive, too large, of no known format) are reported by name, and the others are
scored. The archives that follow the first one (`cat a.tar b.tar`) are read too, and anything else that follows is reported.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator

from handler.errors import RejectedInput, UnsafeMember
from handler.formats.image import Image, Target, Unreadable
from handler.formats.member_names import is_folder, is_skipped, require_safe_name
from handler.formats.members import Member, decode_members, left_over, require_size, too_many, unreadable
from handler.formats.meter import Meter, Metered
from handler.formats.stream import Stream
from handler.formats.tar_headers import BLOCK_BYTES, Entry, is_header, read_content, read_entry, skip_content
from handler.limits import Limits

NAME = "tar archive of them (.tar, .tar.gz, .tar.bz2, .tar.xz)"

_FILES = {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE}
_FOLDERS = {tarfile.DIRTYPE, b"D"}  # GNU tar's D is a folder with the names of its files

_PIECE_BYTES = 2**14  # in one read of bytes that are skipped


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a tar archive."""
    return is_header(head)


def kind(head: bytes) -> str:
    """Returns the name that documents give to this format."""
    return "tar"


def decode(body: Stream, target: Target) -> Iterator[Image | Unreadable]:
    """Yields the images of all members, and the members that cannot be read.

    Raises:
        UnreadableArchive: the archive is truncated or corrupt.
        UnrecognisedFormat: the archive holds neither pictures nor arrays.
        ObjectTooLarge: the archive has more members than the limits allow, or unpacks to more bytes.
    """
    plain = Stream(Metered(body, Meter(target.limits)), tells_truncation=body.tells_truncation)
    return decode_members(_members(plain, target.limits), target)


def _members(body: Stream, limits: Limits) -> Iterator[Member | Unreadable]:
    count = 0
    while rest := _skip_zeros(body):
        if not is_header(rest) and count:
            yield left_over(rest)
            break
        while entry := read_entry(body):
            count += 1
            if count > limits.archive_members:
                raise too_many(limits)
            yield from _read(body, entry, limits)
    while body.read(_PIECE_BYTES):  # a packed stream must be whole
        pass


def _skip_zeros(body: Stream) -> bytes:
    """Skips blocks of zeros, and returns the beginning of what follows; empty at the end."""
    while piece := body.peek(_PIECE_BYTES):
        zeros = len(piece) - len(piece.lstrip(b"\0"))
        if zeros < len(piece):
            body.read(zeros - zeros % BLOCK_BYTES)
            return body.peek(BLOCK_BYTES)
        body.read(zeros)
    return b""


def _read(body: Stream, entry: Entry, limits: Limits) -> Iterator[Member | Unreadable]:
    if entry.kind in _FOLDERS or is_folder(entry.name, entry.size_bytes) or is_skipped(entry.name):
        skip_content(body, entry.size_bytes)
        return
    try:
        _require_readable(entry, limits)
    except RejectedInput as error:
        yield unreadable(entry.name, error)
        skip_content(body, entry.size_bytes)
    else:
        yield Member(entry.name, read_content(body, entry.size_bytes))


def _require_readable(entry: Entry, limits: Limits) -> None:
    require_safe_name(entry.name)
    if entry.problem:
        raise entry.problem
    if entry.is_sparse:
        raise UnsafeMember("Expected a file with all of its bytes. Received: a sparse one; pack it without --sparse.")
    if entry.kind not in _FILES:
        raise UnsafeMember(
            "Expected a file. Received: a link or a special file; pack what links lead to (tar -h --hard-dereference)."
        )
    require_size(entry.size_bytes, limits)
