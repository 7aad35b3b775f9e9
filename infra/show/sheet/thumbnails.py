"""Finds the pixels of images in their objects, and makes thumbnails of them. No AWS: the store is passed in.

A picture is read as the function reads it, but larger than its model wants it. The images of an archive or an array are
decoded by the function's own formats: once with pictures in the size of thumbnails, and, for what is an array, once in the
model's size. One object is open at a time, and one of its images in memory, as far as its format allows.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import PIL.Image

from handler.contract import Conversion, PixelShape
from handler.deadline import Deadline
from handler.errors import ObjectChanged, RejectedInput, ScoringError
from handler.formats import decode, picture
from handler.formats.image import Image, Target
from handler.formats.meter import read_whole
from handler.formats.stream import Stream
from handler.limits import Limits
from handler.objects import ObjectRef, Prefix
from handler.predictions import Input
from handler.store import Store
from infra.show.sheet.entries import Thumbnail, Unshowable

EDGE = 160  # pixels of the longer edge
READ_S = 300  # for one object

_CRISP_EDGE = 64  # an image up to this size is shown pixel by pixel
_QUALITY = 78
_HEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class ObjectThumbnails:
    """Makes the thumbnails of an object's images.

    Objects lie where their documents say, or, if `place` is given, under their keys in that prefix of the store. `shape` is the
    size of the model's images, in which those of arrays are stored.
    """

    store: Callable[[], Store]
    place: Prefix | None
    shape: PixelShape
    limits: Limits

    def __call__(self, source: Input, wanted: frozenset[str]) -> Iterator[tuple[str, Thumbnail]]:
        """Yields the names and thumbnails of the wanted images; see `infra.show.sheet.entries.Thumbnails`."""
        try:
            missing = set(wanted)
            for found, thumbnail in self._find(source, missing):
                if found in missing:
                    missing.remove(found)
                    yield found, thumbnail
                if not missing:
                    return
        except ObjectChanged as error:
            raise Unshowable("The object has changed since it was scored.") from error
        except ScoringError as error:
            raise Unshowable(f"The object cannot be read: {error}") from error

    def _find(self, source: Input, missing: set[str]) -> Iterator[tuple[str, Thumbnail]]:
        name = source.key.rsplit("/", 1)[-1]
        with closing(self._open(source)) as body:
            stream = Stream(body)
            if picture.recognises(stream.peek(_HEAD_BYTES)):
                content = read_whole(stream, self.limits, "a picture")
                yield name, shrink(picture.read_picture(content, self.limits.image_pixels))
                return
        large = PixelShape(EDGE, EDGE, 3)
        for shape in (large, self.shape):
            if missing:
                with closing(self._open(source)) as body:
                    yield from self._decoded(body, name, shape, missing)

    def _decoded(self, body: BinaryIO, name: str, shape: PixelShape, missing: set[str]) -> Iterator[tuple[str, Thumbnail]]:
        target = Target(shape, Conversion(background=255), self.limits)
        try:
            for item in decode(body, name, target):
                if isinstance(item, Image) and item.name in missing:
                    yield item.name, shrink(_picture(item.pixels))
        except RejectedInput:
            if shape == self.shape:  # or the other size is tried
                raise

    def _open(self, source: Input) -> BinaryIO:
        """Opens an object in the state that was scored.

        In another place than the scored one, an object of the same size is taken for it, as ETags are not the same everywhere.
        """
        deadline = Deadline.after(READ_S)
        if self.place is None:
            opened = self.store().open(ObjectRef(source.bucket, source.key), if_match=source.etag, deadline=deadline)
        else:
            opened = self.store().open(ObjectRef(self.place.bucket, self.place.prefix + source.key), deadline=deadline)
        if opened is None:
            raise Unshowable("The object is gone.")
        if opened.is_archived:
            opened.body.close()
            raise Unshowable("The object lies in an archive of S3, and must be restored before it can be read.")
        if source.etag != opened.source.etag and source.size_bytes != opened.source.size_bytes:
            opened.body.close()
            raise Unshowable("The object has changed since it was scored.")
        return opened.body


def shrink(image: PIL.Image.Image) -> Thumbnail:
    """Returns an image as a thumbnail, on white where it is transparent."""
    flat = image
    if image.has_transparency_data:
        ground = PIL.Image.new("RGBA", image.size, "white")
        ground.alpha_composite(image.convert("RGBA"))
        flat = ground
    flat = flat if flat.mode == "L" else flat.convert("RGB")
    file = io.BytesIO()
    if max(flat.size) <= _CRISP_EDGE:
        flat.save(file, "PNG", optimize=True)
        return Thumbnail("png", file.getvalue(), is_crisp=True)
    flat.thumbnail((EDGE, EDGE), PIL.Image.Resampling.LANCZOS, reducing_gap=2.0)
    flat.save(file, "WEBP", quality=_QUALITY, method=3)
    return Thumbnail("webp", file.getvalue(), is_crisp=False)


def _picture(pixels: np.ndarray) -> PIL.Image.Image:
    """Returns `(height, width, channels)` uint8 pixels as a picture, grey if there is one channel."""
    return PIL.Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
