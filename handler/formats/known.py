"""The protocol of a format, and how one is recognised. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from handler.errors import UnrecognisedFormat
from handler.formats import gunzip
from handler.formats.image import Item, Target
from handler.formats.stream import Stream


class Format(Protocol):
    """The names that a module of this package offers which is named in `FORMATS`."""

    NAME: str

    def recognises(self, head: bytes) -> bool:
        """Returns whether an object that begins with `head` is of this format."""

    def kind(self, head: bytes) -> str:
        """Returns the name that documents give to an object of this format that begins with `head`: png, zip, ..."""

    def decode(self, body: Stream, target: Target) -> Iterator[Item]:
        """Yields the images of `body` in the size of `target`; raises RejectedInput when the object is at fault."""


def recognise(head: bytes, formats: Sequence[Format]) -> Format:
    """Returns the one of `formats` that an object which begins with `head` is of.

    Raises:
        UnrecognisedFormat: it is of none of them.
    """
    for known in formats:
        if known.recognises(head):
            return known
    is_gzip = head.startswith(gunzip.MAGIC)
    begins = (
        f"a gzip stream of what begins with {gunzip.first_bytes(head, 8)!r}" if is_gzip else f"what begins with {head[:8]!r}"
    )
    raise UnrecognisedFormat(
        f"Expected one of: {', '.join(known.NAME for known in formats)}. Received: {begins}. "
        "Save pictures as PNG, JPEG or WebP, arrays with numpy.save."
    )
