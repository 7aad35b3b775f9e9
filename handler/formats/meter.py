"""The limits on what may come out of an object. Pure.

Whatever an object declares about itself may be a lie, so bytes are counted while they are read.
"""

from __future__ import annotations

from handler.errors import ObjectTooLarge
from handler.formats.stream import Body
from handler.limits import Limits

_JUDGED_FROM_BYTES = 2**20  # of output; below it a high ratio is harmless, and small blank images do compress that well


class Meter:
    """Counts what goes into the decompression of one object and what comes out, and stops it at the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._packed_bytes = self._unpacked_bytes = 0

    def count(self, *, packed: int = 0, unpacked: int = 0) -> None:
        """Takes note of so many more bytes.

        Raises:
            ObjectTooLarge: too many have come out, in all or for what went in.
        """
        self._packed_bytes += packed
        self._unpacked_bytes += unpacked
        most_bytes, most_times = self._limits.unpacked_bytes, self._limits.compression_ratio
        if self._unpacked_bytes > most_bytes:
            raise ObjectTooLarge(
                f"Expected an object that unpacks to at most {most_bytes} bytes (MAX_UNPACKED_BYTES). Received: more; split it."
            )
        if self._unpacked_bytes > max(_JUDGED_FROM_BYTES, most_times * self._packed_bytes):
            raise ObjectTooLarge(
                f"Expected content of at most {most_times} times its compressed size (MAX_COMPRESSION_RATIO). "
                f"Received: {self._unpacked_bytes} bytes out of {self._packed_bytes} so far; upload it uncompressed."
            )


class Metered:
    """A body that is not compressed, with what is read counted as coming out."""

    def __init__(self, body: Body, meter: Meter) -> None:
        self._body = body
        self._meter = meter

    def read(self, size: int, /) -> bytes:
        """As the body's."""
        part = self._body.read(size)
        self._meter.count(packed=len(part), unpacked=len(part))
        return part


def read_whole(body: Body, limits: Limits, what: str) -> bytes:
    """Everything that is left, for what cannot be decoded piece by piece.

    Raises:
        ObjectTooLarge: it is more than may be in memory at once.
    """
    content = body.read(limits.member_bytes + 1)
    if len(content) > limits.member_bytes:
        raise ObjectTooLarge(
            f"Expected {what} of at most {limits.member_bytes} bytes (MAX_MEMBER_BYTES). Received: more; make it smaller."
        )
    return content
