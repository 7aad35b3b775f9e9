"""Reads labels that people gave to images, by folders or in a CSV, and matches their words to the classes of a model. Pure.

This module needs nothing but Python, so that whatever compares predictions with labels can use it without TensorFlow.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from training.errors import DataError

MAX_NAMED = 5  # names in an error

# The columns that may name an image, and those that may name its class; the first that is there is taken.
IMAGE_COLUMNS = ("object", "path", "file", "filename", "file_name", "key", "image", "name", "source-ref")
CLASS_COLUMNS = ("class_name", "class", "label", "category")

_ESCAPE = re.compile(r"^'(?='*[=+\-@\t\r])")  # what pages and tables put before a text that begins like a formula


@dataclass(frozen=True, slots=True)
class Label:
    """The class that somebody gave to an image; None says that none of the classes is right.

    `image` is its name inside the object `name`; None if only that is known.
    """

    name: str
    image: str | None
    class_name: str | None


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The classes of a model, in index order, and words that somebody said to mean one of them."""

    classes: Sequence[str]
    meanings: Mapping[str, str] = field(default_factory=dict)


def match_classes(words: Iterable[str], vocabulary: Vocabulary) -> dict[str, str]:
    """Returns the class that each word means.

    A word means a class if they differ in nothing but case, separators and plurals: `ankle_boots` means `Ankle boot`. A class
    of alternatives, `T-shirt/top`, may be named by one of them. A word that is a class as it stands means that one.

    Raises:
        DataError: a word means no class, or several.
    """
    classes = vocabulary.classes
    keys = {name: _forms(name) for name in classes}
    parts = {name: set().union(*(_forms(part) for part in name.split("/"))) for name in classes}
    found: dict[str, str] = {}
    for word in words:
        for candidates in (
            [name for name in classes if name == vocabulary.meanings.get(word, word)],
            [name for name in classes if _key(name) == _key(word)],
            [name for name in classes if keys[name] & _forms(word)],
            [name for name in classes if parts[name] & _forms(word)],
        ):
            if candidates:
                break
        if len(candidates) != 1:
            received = f"which may be {' or '.join(map(repr, candidates))}" if candidates else "which is none of them"
            raise DataError(
                f"Expected one of the classes {', '.join(classes)}. Received: {word!r}, {received}; "
                "rename it, or name the model of these classes by --artifact."
            )
        found[word] = candidates[0]
    return found


def read_csv(text: str, vocabulary: Vocabulary) -> list[Label]:
    """Reads a CSV with a line of names, of which one names an image or its object, and another the class.

    A line without a class says that none of the classes is right. What tables add for spreadsheets, an apostrophe before a text
    that begins like a formula, is taken away.

    Raises:
        DataError: the text is no CSV, a column is missing, or a class is unknown; the message names the columns that were
            expected.
    """
    rows = list(_rows(text))
    meant = match_classes(dict.fromkeys(row.class_name for row in rows if row.class_name), vocabulary)
    return [dataclasses.replace(row, class_name=meant[row.class_name] if row.class_name else None) for row in rows]


def read_words(text: str) -> tuple[str, ...]:
    """Returns the classes that a CSV names, sorted, where nothing else says what the classes are.

    Raises:
        DataError: the text is no CSV, or a column is missing.
    """
    return tuple(sorted({row.class_name for row in _rows(text) if row.class_name}))


def label_paths(paths: Iterable[str], vocabulary: Vocabulary) -> list[Label]:
    """Returns the label of each path, `CLASS/…/file`, whose first folder is named after a class.

    Raises:
        DataError: a file lies in no folder, or a folder is named after no class.
    """
    given = list(paths)
    loose = [path for path in given if "/" not in path]
    if loose:
        raise DataError(
            f"Expected folders named after the classes {', '.join(vocabulary.classes)}, with the images in them. "
            f"Received: {', '.join(loose[:MAX_NAMED])} beside them; move these into folders, or away."
        )
    meant = match_classes(dict.fromkeys(path.split("/")[0] for path in given), vocabulary)
    return [Label(path, None, meant[path.split("/")[0]]) for path in given]


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels by the names of their images, to be looked up for the images of objects."""

    _by_image: Mapping[tuple[str, str], Label] = field(default_factory=dict)
    _by_name: Mapping[str, Label] = field(default_factory=dict)

    @classmethod
    def of(cls, labels: Iterable[Label]) -> Labels:
        """Returns the labels, of which the last one counts if several name the same image."""
        given = list(labels)
        return cls(
            {(label.name, label.image): label for label in given if label.image is not None},
            {label.name: label for label in given if label.image is None},
        )

    def __len__(self) -> int:
        return len(self._by_image) + len(self._by_name)

    def find(self, bucket: str, key: str, image: str) -> Label | None:
        """Returns the label of an image, by the most exact name under which it is known; None if nobody labelled it.

        An image may be named by its object, `bucket/key` or an address in S3, by the key, or, as far as labels are mere file
        names, by the last part of the key. One of several in an object is named by the object and its own name.
        """
        last = key.rsplit("/", 1)[-1]
        objects = (f"{bucket}/{key}", f"s3://{bucket}/{key}", key)
        for name in objects:
            if (name, image) in self._by_image:
                return self._by_image[name, image]
        names: Iterator[str] = (f"{name}/{image}" for name in objects) if image != last else iter((*objects, last))
        return next((self._by_name[name] for name in names if name in self._by_name), None)


def _rows(text: str) -> Iterator[Label]:
    """Yields the label of each line, with its word for the class as it stands."""
    # Strict, because a quote that is never closed would otherwise swallow the lines after it.
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        yield from _labels_in(reader)
    except csv.Error as error:
        raise DataError(
            f"Expected a CSV in which every quote is closed. Received: {error}, near line {reader.line_num}; mend that line, "
            "or save the table as CSV again."
        ) from error


def _labels_in(reader: csv.DictReader[str]) -> Iterator[Label]:
    columns = {name.strip().casefold(): name for name in reader.fieldnames or () if name}
    name_column = next((columns[name] for name in IMAGE_COLUMNS if name in columns), None)
    class_column = next((columns[name] for name in CLASS_COLUMNS if name in columns), None)
    if name_column is None or class_column is None:
        raise DataError(
            f"Expected a CSV with a column for the image ({', '.join(IMAGE_COLUMNS)}) and one for its class "
            f"({', '.join(CLASS_COLUMNS)}). Received: {f'the columns {names}' if (names := ', '.join(columns)) else 'none'}. "
            "Name the columns so in the first line."
        )
    image_column = columns.get("image") if name_column != columns.get("image") else None
    for row in reader:
        if row[name_column]:
            image = _plain(row[image_column] or "") if image_column else ""
            yield Label(_plain(row[name_column]), image or None, _plain((row[class_column] or "").strip()) or None)


def _plain(text: str) -> str:
    return _ESCAPE.sub("", text)


def _key(text: str) -> str:
    return "".join(_tokens(text))


def _tokens(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


def _forms(text: str) -> set[str]:
    """Returns a text without separators: as it is, and with each word in the singular, by either ending of a plural."""
    tokens = _tokens(text)
    singular = {"".join(_without(token, end) for token in tokens) for end in ("s", "es")}
    return ({"".join(tokens)} | singular) - {""}


def _without(token: str, end: str) -> str:
    return token.removesuffix(end) if len(token) > len(end) + 1 else token
