"""Images in folders named after their classes, of any size, grey or colour.

Each goes through `handler.conversion.convert`, as it does in the function, so that training and serving cannot differ.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handler.contract import Conversion, PixelShape
from handler.conversion import convert
from training.data.mnist import DataError, Dataset, Split
from training.data.pictures import each_of, has_colour, name_some, open_picture

logger = logging.getLogger(__name__)

PARTS = {"train", "test"}
TEST_SHARE = 6  # one of so many images of each class is set aside
CALIBRATION_SHARE = 2
SIDES = (8, 64)  # pixels; the bounds of the side that is chosen where none is given: the network halves it thrice
_SEED = 0

Classes = dict[str, list[Path]]


@dataclass(frozen=True, slots=True)
class _File:
    """An image and what was seen of it without decoding its pixels; `longer_side` is in pixels."""

    path: Path
    label: int
    md5: str
    longer_side: int


def load_folders(directory: Path, side: int | None = None) -> Dataset:
    """Reads `directory/CLASS/image`, or `directory/train/CLASS/image` and `directory/test/CLASS/image`.

    Args:
        directory: its folders in sorted order are the classes. If they are exactly `train` and `test`, those are the two
            parts; otherwise a sixth of each class becomes the test part, at random, the same way every time.
        side: of the squares that the images are brought to, in pixels; by default the median of their longer sides, within
            `SIDES`.

    Returns:
        RGB images if any has colour, else grey ones.

    Raises:
        DataError: something is neither the folder of a class nor an image, or there are too few images.
    """
    if {path.name for path in _visible(directory)} == PARTS:
        train, test = (_list_classes(directory / part) for part in ("train", "test"))
        _require_known(test, tuple(train), directory / "test")
    else:
        train, test = _divide(_list_classes(directory), TEST_SHARE)
    if len(train) < 2:
        raise DataError(f"Expected a folder for each of at least two classes. Received: {list(train)} in {directory}.")
    files, tested = _examine(train, tuple(train)), _examine(test, tuple(train))
    side = side or _choose_side([*files, *tested])
    shape = PixelShape(height=side, width=side, channels=3 if _any_colour([*files, *tested]) else 1)
    return _read(directory, tuple(train), (files, tested), shape)


def load_calibration(directory: Path, classes: tuple[str, ...], shape: PixelShape) -> Dataset:
    """Reads `directory/CLASS/image` for a model of known `classes` and `shape`.

    Returns:
        As `train` one half of each class, to calibrate by, and as `test` the other, to measure by.

    Raises:
        DataError: as for `load_folders`, or a folder is of no class.
    """
    found = _list_classes(directory)
    _require_known(found, classes, directory)
    for name in classes:
        if name not in found:
            logger.warning("%s has no images of %s: how well the model knows that class is not measured", directory, name)
    calibration, test = (_examine(part, classes) for part in _divide(found, CALIBRATION_SHARE))
    return _read(directory, classes, (calibration, test), shape)


def _visible(directory: Path) -> list[Path]:
    """What lies in `directory`, sorted by name, without hidden files and folders."""
    try:
        return sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(
            f"Expected a folder with a folder of images for each class. Received: {directory} ({error})."
        ) from error


def _list_classes(directory: Path) -> Classes:
    """The paths in the folder of each class, by name."""
    entries = _visible(directory)
    _refuse(
        [path for path in entries if not path.is_dir()], f"nothing in {directory} but folders of images, one for each class"
    )
    _refuse([] if entries else [directory], "a folder of images for each class")
    classes = {path.name: _visible(path) for path in entries}
    _refuse([directory / name for name, paths in classes.items() if not paths], "at least one image in each folder")
    return classes


def _require_known(found: Classes, classes: tuple[str, ...], directory: Path) -> None:
    _refuse([directory / name for name in found if name not in classes], f"folders of the classes {', '.join(classes)}")


def _divide(classes: Classes, share: int) -> tuple[Classes, Classes]:
    """All but one of `share` images of each class, and those; at random, whatever the other classes hold."""
    few = [paths[0].parent for paths in classes.values() if len(paths) < share]
    _refuse(few, f"at least {share} images of each class, so that one can be set aside for the figures")
    rest, aside = {}, {}
    for name, paths in classes.items():
        order = np.random.default_rng(_SEED).permutation(len(paths)).tolist()
        count = len(paths) // share
        rest[name] = [paths[position] for position in sorted(order[count:])]
        aside[name] = [paths[position] for position in sorted(order[:count])]
    return rest, aside


def _examine(part: Classes, classes: tuple[str, ...]) -> list[_File]:
    labels = {path: classes.index(name) for name, paths in part.items() for path in paths}

    def look(path: Path) -> _File:
        content = path.read_bytes()
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return _File(path, labels[path], md5, max(open_picture(content).size))

    return list(each_of(list(labels), look, "examining"))


def _any_colour(files: list[_File]) -> bool:
    """Whether any image has a pixel that is not grey; grey images are often stored as RGB."""
    return any(each_of([file.path for file in files], lambda path: has_colour(open_picture(path.read_bytes())), "comparing"))


def _choose_side(files: list[_File]) -> int:
    least, most = SIDES
    return max(least, min(most, int(np.median([file.longer_side for file in files]))))


def _read(directory: Path, classes: tuple[str, ...], parts: tuple[list[_File], list[_File]], shape: PixelShape) -> Dataset:
    train, test = parts
    logger.info("%d images of %d classes are brought to %dx%dx%d", len(train + test), len(classes), *shape.as_tuple)
    trained_on = {file.md5 for file in train}
    leaked = [file.path for file in test if file.md5 in trained_on]
    if leaked:
        logger.warning("%d test images are copies of others, and make the figures too good: %s", len(leaked), name_some(leaked))
    return Dataset(
        name=f"unverified: {directory.resolve().name}",
        directory=directory,
        classes=classes,
        train=_read_split(train, shape),
        test=_read_split(test, shape),
        checksums={"train": _checksum(directory, train), "test": _checksum(directory, test)},
        conversion=Conversion(),
    )


def _read_split(files: list[_File], shape: PixelShape) -> Split:
    pixels = each_of(
        [file.path for file in files], lambda path: convert(open_picture(path.read_bytes()), shape, Conversion()), "reading"
    )
    images = np.fromiter(pixels, np.dtype((np.uint8, shape.as_tuple)), count=len(files))
    return Split(images, np.array([file.label for file in files], np.intp))


def _checksum(directory: Path, files: list[_File]) -> str:
    lines = sorted(f"{file.md5}  {file.path.relative_to(directory).as_posix()}\n" for file in files)
    return hashlib.md5("".join(lines).encode(), usedforsecurity=False).hexdigest()


def _refuse(received: list[Path], expected: str) -> None:
    if received:
        raise DataError(f"Expected {expected}. Received: {name_some(received)}.")
