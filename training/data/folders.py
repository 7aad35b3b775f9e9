"""Reads image files of any size, grey or colour, from folders named after their classes.

Each image goes through `handler.conversion.convert`, as it does in the function, so that training and serving cannot differ.
"""

from __future__ import annotations

import hashlib
import logging
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from handler.contract import Conversion, PixelShape
from handler.conversion import convert, is_grey
from handler.formats.picture import picture_size, read_picture
from training.data.dataset import Dataset, Split
from training.data.pictures import each_of, name_some
from training.errors import DataError

logger = logging.getLogger(__name__)

PARTS = {"train", "test"}
TEST_FRACTION = Fraction(1, 6)  # of the images of each class, where there is no folder of test images
CALIBRATION_FRACTION = Fraction(1, 2)
MIN_SIDE, MAX_SIDE = 8, 64  # pixels; bounds of a side that is chosen by default, since the network halves it three times
_SEED = 0

Classes = dict[str, list[Path]]


@dataclass(frozen=True, slots=True)
class _File:
    """Describes an image file by facts that need no decoding of its pixels; `longer_side` is in pixels."""

    path: Path
    label: int
    md5: str
    longer_side: int


def load_folders(directory: Path, side: int | None = None) -> Dataset:
    """Reads `directory/CLASS/image`, or `directory/train/CLASS/image` and `directory/test/CLASS/image`.

    Args:
        directory: the folder of the classes' folders, whose sorted names are the class names. If there are exactly two, `train`
            and `test`, they are the two parts; otherwise a sixth of each class becomes the test part, drawn at random, the same
            way every time.
        side: the side in pixels of the squares that the images are brought to; None takes the median of the images' longer
            sides, within `MIN_SIDE` and `MAX_SIDE`.

    Returns:
        The data set: RGB if any image has colour, and grey otherwise.

    Raises:
        DataError: there is a file that is neither in the folder of a class nor an image, or there are too few images.
    """
    if {path.name for path in _visible(directory)} == PARTS:
        train, test = (_list_classes(directory / part) for part in ("train", "test"))
        _require_known(test, tuple(train), directory / "test")
    else:
        train, test = _set_aside(_list_classes(directory), TEST_FRACTION)
    if len(train) < 2:
        raise DataError(f"Expected a folder for each of at least two classes. Received: {list(train)} in {directory}.")
    files, tested = _examine(train, tuple(train)), _examine(test, tuple(train))
    side = side or _choose_side([*files, *tested])
    shape = PixelShape(height=side, width=side, channels=3 if _any_colour([*files, *tested]) else 1)
    return _read(directory, tuple(train), (files, tested), shape)


def load_calibration(directory: Path, classes: tuple[str, ...], shape: PixelShape) -> Dataset:
    """Reads `directory/CLASS/image` for a model whose classes and input are known.

    Args:
        directory: the folder of the classes' folders; classes may be missing.
        classes: the model's class names, in index order.
        shape: the size and the channels that every image is brought to.

    Returns:
        The data set: half of the images of each class in `train`, to calibrate on, and the other half in `test`, to measure on.

    Raises:
        DataError: as for `load_folders`; or a folder's name is none of the classes.
    """
    found = _list_classes(directory)
    _require_known(found, classes, directory)
    for name in classes:
        if name not in found:
            logger.warning("%s has no images of %s: how well the model knows that class is not measured", directory, name)
    calibration, test = (_examine(part, classes) for part in _set_aside(found, CALIBRATION_FRACTION))
    return _read(directory, classes, (calibration, test), shape)


def _visible(directory: Path) -> list[Path]:
    """Lists the files and folders in `directory` by name, without hidden ones."""
    try:
        return sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(
            f"Expected a folder with a folder of images for each class. Received: {directory} ({error})."
        ) from error


def _list_classes(directory: Path) -> Classes:
    """Lists the files of each class, by the class's name."""
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


def _set_aside(classes: Classes, fraction: Fraction) -> tuple[Classes, Classes]:
    """Draws `fraction` of the images of each class at random, independently of the other classes.

    Returns:
        The other images of each class, and the images that were drawn.
    """
    least = math.ceil(1 / fraction)
    few = [paths[0].parent for paths in classes.values() if len(paths) < least]
    _refuse(few, f"at least {least} images of each class, so that one can be set aside for the figures")
    rest, aside = {}, {}
    for name, paths in classes.items():
        order = np.random.default_rng(_SEED).permutation(len(paths)).tolist()
        count = int(len(paths) * fraction)
        rest[name] = [paths[position] for position in sorted(order[count:])]
        aside[name] = [paths[position] for position in sorted(order[:count])]
    return rest, aside


def _examine(part: Classes, classes: tuple[str, ...]) -> list[_File]:
    labels = {path: classes.index(name) for name, paths in part.items() for path in paths}

    def look(path: Path) -> _File:
        content = path.read_bytes()
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return _File(path, labels[path], md5, max(picture_size(content)))

    return list(each_of(list(labels), look, "examining"))


def _any_colour(files: list[_File]) -> bool:
    """Returns whether any image has a pixel that is not grey, because grey images are often stored as RGB."""

    def has_colour(path: Path) -> bool:
        return not is_grey(read_picture(path.read_bytes()))

    return any(each_of([file.path for file in files], has_colour, "comparing"))


def _choose_side(files: list[_File]) -> int:
    return max(MIN_SIDE, min(MAX_SIDE, int(np.median([file.longer_side for file in files]))))


def _read(directory: Path, classes: tuple[str, ...], parts: tuple[list[_File], list[_File]], shape: PixelShape) -> Dataset:
    train, test = parts
    logger.info("%d images of %d classes are brought to %dx%dx%d", len(train + test), len(classes), *shape.as_tuple)
    trained_on = {file.md5 for file in train}
    leaked = [file.path for file in test if file.md5 in trained_on]
    if leaked:
        logger.warning(
            "%d test images are copies of others, so the figures come out too good: %s", len(leaked), name_some(leaked)
        )
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
    def read(path: Path) -> np.ndarray:
        return convert(read_picture(path.read_bytes()), shape, Conversion())

    pixels = each_of([file.path for file in files], read, "reading")
    images = np.fromiter(pixels, np.dtype((np.uint8, shape.as_tuple)), count=len(files))
    return Split(images, np.array([file.label for file in files], np.intp))


def _checksum(directory: Path, files: list[_File]) -> str:
    lines = sorted(f"{file.md5}  {file.path.relative_to(directory).as_posix()}\n" for file in files)
    return hashlib.md5("".join(lines).encode(), usedforsecurity=False).hexdigest()


def _refuse(received: list[Path], expected: str) -> None:
    """Raises a DataError that names the paths in `received`, if there are any."""
    if received:
        raise DataError(f"Expected {expected}. Received: {name_some(received)}.")
