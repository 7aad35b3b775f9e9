"""Decodes the members of an archive in any format; a bad member does not affect the others. Pure.

A member is a picture, a `.npy` array or an IDX file, recognised by its content. It is read whole before any of its images is
yielded, so that a wrong checksum or a truncation is found first. Nothing is ever written to disk under a member's name.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from handler.errors import EmptyObject, ObjectTooLarge, RejectedInput, UnsafeMember
from handler.formats import gunzip, idx, npy, picture
from handler.formats.image import Image, Named, Target, Unreadable
from handler.formats.known import Format, recognise
from handler.formats.stream import Stream
from handler.limits import Limits

_FORMATS: tuple[Format, ...] = (picture, npy, idx)
_ARCHIVES = (gunzip.MAGIC, b"PK\x03\x04", b"PK\x05\x06", b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07")
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257

_SEPARATOR = re.compile(r"[/\\]")  # Windows accepts both, and some of its tools write backslashes
_MAX_NAME_CHARACTERS = 500  # each image of an array repeats its member's name, so a long one makes a document huge


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive, with its whole content, unpacked."""

    name: str
    content: bytes


def is_skipped(name: str) -> bool:
    """Returns whether a member is not one of the user's own files.

    macOS adds files under `__MACOSX/`, and names of hidden files begin with a dot.
    """
    parts = _SEPARATOR.split(name)
    return parts[0] == "__MACOSX" or parts[-1].startswith(".")


def require_safe_name(name: str) -> None:
    """Requires a name that stays inside of the archive, wherever the archive would be unpacked.

    Raises:
        UnsafeMember: the name is absolute, leads upwards, is empty, or is too long.
    """
    parts = _SEPARATOR.split(name)
    if not parts[0] or ".." in parts or re.match("[A-Za-z]:", name):
        raise UnsafeMember("Expected a path inside of the archive. Received: an absolute one, or one with '..' in it.")
    if len(name) > _MAX_NAME_CHARACTERS:
        raise UnsafeMember(f"Expected a path of at most {_MAX_NAME_CHARACTERS} characters. Received: {len(name)} of them.")


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
    is_long = len(name) > _MAX_NAME_CHARACTERS
    return Unreadable.because(f"{name[:_MAX_NAME_CHARACTERS]}…" if is_long else name, error)


def decode_members(members: Iterable[Member | Unreadable], target: Target) -> Iterator[Image | Unreadable]:
    """Yields the images of each member, and the members that cannot be read.

    A picture is named after its member, and an image of an array `member/position`.
    """
    for member in members:
        if isinstance(member, Unreadable):
            yield member
        else:
            yield from _decode_member(member, target)


def _decode_member(member: Member, target: Target) -> list[Image | Unreadable]:
    try:
        recognised = _recognise(member.content)
        items = recognised.decode(Stream(io.BytesIO(member.content)), target)
        max_items = target.limits.images + 1  # one above the limit, by which the object is refused
        decoded = [item for item in itertools.islice(items, max_items) if not isinstance(item, Named)]  # never in a member
        if not decoded:
            raise EmptyObject("Expected at least one image. Received: an array with none.")
    except RejectedInput as error:
        return [unreadable(member.name, error)]
    return [dataclasses.replace(item, name=f"{member.name}/{item.name}" if item.name else member.name) for item in decoded]


def _recognise(content: bytes) -> Format:
    if not content:
        raise EmptyObject("Expected a picture or an array. Received: a member of 0 bytes.")
    if content.startswith(_ARCHIVES) or content.startswith(_TAR_MAGIC, _TAR_MAGIC_AT):
        raise UnsafeMember("Expected pictures and arrays in an archive. Received: an archive or gzip stream in it; unpack it.")
    return recognise(content, _FORMATS)
