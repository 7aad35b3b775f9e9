"""Unpacks gzip, bzip2 and xz streams while they are read. Pure.

`gzip.GzipFile` is not used: it reads the text fields of a header byte by byte, which takes seconds for a long one, and raises
`OSError`, which cannot be told from an error of the body. The decompressors verify headers, lengths and checksums themselves.

Formats: https://www.rfc-editor.org/rfc/rfc1952, https://sourceware.org/bzip2/, https://tukaani.org/xz/xz-file-format.txt
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from functools import partial
from typing import Protocol

import msgspec

from handler.errors import UnreadableArchive
from handler.formats.meter import Meter
from handler.formats.stream import Body

_PIECE_BYTES = 2**14  # compressed bytes in one read, the read-ahead limit; they count towards the ratio once they are read
_MAX_STREAMS = 100_000  # in one object; tools that cut 64 KiB blocks make 16,384 of 1 GiB; an empty one costs 20 bytes and 3 µs
_MAX_XZ_BYTES = 2**26 + 2**22  # of memory for one stream: the dictionary of `xz -9`, 64 MiB, and its tables


class _Decompressor(Protocol):
    """The protocol of the decompressors of one stream in `bz2` and `lzma`."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """The decompressor of `zlib`, which can be used like those of `bz2` and `lzma`."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)  # a gzip header and trailer

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflater.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflater.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflater.decompress(self._inflater.unconsumed_tail + data, max_length)


class Packing(msgspec.Struct, frozen=True):
    """A way to pack one file; `suffix` ends the names of such files, and `magic` begins their content."""

    name: str
    suffix: str
    magic: bytes
    begin: Callable[[], _Decompressor]


PACKINGS = (
    Packing("gzip", ".gz", b"\x1f\x8b", _Gzip),
    Packing("bzip2", ".bz2", b"BZh", bz2.BZ2Decompressor),
    Packing("xz", ".xz", b"\xfd7zXZ\x00", partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, _MAX_XZ_BYTES)),
)

_CORRUPT = (zlib.error, lzma.LZMAError, OSError, ValueError)  # bz2 raises the last two


def packing_of(head: bytes) -> Packing | None:
    """Returns the way in which an object that begins with `head` is packed; None if it is not packed."""
    return next((packing for packing in PACKINGS if head.startswith(packing.magic)), None)


class Unpacked:
    """The unpacked content of one packed stream, or of several concatenated ones, as a body."""

    def __init__(self, body: Body, packing: Packing, meter: Meter) -> None:
        self._body = body
        self._packing = packing
        self._meter = meter
        self._decompressor = packing.begin()
        self._packed = b""
        self._streams = 1

    def read(self, size: int, /) -> bytes:
        """Returns the next `size` unpacked bytes, fewer only at the end.

        Raises:
            UnreadableArchive: the stream is truncated or corrupt, or other bytes follow it.
            ObjectTooLarge: the stream unpacks to more bytes than the limits allow, in total or relative to its compressed size.
        """
        parts, missing = [], size
        while missing and not (self._decompressor.eof and not self._begin_next()):
            part = self._unpack(missing)
            self._meter.count(unpacked=len(part))
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _unpack(self, max_bytes: int) -> bytes:
        needs_input = self._decompressor.needs_input
        packed, self._packed = (self._packed or self._fetch(), b"") if needs_input else (b"", self._packed)
        try:
            part = self._decompressor.decompress(packed, max_bytes)
        except _CORRUPT as error:
            raise UnreadableArchive(f"Expected a whole {self._packing.name} stream. Received: {self._corrupt()}.") from error
        if self._decompressor.eof:
            self._packed = self._decompressor.unused_data
        elif needs_input and not packed and not part:
            raise UnreadableArchive(
                f"Expected a whole {self._packing.name} stream. Received: a truncated one; upload it again."
            )
        return part

    def _corrupt(self) -> str:
        if self._packing.suffix == ".xz":  # its decompressor tells both by the same error
            return "one that is corrupt, or that needs more memory than those of xz -9; pack it and upload it again"
        return "a corrupt one; upload it again"

    def _begin_next(self) -> bool:
        """Begins the next stream, and returns whether there is one; zeros between streams are padding, as on tapes."""
        while not (packed := self._packed.lstrip(b"\0")):
            self._packed = self._fetch()
            if not self._packed:
                return False
        while len(packed) < len(self._packing.magic) and (more := self._fetch()):
            packed += more
        self._packed = packed
        self._streams += 1
        if not packed.startswith(self._packing.magic):
            raise UnreadableArchive(
                f"Expected nothing behind the {self._packing.name} stream. Received: more bytes; "
                "upload what was appended as an object of its own."
            )
        if self._streams > _MAX_STREAMS:
            raise UnreadableArchive(
                f"Expected at most {_MAX_STREAMS} {self._packing.name} streams. Received: more; pack it as one stream."
            )
        self._decompressor = self._packing.begin()
        return True

    def _fetch(self) -> bytes:
        packed = self._body.read(_PIECE_BYTES)
        self._meter.count(packed=len(packed))
        return packed
