"""Files below an open folder, each by the names on the way to it. No link is followed, so no name leads out of the folder.

Every function takes the descriptor of a folder as its root. Each step starts from the descriptor of the last, so a path may be
longer than the system allows in one piece, and nobody can slip a link in between.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

POLL_S = 0.002  # between two attempts to get a lock

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe that took the place of a file must not block
_IMPOSSIBLE = {  # no regular file can be at a place, or no file of this name in this file system
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EILSEQ,
    errno.EINVAL,
}
_ABSENT = _IMPOSSIBLE | {errno.ENOENT}


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a file below a root: the names of the folders on the way, and the file's own."""

    folders: tuple[bytes, ...]
    name: bytes


@contextmanager
def root_folder(path: Path) -> Iterator[int]:
    """Opens a folder as a root."""
    root = os.open(path, _FOLDER)
    try:
        yield root
    finally:
        os.close(root)


def find_file(root: int, places: Sequence[Place]) -> tuple[Place, os.stat_result] | None:
    """Returns the first of some places that holds a regular file, and the file's status; None if none of them does."""
    for place in places:
        try:
            with _folder_below(root, place.folders) as folder:
                status = os.stat(place.name, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
        else:
            if stat.S_ISREG(status.st_mode):
                return place, status
    return None


def open_file(root: int, place: Place) -> BinaryIO | None:
    """Opens the file at a place, unbuffered; returns None if it is gone."""
    try:
        with _folder_below(root, place.folders) as folder:
            return os.fdopen(os.open(place.name, _FILE, dir_fd=folder), "rb", buffering=0)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


@contextmanager
def new_file(root: int, place: Place) -> Iterator[BinaryIO]:
    """Creates a file where only a killed writer can have left one, and removes it at the end unless it was moved away."""
    with _folder_below(root, place.folders, create=True) as folder:
        with suppress(FileNotFoundError):
            os.unlink(place.name, dir_fd=folder)
        try:
            new = os.open(place.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=folder)
            with os.fdopen(new, "wb") as file:
                yield file
        finally:
            with suppress(FileNotFoundError):
                os.unlink(place.name, dir_fd=folder)


def move_file(root: int, source: Place, targets: Sequence[Place]) -> None:
    """Moves a file, in one step, to the first of some places that can hold one, and over the file that is there.

    Raises:
        OSError: none of the places can hold a file, because of what stands in the way there.
    """
    for target in targets:
        try:
            with _folder_below(root, source.folders) as old, _folder_below(root, target.folders, create=True) as new:
                _require_no_other(new, target.name)
                os.replace(source.name, target.name, src_dir_fd=old, dst_dir_fd=new)
        except OSError as error:
            if error.errno not in _IMPOSSIBLE or target is targets[-1]:
                raise
        else:
            return


def names_below(root: int, folders: Sequence[bytes]) -> list[bytes]:
    """Returns the names of the regular files in a folder, and those of its folders followed by "/"; none if it is gone."""
    try:
        with _folder_below(root, folders) as folder, os.scandir(folder) as entries:
            kinds = [(entry, entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False)) for entry in entries]
            return [os.fsencode(entry.name) + b"/" * is_folder for entry, is_folder, is_file in kinds if is_folder or is_file]
    except OSError as error:
        if error.errno in _ABSENT:
            return []
        raise


@contextmanager
def locked(root: int, place: Place, require_time: Callable[[], None]) -> Iterator[None]:
    """Holds the lock at a place against other threads and processes; a killed process holds none.

    `require_time` is called before each wait, and ends the waiting by raising.
    """
    with _folder_below(root, place.folders, create=True) as folder:
        lock = os.open(place.name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666, dir_fd=folder)
    try:
        while not _try_to_lock(lock):
            require_time()
            time.sleep(POLL_S)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # closing it would not do where a process was forked meanwhile
    finally:
        os.close(lock)


def _try_to_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _require_no_other(folder: int, name: bytes) -> None:
    """Raises OSError if something other than a regular file has this name: a move would replace a link, for instance."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise OSError(errno.EISDIR, "Not a regular file", os.fsdecode(name))


@contextmanager
def _folder_below(root: int, names: Sequence[bytes], *, create: bool = False) -> Iterator[int]:
    """Opens the folder that is reached by some names, and makes those that are missing if it is to `create` them."""
    folder = os.dup(root)
    try:
        for name in names:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=folder)
            inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)
