"""Opens picture files safely, and names all files that cannot be read in one error."""

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

from training.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP")  # as in the function, so that every kind of file that is trained on can also be scored
_MAX_NAMED = 5  # files that an error names; the others are counted

T = TypeVar("T")


def open_picture(content: bytes) -> PIL.Image.Image:
    """Reads the header of a PNG, JPEG or WebP file; its pixels are decoded later.

    Raises:
        DataError: `content` is no such picture.
        PIL.Image.DecompressionBombWarning: the picture has more pixels than Pillow considers safe.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
        try:
            return PIL.Image.open(io.BytesIO(content), formats=FORMATS)
        except PIL.UnidentifiedImageError as error:
            raise DataError("another kind of file, or a broken one") from error


def has_colour(picture: PIL.Image.Image) -> bool:
    """Returns whether any pixel is not grey, in whichever mode the picture is stored."""
    if PIL.Image.getmodebase(picture.mode) == "L":
        return False
    red, green, blue = picture.convert("RGB").split()
    return any(PIL.ImageChops.difference(red, other).getbbox() for other in (green, blue))


def each_of(paths: list[Path], read: Callable[[Path], T], doing: str) -> Iterator[T]:
    """Yields the result of `read` for each file, and shows a progress bar with the word `doing`.

    Raises:
        DataError: `read` failed for some files; it is raised after all files were tried, and names them.
    """
    console = Console(stderr=True)
    unreadable: dict[Path, Exception] = {}
    for path in track(paths, doing, console=console, disable=not console.is_terminal, transient=True):
        try:
            result = read(path)
        except Exception as error:  # decoders raise errors of many kinds on broken files; each file is named in the end
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
    """Writes the first few of `paths`, and the number of the others."""
    names = ", ".join(map(str, paths[:_MAX_NAMED]))
    return f"{names} and {len(paths) - _MAX_NAMED} more" if len(paths) > _MAX_NAMED else names
