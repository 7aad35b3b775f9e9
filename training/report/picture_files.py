"""Finds the picture files that a user names, one by one or by their folder, and gives each a name of its own."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import PIL.Image

from handler.errors import RejectedInput
from handler.formats.picture import NAME
from handler.formats.picture import read_picture as decode_picture
from training.errors import PictureError

MAX_FILE_BYTES = 2**30  # a larger file is not read; the largest picture that is shown has 0.3 GB of pixels


def find_pictures(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """Returns every named file, and every file in a named folder and its subfolders, with a name that no other has.

    The files of a folder are in the order of their names. As in archives, `__MACOSX` and names that begin with a dot are left
    out. A folder without files, or one that cannot be listed, is returned itself, so that reading it tells what is wrong.
    """
    found = {path: path if folder is None else path.relative_to(folder.parent) for path, folder in _files(paths)}
    short = {path: name.name if name == path else name.as_posix() for path, name in found.items()}
    count = Counter(short.values())
    return [(name if count[name] == 1 else str(path), path) for path, name in short.items()]


def read_picture(path: Path) -> PIL.Image.Image:
    """Reads a picture file of a kind that the function reads, upright.

    Raises:
        PictureError: the file is of another kind, broken or too large, as the function judges files.
    """
    try:
        if path.exists() and not path.is_file():
            kind = "a folder in which no file can be found" if path.is_dir() else "neither a file nor a folder"
            raise PictureError(f"Expected a {NAME}, or a folder of them. Received: {path}, {kind}.")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PictureError(
                f"Expected a file of at most {MAX_FILE_BYTES:,} bytes. Received: {path}, which is larger; scale it down."
            )
        return decode_picture(path.read_bytes())
    except OSError as error:
        raise PictureError(
            f"Expected a {NAME}. Received: {path}, which cannot be read ({error.strerror}); name another."
        ) from error
    except RejectedInput as error:
        raise PictureError(f"{path}: {error}") from error


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, Path | None]]:
    """Yields each file with the folder that was named for it; None if the file itself was named."""
    for named in paths:
        if not named.is_dir():
            yield named, None
            continue
        unlisted: list[OSError] = []
        empty = True
        for folder, subfolders, names in os.walk(named, onerror=unlisted.append):
            subfolders[:] = sorted(filter(_is_visible, subfolders))
            for name in sorted(filter(_is_visible, names)):
                empty = False
                yield Path(folder, name), named
        for path in {Path(error.filename) for error in unlisted} or ({named} if empty else ()):
            yield path, None


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"
