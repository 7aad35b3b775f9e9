"""Decodes objects: bytes in, images out. A format is recognised by content, never by name. Pure.

Each module named in `FORMATS` handles one format: `recognises(head)` judges an object by its first bytes, and
`decode(body, target)` yields the object's images in order. To add a format, add a module that offers the names of
`handler.formats.known.Format`, and name it in `FORMATS`. Bodies are read forwards; only a zip archive, whose directory lies at
its end, needs random access. An object of any other format may be packed by gzip, bzip2 or xz, and is unpacked as it is read.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from handler.errors import EmptyObject, ObjectTooLarge
from handler.formats import idx, listing, npy, picture, table, tar_archive, zip_archive
from handler.formats.image import Image, Item, Target
from handler.formats.known import Format, recognise
from handler.formats.meter import Meter
from handler.formats.packing import Unpacked, packing_of
from handler.formats.stream import Body, Stream

# The first bytes of an object, by which its format is recognised. A table of pixels needs most of them, to show its columns.
HEAD_BYTES = 4096


FORMATS: tuple[Format, ...] = (picture, npy, idx, zip_archive, tar_archive, table, listing)
_PACKABLE = tuple(known for known in FORMATS if known is not zip_archive)


class Decoded(msgspec.Struct, frozen=True):
    """An object whose format was recognised as `kind`; iterating over this value decodes the object's items, once."""

    kind: str
    items: Iterator[Item]

    def __iter__(self) -> Iterator[Item]:
        return self.items


def decode(body: Body, name: str, target: Target) -> Decoded:
    """Recognises the format of an object, and decodes the object's items in order.

    An item is an image, an object that a list names, or a part of the object that cannot be read.

    Args:
        body: the object, from its first byte on. Errors that its `read` raises pass through.
        name: the name of the object, which becomes the name of a single image without a name of its own; empty for a folder.
        target: the model's input size, the conversion of foreign images, and the limits.

    Raises:
        RejectedInput: the object is empty or of no known format. Iterating over the result raises it too, if the object is
            broken or holds more than the limits allow.
    """
    stream = Stream(body)
    head = stream.peek(HEAD_BYTES)
    if not head:
        content = "an empty object; upload it again if it had content"
        folder = "a folder, which has no images itself; there is nothing to do"
        raise EmptyObject(
            f"Expected images in one of the known formats. Received: the 0 bytes of {content if name else folder}."
        )
    packing = packing_of(head)
    if not packing:
        recognised = recognise(head, FORMATS)
        return Decoded(recognised.kind(head), _items(recognised, stream, name, target))
    unpacked = Stream(Unpacked(stream, packing, Meter(target.limits)), tells_truncation=True)
    head = unpacked.peek(HEAD_BYTES)
    if not head:
        raise EmptyObject(
            "Expected images in one of the known formats. "
            f"Received: 0 bytes, packed by {packing.name}; upload it again if it had content."
        )
    recognised = recognise(head, _PACKABLE, packing.name)
    return Decoded(recognised.kind(head) + packing.suffix, _items(recognised, unpacked, name, target))


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
        raise EmptyObject(f"Expected at least one image. Received: a {recognised.NAME} with none; leave it out.")
