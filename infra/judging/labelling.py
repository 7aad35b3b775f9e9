"""Finds the labels that a user names, a folder of folders or a CSV, and the images that they are of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.errors import InfraError, WrongUse
from infra.score.walking import Unusable, walk
from infra.show.faults import Faults
from training.data.labels import Labels, Vocabulary, label_paths, read_csv
from training.errors import DataError

MAX_CSV_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labels, the folder that the images lie in, and the paths of the images in it, as far as labels tell them."""

    labels: Labels
    folder: Path
    paths: Sequence[str]


def read_labels(place: Path, classes: Sequence[str], meanings: Mapping[str, str], faults: Faults) -> Labelled:
    """Reads a folder of folders that are named after classes, or a CSV beside or above its images.

    What lies in the folder and cannot be scored, such as links, is a fault.

    Raises:
        WrongUse: there is no such folder or file, or a word means no class.
        InfraError: there is no label.
    """
    vocabulary = Vocabulary(classes, _checked(meanings, classes))
    try:
        if place.is_dir():
            paths = list(_usable(walk(place), place, faults))
            labels = label_paths(paths, vocabulary)
            folder = place
        else:
            labels = read_csv(_read(place), vocabulary)
            paths = list(dict.fromkeys(label.name for label in labels))
            folder = place.parent
    except DataError as error:
        raise WrongUse(str(error)) from error
    if not labels:
        raise InfraError(f"Expected labels of images. Received: none in {place}; write a line for each image.")
    return Labelled(Labels.of(labels), folder, paths)


def parse_meanings(texts: Iterable[str]) -> dict[str, str]:
    """Parses each `WORD=CLASS`.

    Raises:
        WrongUse: a text has no equals sign.
    """
    pairs = [text.partition("=") for text in texts]
    if bad := [word for word, sign, _ in pairs if not sign]:
        raise WrongUse(f"Expected --map WORD=CLASS. Received: {bad[0]!r}, without an equals sign.")
    return {word: name for word, _, name in pairs}


def _usable(found: Iterable[str | Unusable], place: Path, faults: Faults) -> Iterator[str]:
    links = 0
    for one in found:
        if isinstance(one, str):
            yield one
        elif one.is_link:
            links += 1
        else:
            faults.add(one.reason)
    if links:
        faults.add(f"Expected files. Received: {links:,} links in {place}, which were passed over; copy what they point to.")


def _checked(meanings: Mapping[str, str], classes: Sequence[str]) -> Mapping[str, str]:
    unknown = [name for name in meanings.values() if name not in classes]
    if unknown:
        raise WrongUse(
            f"Expected one of the classes {', '.join(classes)}. Received: {unknown[0]!r}, as what a word means; write one "
            "of these after the sign."
        )
    return meanings


def _read(place: Path) -> str:
    if not place.is_file():
        raise WrongUse(
            f"Expected a folder of folders named after classes, or a CSV. Received: {place}, which is not there; check "
            "the path."
        )
    if place.stat().st_size > MAX_CSV_BYTES:
        raise WrongUse(
            f"Expected a CSV of at most {MAX_CSV_BYTES:,} bytes. Received: {place}, which is larger; name one of labels."
        )
    try:
        return place.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongUse(f"Expected a CSV in UTF-8. Received: {place}, which is not; save it as UTF-8.") from error
