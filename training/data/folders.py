"""Reads image files of any size, grey or colour, from folders named after their classes.

Each image goes through `handler.conversion.convert`, as it does in the function, so that training and serving cannot differ.
"""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from handler.contract import Conversion, Manifest, PixelShape
from handler.conversion import convert, is_grey
from handler.formats.picture import picture_size, read_picture
from training.data.balance import find_imbalance
from training.data.classified import Classes, Listing, require_text, set_aside, thin_out, visible
from training.data.copies import find_copies
from training.data.dataset import Dataset, Split
from training.data.pictures import each_of, name_some
from training.errors import DataError

logger = logging.getLogger(__name__)

PARTS = {"train", "test"}
TEST_FRACTION = Fraction(1, 6)  # of the images of each class, where there is no folder of test images
CALIBRATION_FRACTION = Fraction(1, 2)
MIN_SIDE, MAX_SIDE = 8, 64  # pixels; bounds of a side that is chosen by default, since the network halves it three times


@dataclass(frozen=True, slots=True)
class _File:
    """Describes an image file by facts that need no decoding of its pixels; `longer_side` is in pixels."""

    path: Path
    label: int
    md5: str
    longer_side: int


def load_folders(
    directory: Path,
    side: int | None = None,
    manifest: Manifest | None = None,
    labels: Path | None = None,
    *,
    in_colour: bool = False,
    at_most: int | None = None,
) -> Dataset:
    """Reads `directory/CLASS/image`, or `directory/train/CLASS/image` and `directory/test/CLASS/image`.

    Args:
        directory: the folder of the classes' folders, whose sorted names are the class names. If there are exactly two, `train`
            and `test`, they are the two parts; otherwise a sixth of each class becomes the test part, drawn at random, the same
            way every time.
        side: the side in pixels of the squares that the images are brought to; None takes the median of the images' longer
            sides, within `MIN_SIDE` and `MAX_SIDE`.
        manifest: of the model that the images are for, if there is one: folders may then be named loosely after some of its
            classes, and images are brought to its size and channels, as the function does it.
        labels: a CSV of the classes of images below `directory`, which count instead of the folders that these lie in. Images
            that are none of the classes, as it says, are left out.
        in_colour: whether the images are made RGB even if all of them are grey.
        at_most: the number of images, about, that are drawn of a part that has more, the same share of every class; None takes
            all.

    Returns:
        The data set: RGB if any image has colour, and grey otherwise.

    Raises:
        DataError: there is a file that is neither in the folder of a class nor an image, or there are too few images.
    """
    require_text([directory.resolve()])
    known = manifest.classes if manifest else None
    if {path.name for path in visible(directory)} == PARTS:
        listing = Listing.of(directory, directory / "train", known, labels)
        train, test = (listing.files(directory / part) for part in ("train", "test"))
    else:
        listing = Listing.of(directory, directory, known, labels)
        train, test = set_aside(listing.files(directory), TEST_FRACTION)
    if at_most:
        train, test = thin_out(train, at_most), thin_out(test, at_most)
    classes = known or tuple(train)
    if len(classes) < 2:
        received = f"{', '.join(train) or 'none'} in {directory}"
        raise DataError(
            f"Expected a folder for each of at least two classes. Received: {received}. "
            "Add a folder of images of something else."
        )
    files, tested = _examine(train, classes), _examine(test, classes)
    if manifest:
        return _warned(_read(directory, classes, (files, tested), manifest.input, manifest.conversion))
    for line in find_imbalance(np.array([file.label for file in files]), classes):
        logger.warning("WARNING: %s", line)
    side = side or _choose_side([*files, *tested])
    shape = PixelShape(height=side, width=side, channels=3 if in_colour or _any_colour([*files, *tested]) else 1)
    return _warned(_read(directory, classes, (files, tested), shape, Conversion()))


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
    found = Listing.of(directory, directory, classes, None).files(directory)
    for name in classes:
        if name not in found:
            logger.warning("%s has no images of %s: how well the model knows that class is not measured", directory, name)
    calibration, test = (_examine(part, classes) for part in set_aside(found, CALIBRATION_FRACTION))
    return _read(directory, classes, (calibration, test), shape, Conversion())


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


def _read(
    directory: Path,
    classes: tuple[str, ...],
    parts: tuple[list[_File], list[_File]],
    shape: PixelShape,
    conversion: Conversion,
) -> Dataset:
    train, test = parts
    logger.info("%d images of %d classes are brought to %dx%dx%d", len(train + test), len(classes), *shape.as_tuple)
    return Dataset(
        name=f"unverified: {directory.resolve().name}",
        directory=directory,
        classes=classes,
        train=_read_split(directory, train, shape, conversion),
        test=_read_split(directory, test, shape, conversion),
        checksums={"train": _checksum(directory, train), "test": _checksum(directory, test)},
        conversion=conversion,
    )


def _read_split(directory: Path, files: list[_File], shape: PixelShape, conversion: Conversion) -> Split:
    def read(path: Path) -> np.ndarray:
        return convert(read_picture(path.read_bytes()), shape, conversion)

    pixels = each_of([file.path for file in files], read, "reading")
    images = np.fromiter(pixels, np.dtype((np.uint8, shape.as_tuple)), count=len(files))
    paths = tuple(file.path.relative_to(directory).as_posix() for file in files)
    return Split(images, np.array([file.label for file in files], np.intp), paths)


def _warned(dataset: Dataset) -> Dataset:
    """Warns of test images that are copies of training images."""
    train, test = dataset.train, dataset.test
    copies = find_copies(test.images, train.images)
    if copies:
        pairs = [f"{test.files[position]} (of {train.files[other]})" for position, other in copies]
        logger.warning(
            "WARNING: %d test images are copies of training images, or nearly, so the figures come out too good: %s",
            *(len(copies), name_some(pairs)),
        )
    return dataset


def _checksum(directory: Path, files: list[_File]) -> str:
    lines = sorted(f"{file.md5}  {file.path.relative_to(directory).as_posix()}\n" for file in files)
    return hashlib.md5(os.fsencode("".join(lines)), usedforsecurity=False).hexdigest()
