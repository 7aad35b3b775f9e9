"""Walks through folders, and tells what in them can be an object, and what cannot and why. Nothing is read here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from handler.formats.member_names import is_skipped


@dataclass(frozen=True, slots=True)
class Unusable:
    """Something, named by `text`, that no object can be made of.

    It is a failure, unless it is a mere link, or lies in the output, where a list of all that is in a folder may lead.
    """

    text: str
    reason: str
    is_link: bool = False
    is_output: bool = False


def walk(folder: Path, without: Path | None = None) -> Iterator[str | Unusable]:
    """Yields the path in `folder` of every file in it and in its subfolders, in the order of the names in each folder.

    As in archives, hidden files are passed over, and those that systems add for themselves; so are sockets and the like, and
    the folder `without`, an absolute path. The names in a folder are in memory until the last of them was passed.
    """
    waiting = [""]
    while waiting:
        path = waiting.pop()
        if path and not path.endswith("/"):
            yield path
            continue
        inner: list[str] = []
        for found in _names_in(folder, path):
            if isinstance(found, Unusable):
                yield found
            elif without is None or folder / found != without:
                inner.append(found)
        waiting += sorted(inner, reverse=True)


def _names_in(folder: Path, path: str) -> Iterator[str | Unusable]:
    """Yields the paths of the files and folders in one folder, those of folders followed by a slash."""
    try:
        with os.scandir(folder / path) as entries:
            for entry in entries:
                if is_skipped(entry.name):
                    continue
                name = path + entry.name
                if not _is_utf8(entry.name):
                    raw = os.fsencode(entry.name)
                    yield Unusable(str(folder / name), f"Expected a name in UTF-8. Received: {raw!r}; rename it.")
                elif entry.is_symlink():
                    yield Unusable(str(folder / name), "Expected a file. Received: a link.", is_link=True)
                elif entry.is_dir():
                    yield f"{name}/"
                elif entry.is_file():
                    yield name
    except OSError as error:
        yield Unusable(str(folder / path), f"Expected a folder that can be read. Received: {folder / path}, {error.strerror}.")


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
