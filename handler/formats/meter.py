"""Enforces the limits on the unpacked size of an object. Pure.

The sizes that an object declares may be false, so bytes are counted while they are read.
"""

from __future__ import annotations

from handler.errors import ObjectTooLarge
from handler.formats.stream import Body
from handler.limits import Limits

_JUDGED_FROM_BYTES = 2**20  # unpacked; below this size a high ratio is harmless, and usual for small blank images


class Meter:
    """Counts the compressed and the unpacked bytes of one object, and stops its decompression at the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._packed_bytes = self._unpacked_bytes = 0

    def count(self, *, packed: int = 0, unpacked: int = 0) -> None:
        """Adds `packed` compressed bytes and `unpacked` unpacked bytes to the counts.

        Raises:
            ObjectTooLarge: too many bytes were unpacked, in total or relative to the compressed bytes.
        """
        self._packed_bytes += packed
        self._unpacked_bytes += unpacked
        max_bytes, max_times = self._limits.unpacked_bytes, self._limits.compression_ratio
        if self._unpacked_bytes > max_bytes:
            raise ObjectTooLarge(
                f"Expected an object that unpacks to at most {max_bytes} bytes (MAX_UNPACKED_BYTES). Received: more; split it."
            )
        if self._unpacked_bytes > max(_JUDGED_FROM_BYTES, max_times * self._packed_bytes):
            raise ObjectTooLarge(
                f"Expected content of at most {max_times} times its compressed size (MAX_COMPRESSION_RATIO). "
                f"Received: {self._unpacked_bytes} bytes out of {self._packed_bytes} so far; upload it uncompressed."
            )


class Metered:
    """A body that is not compressed, each byte of which counts as one compressed and one unpacked byte."""

    def __init__(self, body: Body, meter: Meter) -> None:
        self._body = body
        self._meter = meter

    def read(self, size: int, /) -> bytes:
        """Returns up to `size` bytes of the body, and counts them.

        Raises:
            ObjectTooLarge: the body has more bytes than the limits allow.
        """
        part = self._body.read(size)
        self._meter.count(packed=len(part), unpacked=len(part))
        return part


def read_whole(body: Body, limits: Limits, what: str) -> bytes:
    """Returns everything that is left of `body`, for content that cannot be decoded piece by piece.

    Errors call this content `what`.

    Raises:
        ObjectTooLarge: the content has more than `limits.member_bytes` bytes, and so more than may be in memory at once.
    """
    content = body.read(limits.member_bytes + 1)
    if len(content) > limits.member_bytes:
        raise ObjectTooLarge(
            f"Expected {what} of at most {limits.member_bytes} bytes (MAX_MEMBER_BYTES). Received: more; make it smaller."
        )
    return content
