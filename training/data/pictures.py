"""Reads many picture files, and names all that cannot be read in one error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import PIL.Image
from rich.console import Console
from rich.progress import track

from handler.formats.picture import NAME
from training.errors import DataError

_MAX_NAMED = 5  # files that an error names; the others are counted

T = TypeVar("T")


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
            f"Expected {NAME}s. Received: {name_some(list(unreadable))}; of {first}: {str(problem).rstrip('.')}. "
            "Move other files away, convert images of other formats, and get broken ones again."
        )


def as_picture(image: np.ndarray) -> PIL.Image.Image:
    """Returns an image, `(height, width, channels)` uint8, as a picture in grey or RGB."""
    return PIL.Image.fromarray(image if image.shape[-1] == 3 else image[..., 0])


def name_some(paths: Sequence[Path | str]) -> str:
    """Writes the first few of `paths`, and the number of the others."""
    names = ", ".join(map(str, paths[:_MAX_NAMED]))
    return f"{names} and {len(paths) - _MAX_NAMED} more" if len(paths) > _MAX_NAMED else names
