"""Reads the headers of tar archives, one member after the other. Pure.

`tarfile` parses single headers, and this module walks from one header to the next. `TarFile` takes a header that it cannot read
for the end of the archive, so that the remaining members would be lost silently, and it reads extended headers of any size into
memory.

Formats: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13,
https://www.gnu.org/software/tar/manual/html_section/Formats.html
"""

from __future__ import annotations

import tarfile

import msgspec

from handler.errors import RejectedInput, UnreadableArchive, UnreadableMember
from handler.formats.member_names import readable_name
from handler.formats.stream import Stream

BLOCK_BYTES = 512

_MAGIC, _MAGIC_AT = b"ustar", 257
_WITHOUT_CONTENT = {tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE}
_PAX = {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE}
_EXTENSIONS = _PAX | {tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}

# Tools write one extended header before a member, GNU tar two, of some hundred bytes; macOS writes file attributes there.
_MAX_EXTENSIONS = 4
_MAX_EXTENSION_BYTES = 2**16

_SPARSE = b"GNU.sparse."
_MORE_PIECES_AT, _MORE_PIECES_AGAIN_AT = 482, 504  # of a flag: a block with more pieces of a sparse file follows

_PIECE_BYTES = 2**14  # in one read of bytes that are skipped


class Entry(msgspec.Struct, frozen=True):
    """A member as its headers describe it; `problem` says why it cannot be read if one of its headers cannot be."""

    name: str
    kind: bytes
    size_bytes: int
    is_sparse: bool
    problem: RejectedInput | None


def is_header(block: bytes) -> bool:
    """Returns whether `block` begins with a header.

    The oldest archives have no magic number, so the checksum of the header is verified.
    """
    try:
        return block[_MAGIC_AT:].startswith(_MAGIC) or bool(_parse(block[:BLOCK_BYTES]))
    except UnreadableArchive:
        return False


def read_entry(body: Stream) -> Entry | None:
    """Reads the headers of the next member; returns None at the end of the archive, which is a block of zeros.

    An archive in a packed stream may end without zeros, since the stream itself is known to be whole.

    Raises:
        UnreadableArchive: the archive is truncated or corrupt.
    """
    extended: dict[bytes, bytes] = {}
    problem: RejectedInput | None = None
    is_begun = False
    for _ in range(_MAX_EXTENSIONS + 1):
        block = body.read(BLOCK_BYTES)
        header = None if body.tells_truncation and not block.strip(b"\0") else _parse(block)
        if not header and is_begun:
            raise UnreadableArchive(
                "Expected a member behind its extended header. Received: the archive's end; upload it again."
            )
        if not header:
            return None
        is_begun |= header.type != tarfile.XGLTYPE
        if header.type not in _EXTENSIONS:
            _skip_pieces(body, header, block)
            return _combine(block, header, extended, problem)
        if header.size <= _MAX_EXTENSION_BYTES:
            extended |= _read_extension(body, header)
        else:
            skip_content(body, header.size)
            problem = problem if header.type == tarfile.XGLTYPE else _too_long(header)
    raise UnreadableArchive(f"Expected at most {_MAX_EXTENSIONS} extended headers of a member. Received: more; pack it again.")


def read_content(body: Stream, size_bytes: int) -> bytes:
    """Reads the content of a member, and the zeros that fill its last block; returns the content.

    Raises:
        UnreadableArchive: the archive ends before.
    """
    content = body.read(size_bytes)
    padding = -size_bytes % BLOCK_BYTES
    if len(content) < size_bytes or (len(body.read(padding)) < padding and not body.tells_truncation):
        raise _truncated(size_bytes)
    return content


def skip_content(body: Stream, size_bytes: int) -> None:
    """Skips the content of a member, and the zeros that fill its last block.

    Raises:
        UnreadableArchive: the archive ends before.
    """
    left = size_bytes + -size_bytes % BLOCK_BYTES
    while left:
        piece = body.read(min(left, _PIECE_BYTES))
        if not piece:
            raise _truncated(size_bytes)
        left -= len(piece)


def _parse(block: bytes) -> tarfile.TarInfo | None:
    if len(block) == BLOCK_BYTES and not block.strip(b"\0"):
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise UnreadableArchive(
            "Expected a tar archive up to its closing zeros. Received: a truncated or corrupt one; upload it again."
        ) from error
    if header.size < 0:
        raise UnreadableArchive(f"Expected a member's size as a whole number. Received: {header.size}; pack it again.")
    return header


def _skip_pieces(body: Stream, header: tarfile.TarInfo, block: bytes) -> None:
    """Skips the blocks that tell more than four pieces of a sparse file in GNU's old format."""
    if header.type != tarfile.GNUTYPE_SPARSE:
        return
    has_more = block[_MORE_PIECES_AT]
    while has_more:
        block = body.read(BLOCK_BYTES)
        if len(block) < BLOCK_BYTES:
            raise _truncated(BLOCK_BYTES)
        has_more = block[_MORE_PIECES_AGAIN_AT]


def _too_long(header: tarfile.TarInfo) -> UnreadableMember:
    return UnreadableMember(
        f"Expected extended headers of at most {_MAX_EXTENSION_BYTES} bytes. Received: {header.size} declared; "
        "pack it again without extended attributes."
    )


def _read_extension(body: Stream, header: tarfile.TarInfo) -> dict[bytes, bytes]:
    """Reads an extended header, and returns its records by their pax names.

    Headers that hold for all members, or name the targets of links, have no records that are used.
    """
    content = read_content(body, header.size)
    if header.type in _PAX:
        return _parse_pax(content)
    return {b"path": content.partition(b"\0")[0]} if header.type == tarfile.GNUTYPE_LONGNAME else {}


def _parse_pax(content: bytes) -> dict[bytes, bytes]:
    """Parses pax records, each of which is `length key=value` and a line feed; returns those that are used."""
    records: dict[bytes, bytes] = {}
    start = 0
    while start < len(content):
        digits = content[start : start + 20].partition(b" ")[0]
        end = start + int(digits) if digits.isdigit() else 0
        key, equals, value = content[start + len(digits) + 1 : end].partition(b"=")
        if not equals or not value.endswith(b"\n") or end > len(content):
            raise UnreadableArchive(
                "Expected whole records in a member's extended header. Received: corrupt ones; pack it again."
            )
        if key in {b"path", b"size"} or key.startswith(_SPARSE):
            records[key] = value[:-1]
        start = end
    return records


def _combine(block: bytes, header: tarfile.TarInfo, extended: dict[bytes, bytes], problem: RejectedInput | None) -> Entry:
    size = extended.get(b"size", b"%d" % header.size)
    if not size.isdigit() or len(size) > 20:
        raise UnreadableArchive(f"Expected a member's size as a whole number. Received: {size[:20]!r}; pack it again.")
    # In GNU's own headers, the bytes where others have the beginning of a long name may hold times.
    is_gnu = block[257:265] == b"ustar  \0"
    written = block[:100].partition(b"\0")[0] if is_gnu else header.name.encode("utf-8", "surrogateescape")
    name = readable_name(extended.get(_SPARSE + b"name") or extended.get(b"path", written))
    is_sparse = header.type == tarfile.GNUTYPE_SPARSE or any(key.startswith(_SPARSE) for key in extended)
    return Entry(name, header.type, 0 if header.type in _WITHOUT_CONTENT else int(size), is_sparse, problem)


def _truncated(size_bytes: int) -> UnreadableArchive:
    return UnreadableArchive(
        f"Expected a member of {size_bytes} bytes, as its header says. Received: a truncated archive; upload it again."
    )
