"""Picture files: opened safely, and every one that cannot be read named at once."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import PIL.Image
import PIL.ImageChops
from rich.console import Console
from rich.progress import track

from training.data.mnist import DataError

FORMATS = ("PNG", "JPEG", "WEBP")  # what the function takes, so that nothing is trained on that cannot be scored
_NAMED = 5  # files that an error names; the others are counted

T = TypeVar("T")


def open_picture(content: bytes) -> PIL.Image.Image:
    """Reads a picture's header; one of more pixels than Pillow holds safe is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
        try:
            return PIL.Image.open(io.BytesIO(content), formats=FORMATS)
        except PIL.UnidentifiedImageError as error:
            raise DataError("no such image, or broken") from error


def has_colour(picture: PIL.Image.Image) -> bool:
    """Whether any pixel is not grey, whatever the picture is stored as."""
    if PIL.Image.getmodebase(picture.mode) == "L":
        return False
    red, green, blue = picture.convert("RGB").split()
    return any(PIL.ImageChops.difference(red, other).getbbox() for other in (green, blue))


def each_of(paths: list[Path], read: Callable[[Path], T], doing: str) -> Iterator[T]:
    """Yields what `read` makes of each file, with a progress bar.

    Raises:
        DataError: some could not be read; when all were tried.
    """
    console = Console(stderr=True)
    unreadable: dict[Path, Exception] = {}
    for path in track(paths, doing, console=console, disable=not console.is_terminal, transient=True):
        try:
            result = read(path)
        except Exception as error:  # whatever a decoder raises on a broken file, the answer is the same: name it
            unreadable[path] = error
        else:
            yield result
    if unreadable:
        first, problem = next(iter(unreadable.items()))
        raise DataError(
            f"Expected PNG, JPEG or WebP images. Received: {name_some(list(unreadable))}; of {first}: {problem}. "
            "Move other files away, convert images of other formats, and get broken ones again."
        )


def name_some(paths: list[Path]) -> str:
    """The first few of `paths`, and how many more there are."""
    names = ", ".join(map(str, paths[:_NAMED]))
    return f"{names} and {len(paths) - _NAMED} more" if len(paths) > _NAMED else names
