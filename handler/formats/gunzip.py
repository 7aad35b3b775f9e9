"""Unpacks gzip streams while they are read. Pure.

`gzip.GzipFile` is not used: it reads the text fields of a header byte by byte, which takes seconds for a long one, and raises
`OSError`, which cannot be told from an error of the body. zlib verifies headers, lengths and checksums itself.

Format: https://www.rfc-editor.org/rfc/rfc1952
"""

from __future__ import annotations

import zlib

from handler.errors import RejectedInput
from handler.formats.meter import Meter
from handler.formats.stream import Body

MAGIC = b"\x1f\x8b"

_WBITS = zlib.MAX_WBITS | 16  # a gzip header and trailer
_PIECE_BYTES = 2**14  # compressed bytes in one read, the read-ahead limit; they count towards the ratio once they are read
_MAX_STREAMS = 100_000  # in one object; tools that cut 64 KiB blocks make 16,384 of 1 GiB; an empty one costs 20 bytes and 3 µs


def first_bytes(head: bytes, size: int) -> bytes:
    """Returns up to the first `size` unpacked bytes of a gzip stream that begins with `head`.

    The result is shorter if `head` holds too little of the stream, and empty if `head` is corrupt.
    """
    try:
        return zlib.decompressobj(_WBITS).decompress(head, size)
    except zlib.error:
        return b""


class Gunzip:
    """The unpacked content of one gzip stream, or of several concatenated ones, as a body."""

    def __init__(self, body: Body, meter: Meter, error: type[RejectedInput]) -> None:
        self._body = body
        self._meter = meter
        self._error = error
        self._inflater = zlib.decompressobj(_WBITS)
        self._packed = b""
        self._streams = 1

    def read(self, size: int, /) -> bytes:
        """Returns the next `size` unpacked bytes, fewer only at the end.

        Raises:
            RejectedInput: the stream is truncated or corrupt, or other bytes follow it; the error is of the class that the
                constructor was given.
            ObjectTooLarge: the stream unpacks to more bytes than the limits allow, in total or relative to its compressed size.
        """
        parts, missing = [], size
        while missing and not (self._inflater.eof and not self._begin_next()):
            part = self._inflate(missing)
            self._meter.count(unpacked=len(part))
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _inflate(self, max_bytes: int) -> bytes:
        packed = self._packed or self._fetch()
        try:
            part = self._inflater.decompress(packed, max_bytes)
        except zlib.error as error:
            raise self._error("Expected a whole gzip stream. Received: a corrupt one; upload it again.") from error
        self._packed = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
        if not packed and not part and not self._inflater.eof:
            raise self._error("Expected a whole gzip stream. Received: a truncated one; upload it again.")
        return part

    def _begin_next(self) -> bool:
        """Begins the next stream, and returns whether there is one; zeros between streams are padding, as on tapes."""
        while not (packed := self._packed.lstrip(b"\0")):
            self._packed = self._fetch()
            if not self._packed:
                return False
        self._packed = packed + (self._fetch() if len(packed) == 1 else b"")
        self._streams += 1
        if not self._packed.startswith(MAGIC) or self._streams > _MAX_STREAMS:
            raise self._error("Expected nothing behind a gzip stream. Received: more bytes.")
        self._inflater = zlib.decompressobj(_WBITS)
        return True

    def _fetch(self) -> bytes:
        packed = self._body.read(_PIECE_BYTES)
        self._meter.count(packed=len(packed))
        return packed
