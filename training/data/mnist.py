"""Loads image data sets in MNIST's format: Fashion-MNIST itself, or any relative of MNIST from a folder.

It reads four IDX files, gzipped or not, checks them, and records their checksums, so that every result names the data that it
was obtained on.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from handler.contract import Conversion
from handler.conversion import REVISIONS
from training.data.dataset import Dataset, Split
from training.data.fashion_mnist import CLASSES, FASHION_MNIST, FILES, INSTALL_COMMAND, NAME, candidates, find_directory
from training.data.idx import read_images, read_labels
from training.errors import DataError

logger = logging.getLogger(__name__)


def load_dataset(
    data_dir: Path | None = None, classes: tuple[str, ...] | None = None, environ: Mapping[str, str] = os.environ
) -> Dataset:
    """Loads and checks the four files of the first place that has them.

    Args:
        data_dir: the folder to read; None tries the places of `find_directory`.
        classes: the class names in index order; None gives Fashion-MNIST's own files its class names, and other files the names
            "0", "1" and so on, one for each class in the training part.
        environ: the environment variables, for `find_directory`.

    Raises:
        DataError: no place has the files, or one of them is broken.
    """
    directory = find_directory(data_dir, environ)
    contents = {file: _read(candidates(directory, file)[0]) for file in FILES}
    checksums = {file: hashlib.md5(content, usedforsecurity=False).hexdigest() for file, content in contents.items()}
    foreign = [file for file, sums in FASHION_MNIST.items() if checksums[file] != sums.content]
    if foreign:
        _refuse_or_warn(directory, foreign, chosen=data_dir is not None or bool(environ.get("FASHION_MNIST_DIR")))
    train, test = (
        _split(directory, {file: contents[file] for file in FILES if file.startswith(part)}) for part in ("train", "t10k")
    )
    if classes is None:
        classes = CLASSES if not foreign else tuple(str(index) for index in range(len(np.unique(train.labels))))
    _check_labels(directory, train, test, classes)
    name = f"unverified: {directory.resolve().name}" if foreign else NAME
    conversion = Conversion() if foreign else Conversion(fit="fashion-mnist", revision=REVISIONS["fashion-mnist"])
    return Dataset(name, directory, classes, train, test, checksums, conversion)


def _read(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"Expected a whole gzip file. Received: {path}, which is truncated or corrupt ({error}); get it again."
        ) from error


def _split(directory: Path, contents: dict[str, bytes]) -> Split:
    (images_file, images_content), (labels_file, labels_content) = contents.items()
    images = read_images(images_content, directory / images_file)
    labels = read_labels(labels_content, directory / labels_file)
    if len(images) != len(labels) or not len(images):
        raise DataError(
            f"Expected as many labels as images, and at least one. "
            f"Received: {len(images)} images in {directory / images_file}, {len(labels)} labels in {directory / labels_file}. "
            "Take both files from the same data set."
        )
    return Split(images, labels)


def _check_labels(directory: Path, train: Split, test: Split, classes: tuple[str, ...]) -> None:
    """Refuses labels that are not indices into `classes`, and warns of each class without a training image."""
    for file, split in (("train-labels-idx1-ubyte", train), ("t10k-labels-idx1-ubyte", test)):
        if split.labels.max() >= len(classes):
            raise DataError(
                f"Expected labels from 0 to {len(classes) - 1}, indices into {len(classes)} classes. "
                f"Received: label={split.labels.max()} in {directory / file}. "
                "Labels start at 0; --classes names every class, in index order."
            )
    for label in sorted(set(range(len(classes))) - set(train.labels.tolist())):
        logger.warning("no training image is of class %d, %s; the model cannot learn it", label, classes[label])


def _refuse_or_warn(directory: Path, foreign: list[str], *, chosen: bool) -> None:
    """Warns that a folder the user chose does not hold Fashion-MNIST, and refuses any other folder of which that is true."""
    if not chosen:
        raise DataError(
            f"Expected Fashion-MNIST's files in {directory}. Received: other MD5 sums for {', '.join(foreign)}. "
            f"Get them again, for example with `{INSTALL_COMMAND}`, or name the folder with --data-dir if other data are meant."
        )
    logger.warning("%s is not Fashion-MNIST (%s differ); it is recorded as unverified", directory, ", ".join(foreign))
