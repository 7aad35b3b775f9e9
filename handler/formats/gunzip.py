"""Gzip streams, unpacked as they are read. Pure.

`gzip.GzipFile` is not used: it reads a header's text byte by byte, which takes seconds for a long one, and raises `OSError`,
which could as well be the body's own. zlib checks headers, lengths and checksums itself.

Format: https://www.rfc-editor.org/rfc/rfc1952
"""

from __future__ import annotations

import zlib

from handler.errors import RejectedInput
from handler.formats.meter import Meter
from handler.formats.stream import Body

MAGIC = b"\x1f\x8b"

_WBITS = zlib.MAX_WBITS | 16  # a gzip header and trailer
_PIECE_BYTES = 2**14  # of compressed bytes: up to so many are read ahead, and count towards the ratio as they are
_MAX_STREAMS = 100_000  # tools cut blocks of 64 KiB, 16,384 in a gibibyte; an empty one costs 20 bytes and 3 µs


def first_bytes(head: bytes, size: int) -> bytes:
    """The first `size` bytes that come out of a gzip stream that begins with `head`, or as many as can be told."""
    try:
        return zlib.decompressobj(_WBITS).decompress(head, size)
    except zlib.error:
        return b""


class Gunzip:
    """The bytes that come out of a gzip stream, or of several, one behind the other."""

    def __init__(self, body: Body, meter: Meter, error: type[RejectedInput]) -> None:
        self._body = body
        self._meter = meter
        self._error = error
        self._inflater = zlib.decompressobj(_WBITS)
        self._packed = b""
        self._streams = 1

    def read(self, size: int, /) -> bytes:
        """`size` bytes, fewer only at the end.

        Raises:
            RejectedInput: of the class given, if the stream is truncated or corrupt, or something else follows it.
            ObjectTooLarge: more comes out than the limits allow.
        """
        parts, missing = [], size
        while missing and not (self._inflater.eof and not self._begin_next()):
            part = self._inflate(missing)
            self._meter.count(unpacked=len(part))
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _inflate(self, most_bytes: int) -> bytes:
        packed = self._packed or self._fetch()
        try:
            part = self._inflater.decompress(packed, most_bytes)
        except zlib.error as error:
            raise self._error("Expected a whole gzip stream. Received: a corrupt one; upload it again.") from error
        self._packed = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
        if not packed and not part and not self._inflater.eof:
            raise self._error("Expected a whole gzip stream. Received: a truncated one; upload it again.")
        return part

    def _begin_next(self) -> bool:
        """Whether another stream follows the one that has ended; zeros in between are padding, as of tapes."""
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
