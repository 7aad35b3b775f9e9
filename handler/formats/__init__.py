"""Object formats: bytes in, images out. Recognised by content, never by name. Pure.

Each module here knows one format: `recognises(head)` judges an object by its first bytes, and `decode(body, …)` yields its
images in order. Adding a format is adding a module and naming it in `FORMATS`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from handler.errors import EmptyObject, ObjectTooLarge, UnrecognisedFormat
from handler.formats import idx, npy, picture
from handler.formats.image import Image, Target

HEAD_BYTES = 1024  # a gzip stream may spend up to 600 on its code tables before its first byte comes out


class Format(Protocol):
    """What a module of this package offers."""

    NAME: str

    def recognises(self, head: bytes) -> bool:
        """Whether an object that begins with `head` is of this format."""

    def decode(self, body: BinaryIO, name: str, target: Target) -> Iterator[Image]:
        """Yields the images of `body`, as `target` wants them; raises RejectedInput when the object is at fault."""


FORMATS: tuple[Format, ...] = (picture, npy, idx)


def decode(content: bytes, name: str, target: Target) -> Iterator[Image]:
    """Yields the images of one object, in its order.

    Args:
        content: the whole object.
        name: of the object, for a format that holds one image and does not name it; empty for a folder.
        target: the size that the model takes, and the limits.

    Raises:
        RejectedInput: there is nothing in it, nothing knows it, it is broken, or it holds more than the limits allow.
    """
    if not content:
        folder = "" if name else " of a folder, which has no images itself; there is nothing to do"
        raise EmptyObject(
            f"Expected an image, an array or an IDX file. Received: the 0 bytes{folder or ' of an empty object'}."
        )
    head = content[:HEAD_BYTES]
    recognised = next((known for known in FORMATS if known.recognises(head)), None)
    if recognised is None:
        known = ", ".join(known.NAME for known in FORMATS)
        raise UnrecognisedFormat(
            f"Expected one of: {known}. Received: an object that begins with {head[:8]!r}. "
            "Save pictures as PNG or JPEG, arrays with numpy.save."
        )
    count = 0
    for count, image in enumerate(recognised.decode(io.BytesIO(content), name, target), start=1):
        if count > target.max_images:
            raise ObjectTooLarge(f"Expected at most {target.max_images} images in an object. Received: more; split it.")
        yield image
    if not count:
        raise EmptyObject(f"Expected at least one image. Received: {recognised.NAME} with none.")
