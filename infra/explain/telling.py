"""Tells an explanation in lines of text, with what the model sees in block characters, and as JSON. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from handler.predictions import Prediction
from infra.explain.advice import advise
from infra.explain.explanation import Explanation, Reason, Seen, top
from infra.explain.objects import Unopened
from infra.printable import printable

_SHADES = " .:-=+*#%@"
_BAR = 20  # characters of a probability of 1
_MAX_COLUMNS = 56  # of an image in characters; a larger model's images are thinned out


def tell(found: Explanation | Unopened, classes: tuple[str, ...], *, draws: bool) -> Iterator[str]:
    """Yields the lines about one object; if it `draws`, the first image is among them. Each of them is printable."""
    yield from (printable(line) for line in _lines(found, classes, draws=draws))


def to_json(found: Explanation | Unopened, classes: tuple[str, ...]) -> dict[str, Any]:
    """Returns what is known of one object as values of JSON."""
    if isinstance(found, Unopened):
        return {"object": found.place, "format": None, "unopened": found.reason}
    return {
        "object": found.place,
        "format": found.kind,
        "images": found.images,
        "named": found.named,
        "rejected": found.rejected,
        "error": _reason(found.whole) if found.whole else None,
        "first": [_seen(one, classes) for one in found.seen],
        "first_rejected": [_reason(one) for one in found.reasons],
    }


def marks(prediction: Prediction) -> list[str]:
    """Returns the marks that a prediction has."""
    return [name for name, is_set in (("unsure", prediction.unsure), ("unfamiliar", prediction.unfamiliar)) if is_set is True]


def _lines(found: Explanation | Unopened, classes: tuple[str, ...], *, draws: bool) -> Iterator[str]:
    if isinstance(found, Unopened):
        yield f"{found.place}: cannot be opened: {found.reason}"
        return
    if found.whole:
        yield f"{found.place}: {found.kind or 'of no known format'}, rejected"
        yield from _because(found.whole)
        return
    yield f"{found.place}: {found.kind}, {_counted(found)}"
    for seen in found.seen:
        yield from _about(seen, classes, is_alone=found.images == 1)
    if found.images > len(found.seen):
        yield f"  … and {found.images - len(found.seen):,} more images"
    for reason in found.reasons:
        yield f"  {reason.name}: rejected"
        yield from _because(reason)
    if found.rejected > len(found.reasons):
        yield f"  … and {found.rejected - len(found.reasons):,} more that are rejected"
    if draws and found.seen:
        yield "  what the model sees of the first one:"
        yield from (f"    {line}" for line in drawn(found.seen[0].pixels))


def _counted(found: Explanation) -> str:
    if found.named:
        rejected = f", {found.rejected:,} lines are rejected" if found.rejected else ""
        return f"a list that names {found.named:,} objects, each of which gets its own document{rejected}"
    rejected = f", {found.rejected:,} rejected" if found.rejected else ""
    return f"{found.images:,} {'image' if found.images == 1 else 'images'}{rejected}"


def _about(seen: Seen, classes: tuple[str, ...], *, is_alone: bool) -> Iterator[str]:
    row = seen.prediction
    if not is_alone:
        yield f"  {row.image}: {row.class_name} {row.confidence:.3f}{_marked(seen)}"
        return
    yield f"  {row.class_name} {row.confidence:.3f}{_marked(seen)}"
    width = max(len(name) for name in classes)
    for name, probability in top(row, classes):
        yield f"  {name:<{width}}  {'█' * round(probability * _BAR):<{_BAR}}  {probability:.3f}"


def _marked(seen: Seen) -> str:
    row, said = seen.prediction, []
    if seen.unsure_below == math.inf:
        said.append(f"unsure, as every {row.class_name} of this model is")
    elif seen.unsure_below is not None:
        said.append(f"{'unsure, since it is' if row.unsure is True else 'sure, not'} below {seen.unsure_below:.3f}")
    if row.unfamiliar is True:
        said.append("unfamiliar: not like the images that the model was trained on")
    return f" ({'; '.join(said)})" if said else ""


def _because(reason: Reason) -> Iterator[str]:
    yield f"    {type(reason.error).__name__}: {reason.error}"
    yield f"    what to do: {advise(reason.error)}"


def drawn(pixels: np.ndarray) -> list[str]:
    """Returns an image, `(height, width, channels)` uint8, 0..255, in characters, one row for two rows of pixels."""
    step = -(-pixels.shape[1] // _MAX_COLUMNS)
    luma = pixels[:: 2 * step, ::step].mean(axis=2)
    levels = (luma / 256 * len(_SHADES)).astype(int)
    return ["".join(_SHADES[level] for level in row) for row in levels]


def _seen(seen: Seen, classes: tuple[str, ...]) -> dict[str, Any]:
    row = seen.prediction
    return {
        "image": row.image,
        "class_name": row.class_name,
        "confidence": row.confidence,
        "marks": marks(row),
        "unsure_below": None if seen.unsure_below == math.inf else seen.unsure_below,
        "top": [{"class_name": name, "probability": probability} for name, probability in top(row, classes)],
    }


def _reason(reason: Reason) -> dict[str, str]:
    error = reason.error
    return {"name": reason.name, "error": type(error).__name__, "message": str(error), "advice": advise(error)}
