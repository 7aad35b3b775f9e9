"""Decodes zip archives of pictures and arrays, such as NumPy's `.npz`: every file, in the order of the directory.

Folders, and files that are hidden or that systems add for themselves, are skipped. Members that cannot be read (encrypted,
corrupt, in another compression than deflate, of unsafe names, links, archives in the archive, too large) are reported by name,
and the others are scored; so is what follows the archive. The directory lies at the end of the archive, so a body that can only
be read forwards is first copied to a temporary file, still compressed.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from handler.errors import RejectedInput, UnreadableMember, UnrecognisedFormat, UnsafeMember
from handler.formats.image import Image, Target, Unreadable
from handler.formats.member_names import is_folder, is_skipped, require_safe_name
from handler.formats.members import Member, decode_members, left_over, require_size, unreadable
from handler.formats.meter import Meter
from handler.formats.stream import Stream
from handler.formats.zip_directory import END_MAGIC, MAGIC, Directory, Entry, read_directory
from handler.limits import Limits

NAME = "zip archive of them (.zip, .npz)"

_HEADER_BYTES = 30  # before each member's name and bytes
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # flags: traditional, strong, and an encrypted directory
_STORED, _DEFLATED = 0, 8
_OFFICE = "[Content_Types].xml"  # the member that makes a zip archive a document of Office

_PIECE_BYTES = 2**16
_SPOOL_BYTES = 2**24  # kept in memory; a larger archive is kept on disk


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a zip archive."""
    return head.startswith((MAGIC, END_MAGIC))


def kind(head: bytes) -> str:
    """Returns the name that documents give to this format."""
    return "zip"


def decode(body: Stream, target: Target) -> Iterator[Image | Unreadable]:
    """Yields the images of all members, and the members that cannot be read.

    Raises:
        UnreadableArchive: the archive is truncated or corrupt, or its members share bytes.
        UnrecognisedFormat: the archive holds neither pictures nor arrays, or is a document of Office.
        ObjectTooLarge: the archive has more members than the limits allow, or unpacks to more bytes, in total or relative to
            its compressed size.
    """
    with _seekable(body) as file:
        directory = read_directory(file, target.limits)
        if any(entry.name == _OFFICE for entry in directory.entries):
            raise UnrecognisedFormat(
                "Expected a zip archive of pictures and arrays. Received: a document of Word, Excel or PowerPoint; "
                "save the pictures in it as PNG or JPEG."
            )
        yield from decode_members(_members(file, directory, target.limits), target)


@contextmanager
def _seekable(body: Stream) -> Iterator[BinaryIO]:
    if file := body.rewound():
        yield file
        return
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool:
        while piece := body.read(_PIECE_BYTES):
            spool.write(piece)
        yield cast("BinaryIO", spool)


def _members(file: BinaryIO, directory: Directory, limits: Limits) -> Iterator[Member | Unreadable]:
    meter = Meter(limits)
    for entry in directory.entries:
        if is_folder(entry.name, entry.size_bytes) or is_skipped(entry.name):
            continue
        yield _member(file, entry, meter, limits)
    if rest := _after(file, directory.end):
        yield left_over(rest)


def _member(file: BinaryIO, entry: Entry, meter: Meter, limits: Limits) -> Member | Unreadable:
    try:
        _require_readable(entry, limits)
    except RejectedInput as error:
        return unreadable(entry.name, error)
    try:
        return Member(entry.name, _read_member(file, entry, meter))
    except UnreadableMember as error:
        return unreadable(entry.name, error)


def _require_readable(entry: Entry, limits: Limits) -> None:
    require_safe_name(entry.name)
    if entry.problem:
        raise entry.problem
    if stat.S_IFMT(entry.mode) not in {0, stat.S_IFREG}:
        raise UnsafeMember("Expected a file. Received: a link or a special file; pack the files that links lead to.")
    if entry.flags & _ENCRYPTED:
        raise UnsafeMember(
            "Expected a member that can be read by anybody. Received: an encrypted one; save it without a password."
        )
    if entry.method not in {_STORED, _DEFLATED}:
        raise UnreadableMember(
            f"Expected a member that is stored or deflated. Received: compression method {entry.method}; save it with deflate."
        )
    require_size(entry.size_bytes, limits)


def _read_member(file: BinaryIO, entry: Entry, meter: Meter) -> bytes:
    """Returns the content of a member, which is unpacked up to the declared size and no further.

    Raises:
        UnreadableMember: the member is truncated or corrupt.
        ObjectTooLarge: the archive unpacks to more bytes than the limits allow.
    """
    meter.count(packed=entry.packed_bytes)
    pieces, left, crc = [], entry.size_bytes, 0
    for piece in _unpacked(file, entry):
        meter.count(unpacked=len(piece))
        left -= len(piece)
        crc = zlib.crc32(piece, crc)
        pieces.append(piece)
        if left < 0:
            break
    if left or crc != entry.crc:
        raise UnreadableMember(
            f"Expected a member of {entry.size_bytes} bytes whose checksum holds. Received: a truncated or corrupt one; "
            "pack and upload it again."
        )
    return b"".join(pieces)


def _unpacked(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """Yields the content of a member in pieces, as far as it can be unpacked."""
    file.seek(entry.start)
    header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES or not header.startswith(MAGIC):
        return
    file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
    if entry.method == _STORED:
        yield from _packed(file, entry.packed_bytes)
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for packed in _packed(file, entry.packed_bytes):
            yield inflater.decompress(packed, _PIECE_BYTES)
            while inflater.unconsumed_tail:
                yield inflater.decompress(inflater.unconsumed_tail, _PIECE_BYTES)
            if inflater.eof:  # what follows would be collected, and copied whole with every piece
                return
        yield inflater.decompress(b"", _PIECE_BYTES)  # it may hold some bytes back
    except zlib.error:
        return


def _packed(file: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    while size_bytes and (packed := file.read(min(size_bytes, _PIECE_BYTES))):
        size_bytes -= len(packed)
        yield packed


def _after(file: BinaryIO, end: int) -> bytes:
    """Returns the beginning of what follows the archive; empty if nothing does but zeros."""
    file.seek(end)
    while piece := file.read(_PIECE_BYTES):
        if rest := piece.lstrip(b"\0"):
            return rest
    return b""
