"""Finds the images of each class: in folders that are named after the classes, or as labels in a CSV say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from training.data.labels import Label, Labels, Vocabulary, match_classes, read_csv, read_words
from training.data.pictures import name_some
from training.errors import DataError

_SEED = 0

Classes = dict[str, list[Path]]  # the files of each class, by its name


@dataclass(frozen=True, slots=True)
class Listing:
    """Lists the files of each class below `root`.

    The folders are named loosely after the classes of `vocabulary`, and `labels` say more of single images, if there are any.
    """

    root: Path
    vocabulary: Vocabulary
    labels: Labels | None

    @classmethod
    def of(cls, root: Path, part: Path, known: tuple[str, ...] | None, labels: Path | None) -> Listing:
        """Returns what lists the files below `root`.

        The classes are those that are `known`; otherwise the folders in `part` are named after them, or, if there is no folder,
        they are those that `labels`, a CSV, names.

        Raises:
            DataError: the labels cannot be read, or name a class that is none of these.
        """
        folders = tuple(path.name for path in visible_folders(part))
        text = _read_text(labels) if labels else None
        vocabulary = Vocabulary(known or folders or (read_words(text) if text else ()))
        return cls(root, vocabulary, Labels.of(read_csv(text, vocabulary)) if text is not None else None)

    def files(self, directory: Path) -> Classes:
        """Lists the files of each class in `directory`, which is the root or a folder in it.

        Raises:
            DataError: a file is of no class, or there is nothing but files of none.
        """
        found = self._labelled(directory) if self.labels else self._in_folders(directory)
        classes = {name: found[name] for name in self.vocabulary.classes if found.get(name)}
        _refuse([] if classes else [directory], "a folder of images for each class, named after it", "which holds none")
        return classes

    def _in_folders(self, directory: Path) -> Classes:
        entries = visible(directory)
        _refuse(
            [path for path in entries if not path.is_dir()],
            f"nothing in {directory} but folders of images, one for each class",
            "which is no folder; move it into that of its class, or away",
        )
        files = {path.name: visible(path) for path in entries}
        empty = [directory / name for name, paths in files.items() if not paths]
        _refuse(empty, "at least one image in each folder", "without any; add some, or delete the folder")
        meant = self._match(directory, files)
        found: Classes = {}
        for name, paths in files.items():
            found.setdefault(meant[name], []).extend(paths)
        return found

    def _labelled(self, directory: Path) -> Classes:
        labels = {path: self._label(path) for path in _below(directory)}
        unlabelled = [path for path, label in labels.items() if label is None]
        loose = [path for path in unlabelled if path.parent == directory]
        _refuse(loose, f"a label for each image in {directory} itself", "without one; add it, or move it into a folder")
        folders = {path: path.relative_to(directory).parts[0] for path in unlabelled}
        meant = self._match(directory, dict.fromkeys(folders.values()))
        found: Classes = {}
        for path, label in labels.items():
            name = label.class_name if label else meant[folders[path]]
            if name is not None:  # or it is none of the classes
                found.setdefault(name, []).append(path)
        return found

    def _match(self, directory: Path, folders: Iterable[str]) -> dict[str, str]:
        try:
            return match_classes(folders, self.vocabulary)
        except DataError as error:
            raise DataError(f"Folders in {directory}: {error}") from error

    def _label(self, path: Path) -> Label | None:
        root = self.root.resolve()
        return self.labels.find(root.name, path.relative_to(self.root).as_posix(), path.name) if self.labels else None


def visible(directory: Path) -> list[Path]:
    """Lists the files and folders in `directory` by name, without hidden ones."""
    try:
        return sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(
            f"Expected a folder with a folder of images for each class. Received: {directory}, which cannot be read "
            f"({error.strerror}); name another, or mend this one."
        ) from error


def visible_folders(directory: Path) -> list[Path]:
    """Lists the folders in `directory` by name, without hidden ones.

    Raises:
        DataError: a name is not UTF-8.
    """
    folders = [path for path in visible(directory) if path.is_dir()]
    require_text(folders)
    return folders


def require_text(folders: Iterable[Path]) -> None:
    """Requires that the names of folders are UTF-8, since manifests and documents hold them.

    Raises:
        DataError: a name is not.
    """
    unreadable = [ascii(str(path)) for path in folders if not _is_text(path.name)]
    _refuse(unreadable, "folders whose names are UTF-8", "whose name is not; rename it")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # the system's bytes are no UTF-8
        return False
    return True


def set_aside(classes: Classes, fraction: Fraction) -> tuple[Classes, Classes]:
    """Draws `fraction` of the images of each class at random, independently of the other classes.

    Returns:
        The other images of each class, and the images that were drawn.
    """
    least = math.ceil(1 / fraction)
    few = [paths[0].parent for paths in classes.values() if len(paths) < least]
    _refuse(few, f"at least {least} images of each class, so that one can be set aside for the figures", "with fewer; add some")
    rest, aside = {}, {}
    for name, paths in classes.items():
        order = np.random.default_rng(_SEED).permutation(len(paths)).tolist()
        count = int(len(paths) * fraction)
        rest[name] = [paths[position] for position in sorted(order[count:])]
        aside[name] = [paths[position] for position in sorted(order[:count])]
    return rest, aside


def thin_out(classes: Classes, at_most: int) -> Classes:
    """Draws the same share of the images of each class, so that about `at_most` are left; never fewer, if there were more."""
    images = sum(map(len, classes.values()))
    if images <= at_most:
        return classes
    drawn = {}
    for name, paths in classes.items():
        order = np.random.default_rng(_SEED).permutation(len(paths)).tolist()
        drawn[name] = [paths[position] for position in sorted(order[: math.ceil(len(paths) * at_most / images)])]
    return drawn


def _below(directory: Path) -> list[Path]:
    """Lists the files in `directory` and in its subfolders, without hidden ones."""
    found: list[Path] = []
    for path in visible(directory):
        found += _below(path) if path.is_dir() else [path]
    return found


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(
            f"Expected a CSV of labels. Received: {path}, which cannot be read ({error.strerror}); name the file that a sheet "
            "saved, or one like it."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"Expected a CSV of labels in UTF-8. Received: {path}, which is not; save it as UTF-8.") from error


def _refuse(received: Sequence[Path | str], expected: str, fault: str) -> None:
    """Raises a DataError that names the paths in `received`, if there are any, and their fault with what to do about it."""
    if received:
        raise DataError(f"Expected {expected}. Received: {name_some(received)}, {fault}.")
