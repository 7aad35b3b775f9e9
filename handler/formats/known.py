"""Defines the protocol of a format, and recognises the format of an object. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from handler.errors import UnrecognisedFormat
from handler.formats.foreign import advise, describe
from handler.formats.image import Item, Target
from handler.formats.stream import Stream


class Format(Protocol):
    """The protocol of the modules that `handler.formats.FORMATS` names; `NAME` describes the format in error messages."""

    NAME: str

    def recognises(self, head: bytes) -> bool:
        """Returns whether an object that begins with `head` is of this format."""

    def kind(self, head: bytes) -> str:
        """Returns the name that documents give to the format of an object that begins with `head`, such as png or zip."""

    def decode(self, body: Stream, target: Target) -> Iterator[Item]:
        """Yields the items of `body` in order, with images as `target` wants them.

        Raises:
            RejectedInput: the object is at fault.
        """


def recognise(head: bytes, formats: Sequence[Format], packed_by: str = "") -> Format:
    """Returns the one of `formats` that an object beginning with `head` has.

    Errors say that the object was unpacked from a stream of `packed_by`, if that is given.

    Raises:
        UnrecognisedFormat: the object has none of `formats`.
    """
    for known in formats:
        if known.recognises(head):
            return known
    packed = f", packed by {packed_by}" if packed_by else ""
    raise UnrecognisedFormat(
        f"Expected one of: {', '.join(known.NAME for known in formats)}. Received: {describe(head)}{packed}; {advise(head)}."
    )
