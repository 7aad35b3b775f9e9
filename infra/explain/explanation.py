"""Explains one object with the function's own formats, conversion and model. No document is written, and nothing is stored.

bytes --decode--> images, of which the first ones --classify--> predictions, beside what the model sees
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

import numpy as np
import PIL.Image

from handler.contract import Model
from handler.errors import ObjectTooLarge, RejectedInput
from handler.formats import decode, picture
from handler.formats.image import Image, Named, Target, Unreadable
from handler.formats.stream import Stream
from handler.limits import Limits
from handler.predictions import Prediction, predict

SHOWN = 6  # images, and unreadable parts, of an object that are explained one by one
ORIGINAL_EDGE = 256  # pixels, to which the picture as it is is made smaller

_HEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class Seen:
    """One image: its prediction, and `pixels`, what the model sees, `(height, width, channels)` uint8, 0..255."""

    prediction: Prediction
    pixels: np.ndarray
    unsure_below: float | None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an object or a part of one, `name`, is rejected; `error` is a class of `handler.errors`."""

    name: str
    error: RejectedInput


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the function makes of one object.

    Attributes:
        place: The path or address of the object.
        kind: The format that was recognised, as documents name it; None if none was.
        images: The number of images in the object that can be read.
        named: The number of objects that the object names, if it is a list.
        seen: The first images.
        rejected: The number of the parts that cannot be read, and `reasons` the first of them.
        whole: Why the whole object is rejected; None if it is not.
        original: A picture as it is, made smaller; None for all other objects.
    """

    place: str
    kind: str | None = None
    images: int = 0
    named: int = 0
    seen: tuple[Seen, ...] = ()
    rejected: int = 0
    reasons: tuple[Reason, ...] = ()
    whole: Reason | None = None
    original: PIL.Image.Image | None = field(default=None, compare=False)


@dataclass(slots=True)
class _Counts:
    kind: str | None = None
    images: list[Image] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    found: int = 0
    rejected: int = 0
    named: int = 0


def explain(place: str, name: str, body: BinaryIO, size_bytes: int, model: Model, limits: Limits) -> Explanation:
    """Explains one object.

    Args:
        place: the path or address of the object.
        name: the last part of its key.
        body: the object, from its first byte on.
        size_bytes: its size.
        model: the model that would score it.
        limits: the limits on what it may hold.

    Raises:
        OSError: the object cannot be read.
        TransientError: the store failed.
    """
    counts, original = _Counts(), None
    target = Target(model.manifest.input, model.manifest.conversion, limits)
    try:
        if size_bytes > limits.object_bytes:
            raise ObjectTooLarge(
                f"Expected at most {limits.object_bytes} bytes (MAX_OBJECT_BYTES). Received: {size_bytes} bytes."
            )
        stream: BinaryIO = body
        if size_bytes <= limits.member_bytes:
            content = stream.read()
            original, stream = _original(content, limits), io.BytesIO(content)
        _count(stream, name, target, counts)
    except RejectedInput as error:
        return Explanation(place, counts.kind, whole=Reason(name, error), original=original)
    return Explanation(
        place=place,
        kind=counts.kind,
        images=counts.found,
        named=counts.named,
        seen=_classified(counts.images, model),
        rejected=counts.rejected,
        reasons=tuple(counts.reasons),
        original=original,
    )


def _count(body: BinaryIO, name: str, target: Target, counts: _Counts) -> None:
    """Decodes an object to its end, since its end may be broken, and keeps its first images."""
    decoded = decode(body, name, target)
    counts.kind = decoded.kind
    for item in decoded:
        if isinstance(item, Named):
            counts.named += 1
        elif isinstance(item, Unreadable):
            counts.rejected += 1
            if len(counts.reasons) < SHOWN:
                counts.reasons.append(Reason(item.name, item.error))
        else:
            counts.found += 1
            if len(counts.images) < SHOWN:
                counts.images.append(Image(item.name, item.pixels.copy()))  # not the whole block that it is a part of


def _classified(images: list[Image], model: Model) -> tuple[Seen, ...]:
    if not images:
        return ()
    pixels = np.stack([image.pixels for image in images])
    rows = predict([image.name for image in images], model.classify(pixels), model.manifest)
    thresholds = model.manifest.unsure_thresholds
    return tuple(
        Seen(row, image.pixels, thresholds[row.class_index] if thresholds else None)
        for row, image in zip(rows, images, strict=True)
    )


def _original(content: bytes, limits: Limits) -> PIL.Image.Image | None:
    """Returns a picture as it is, upright and made smaller; None if the object is no picture, or cannot be read as one."""
    if not picture.recognises(Stream(io.BytesIO(content)).peek(_HEAD_BYTES)):
        return None
    try:
        found = picture.read_picture(content, limits.image_pixels)
    except RejectedInput:
        return None
    found.thumbnail((ORIGINAL_EDGE, ORIGINAL_EDGE))
    return found


def top(prediction: Prediction, classes: tuple[str, ...], count: int = 3) -> list[tuple[str, float]]:
    """Returns the most probable classes with their probabilities, the most probable first."""
    ordered = sorted(zip(classes, prediction.probabilities, strict=True), key=lambda pair: -pair[1])
    return list(islice(ordered, count))
