"""Object formats: bytes in, images out. Recognised by content, never by name. Pure.

Each module named in `FORMATS` knows one format: `recognises(head)` judges an object by its first bytes, and `decode(body,
target)` yields its images in order. To add a format, add a module that offers what `handler.formats.known.Format` asks for, and
name it in `FORMATS`. Bodies are read forwards; only the directory of a zip, which lies at its end, needs more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from handler.errors import EmptyObject, ObjectTooLarge
from handler.formats import idx, listing, npy, picture, tar_archive, zip_archive
from handler.formats.image import Image, Item, Target
from handler.formats.known import Format, recognise
from handler.formats.stream import Body, Stream

HEAD_BYTES = (
    4096  # a gzip stream may spend 600 on its code tables, and more on a file's name, before a tar's first 512 come out
)


FORMATS: tuple[Format, ...] = (picture, npy, idx, zip_archive, tar_archive, listing)


@dataclass(frozen=True, slots=True)
class Decoded:
    """An object whose format was recognised as `kind`; iterating over it reads what the object holds, once."""

    kind: str
    items: Iterator[Item]

    def __iter__(self) -> Iterator[Item]:
        return self.items


def decode(body: Body, name: str, target: Target) -> Decoded:
    """Recognises one object, to yield its images in their order, or the objects that it names, and what of it cannot be read.

    Args:
        body: the object from its first byte on. What its `read` raises passes through.
        name: the object's own, which its image gets in a format that holds one image and does not name it; empty for a folder.
        target: the size that the model takes, and the limits.

    Raises:
        RejectedInput: the object is empty or of no known format; while its items are read also if it is broken, or holds more
            than the limits allow.
    """
    stream = Stream(body)
    head = stream.peek(HEAD_BYTES)
    if not head:
        folder = " of an empty object" if name else " of a folder, which has no images itself; there is nothing to do"
        raise EmptyObject(f"Expected images in one of the known formats. Received: the 0 bytes{folder}.")
    recognised = recognise(head, FORMATS)
    return Decoded(recognised.kind(head), _items(recognised, stream, name, target))


def _items(recognised: Format, stream: Stream, name: str, target: Target) -> Iterator[Item]:
    limits, count = target.limits, 0
    max_items, what = (
        (limits.list_objects, "objects in a list (MAX_LIST_OBJECTS)")
        if recognised is listing
        else (limits.images, "images in an object (MAX_IMAGES_PER_OBJECT)")
    )
    for count, item in enumerate(recognised.decode(stream, target), start=1):
        if count > max_items:
            raise ObjectTooLarge(f"Expected at most {max_items} {what}. Received: more; split it.")
        yield Image(name, item.pixels) if isinstance(item, Image) and not item.name else item
    if not count:
        raise EmptyObject(f"Expected at least one image. Received: {recognised.NAME} with none.")
