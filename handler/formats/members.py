"""Decodes the members of an archive in any format; a bad member does not affect the others. Pure.

A member is a picture, a `.npy` array, an IDX file or a table of pixels, recognised by its content. It is read whole before any
of its images is yielded, so that a wrong checksum or a truncation is found first. Nothing is ever written to disk under a
member's name.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator

import msgspec

from handler.errors import (
    EmptyObject,
    ObjectTooLarge,
    RejectedInput,
    UnreadableArchive,
    UnreadableMember,
    UnrecognisedFormat,
    UnsafeMember,
)
from handler.formats import idx, npy, picture, table
from handler.formats.foreign import advise, describe, is_archive
from handler.formats.image import Image, Named, Target, Unreadable
from handler.formats.known import Format, recognise
from handler.formats.member_names import shortened
from handler.formats.stream import Stream
from handler.limits import Limits

_FORMATS: tuple[Format, ...] = (picture, npy, idx, table)


_HEAD_BYTES = 4096  # of a member, by which its content is named


class Member(msgspec.Struct, frozen=True):
    """One file of an archive, with its whole content, unpacked."""

    name: str
    content: bytes


def require_size(size_bytes: int, limits: Limits) -> None:
    """Requires a declared size, in bytes, that may be in memory at once.

    Raises:
        ObjectTooLarge: the size is above `limits.member_bytes`.
    """
    if size_bytes > limits.member_bytes:
        raise ObjectTooLarge(
            f"Expected members of at most {limits.member_bytes} bytes (MAX_MEMBER_BYTES). "
            f"Received: {size_bytes} bytes; upload it as an object of its own."
        )


def too_many(limits: Limits) -> ObjectTooLarge:
    """Returns the error for an archive of more members than the limits allow."""
    return ObjectTooLarge(
        f"Expected at most {limits.archive_members} members in an archive (MAX_ARCHIVE_MEMBERS). Received: more; split it."
    )


def unreadable(name: str, error: RejectedInput) -> Unreadable:
    """Returns the item for a member that cannot be read; a name that is too long is truncated."""
    return Unreadable.because(shortened(name), error)


def left_over(content: bytes) -> Unreadable:
    """Returns the item for what follows the end of an archive and is not part of it, beginning with `content`."""
    problem = UnreadableArchive(
        f"Expected nothing behind the archive. Received: {describe(content)}; upload what was appended as an object of its own."
    )
    return Unreadable.because("(behind the archive)", problem)


def decode_members(members: Iterable[Member | Unreadable], target: Target) -> Iterator[Image | Unreadable]:
    """Yields the images of each member, and the members that cannot be read.

    A picture is named after its member, and an image of an array `member/position`.

    Raises:
        EmptyObject: the archive holds no files.
        UnrecognisedFormat: the archive holds other files alone.
    """
    example, is_foreign = Member("", b""), True
    for member in members:
        for item in [member] if isinstance(member, Unreadable) else _decode_member(member, target):
            is_foreign &= isinstance(item, Unreadable) and isinstance(item.error, UnrecognisedFormat | EmptyObject)
            yield item
        if not example.content:
            example = Member(member.name, b"" if isinstance(member, Unreadable) else member.content[:_HEAD_BYTES])
    if not example.name:
        raise EmptyObject(
            "Expected at least one image. Received: an archive without files, "
            "but for hidden ones and those of systems; pack images."
        )
    if is_foreign:
        raise UnrecognisedFormat(
            "Expected an archive with a picture or an array in it. Received: one of other files alone, such as "
            f"{shortened(example.name)!r}, which is {describe(example.content)}; {advise(example.content)}."
        )


def _decode_member(member: Member, target: Target) -> list[Image | Unreadable]:
    try:
        recognised = _recognise(member.content)
        items = recognised.decode(Stream(io.BytesIO(member.content)), target)
        max_items = target.limits.images + 1  # one above the limit, by which the object is refused
        decoded = [item for item in itertools.islice(items, max_items) if not isinstance(item, Named)]  # never in a member
        if not decoded:
            raise EmptyObject("Expected at least one image. Received: an array with none; leave it out.")
    except RejectedInput as error:
        return [unreadable(member.name, error)]
    except Exception as error:  # the member is in memory, so whatever its decoder raises is about this member alone
        problem = UnreadableMember(
            "Expected a picture or an array that can be decoded. "
            f"Received: one at which its decoder failed ({type(error).__name__}); save it again."
        )
        return [unreadable(member.name, problem)]
    return [msgspec.structs.replace(item, name=f"{member.name}/{item.name}" if item.name else member.name) for item in decoded]


def _recognise(content: bytes) -> Format:
    if not content:
        raise EmptyObject("Expected a picture or an array. Received: a member of 0 bytes; leave it out.")
    if is_archive(content):
        raise UnsafeMember(
            f"Expected pictures and arrays in an archive. Received: {describe(content)} in it; unpack it, "
            "or upload it as an object of its own."
        )
    return recognise(content, _FORMATS)
