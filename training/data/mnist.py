"""Image data sets in MNIST's IDX format: Fashion-MNIST itself, or any relative of MNIST from a folder.

Reads four files, gzipped or not, checks them, and records their checksums so that every result names the data it was
obtained on. Format: http://yann.lecun.com/exdb/mnist/ ; data: Xiao, Rasul, Vollgraf, arXiv:1708.07747.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from handler.contract import Conversion
from training.errors import TrainingError

logger = logging.getLogger(__name__)

NAME = "fashion-mnist"
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

DEBIAN_DIR = Path("/usr/share/datasets/fashion-mnist")
HOW_TO_GET_IT = "apt-get install dataset-fashion-mnist"

_IMAGES_MAGIC = 0x0803  # unsigned byte, three dimensions
_LABELS_MAGIC = 0x0801  # unsigned byte, one dimension


class Checksums(NamedTuple):
    """MD5 of one of Fashion-MNIST's files: of the `.gz` as published, and of what it holds."""

    published: str
    content: str


# The published sums are of the .gz files, name and time in the gzip header included, so a repackaged copy (Debian's has
# neither) never matches them. The content sums identify the data however it is compressed. A test puts the publisher's
# header back on Debian's files and gets the published sums, which shows that the two columns belong together.
FASHION_MNIST = {
    "train-images-idx3-ubyte": Checksums("8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
    "train-labels-idx1-ubyte": Checksums("25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9"),
    "t10k-images-idx3-ubyte": Checksums("bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a"),
    "t10k-labels-idx1-ubyte": Checksums("bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965"),
}

FILES = tuple(FASHION_MNIST)


class DataError(TrainingError):
    """The data set is missing, broken or not what it is called; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class Split:
    """`images` `(n, height, width, channels)` uint8, 0 = background; `labels` `(n,)` integers, indices into the classes."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled images, in two parts, and where they come from.

    `checksums` maps each file to the MD5 of its uncompressed bytes, or each part, where images lie in folders, to the MD5 of
    what `md5sum` lists of its files, sorted; `name` is "fashion-mnist" if they prove it to be.
    `conversion` is how other pictures are made like these.
    """

    name: str
    directory: Path
    classes: tuple[str, ...]
    train: Split
    test: Split
    checksums: dict[str, str]
    conversion: Conversion = field(default_factory=Conversion)


def load_dataset(
    data_dir: Path | None = None, classes: tuple[str, ...] | None = None, environ: Mapping[str, str] = os.environ
) -> Dataset:
    """Loads and checks the four files of the first place that has them.

    Args:
        data_dir: a folder to read instead of looking around.
        classes: names in index order; by default Fashion-MNIST's for its own files, else "0", "1", … as many as are trained on.
        environ: `FASHION_MNIST_DIR` is read from it.

    Raises:
        DataError: no place has the files, or one of them is broken.
    """
    directory = find_directory(data_dir, environ)
    contents = {file: _read(_candidates(directory, file)[0]) for file in FILES}
    checksums = {file: hashlib.md5(content, usedforsecurity=False).hexdigest() for file, content in contents.items()}
    foreign = [file for file, sums in FASHION_MNIST.items() if checksums[file] != sums.content]
    if foreign:
        _refuse_or_warn(directory, foreign, chosen=data_dir is not None or bool(environ.get("FASHION_MNIST_DIR")))
    train, test = (
        _split(directory, {file: contents[file] for file in FILES if file.startswith(part)}) for part in ("train", "t10k")
    )
    if classes is None:
        classes = CLASSES if not foreign else tuple(str(index) for index in range(len(np.unique(train.labels))))
    for file, split in (("train-labels-idx1-ubyte", train), ("t10k-labels-idx1-ubyte", test)):
        if split.labels.max() >= len(classes):
            raise DataError(
                f"Expected labels from 0 to {len(classes) - 1}, indices into {len(classes)} classes. "
                f"Received: label={split.labels.max()} in {directory / file}. "
                "Labels start at 0; --classes names every class, in index order."
            )
    for label in sorted(set(range(len(classes))) - set(train.labels.tolist())):
        logger.warning("no training image is of class %d, %s; the model cannot learn it", label, classes[label])
    name = f"unverified: {directory.resolve().name}" if foreign else NAME
    conversion = Conversion() if foreign else Conversion(fit="fashion-mnist")
    return Dataset(name, directory, classes, train, test, checksums, conversion)


def find_directory(data_dir: Path | None, environ: Mapping[str, str]) -> Path:
    """Finds the folder that holds the data; an explicit choice is never fallen back from.

    Raises:
        DataError: listing every place looked at and the command that gets the data.
    """
    looked_at: list[str] = []
    chosen = data_dir or (Path(environ["FASHION_MNIST_DIR"]) if environ.get("FASHION_MNIST_DIR") else None)
    places = [("chosen by --data-dir or FASHION_MNIST_DIR", chosen)] if chosen else _usual_places(environ)
    for name, place in places:
        if _holds_all(place):
            return place
        looked_at.append(f"  {place} ({name})")
    if not chosen:
        downloaded = _download(environ)
        if downloaded is not None:
            return downloaded
        looked_at.append("  a download by keras.datasets.fashion_mnist (failed; see the warning above)")
    raise DataError(
        "No folder with the four files "
        + ", ".join(f"{file}[.gz]" for file in FILES)
        + " was found. Looked at:\n"
        + "\n".join(looked_at)
        + f"\nGet Fashion-MNIST with `{HOW_TO_GET_IT}`, or name a folder with --data-dir."
    )


def read_images(content: bytes, source: object) -> np.ndarray:
    """Parses an idx3 file: `(n, height, width, 1)` uint8. Raises DataError, naming `source`, if it is not one."""
    return _parse_idx(content, _IMAGES_MAGIC, dimensions=3, source=source)[..., None]


def read_labels(content: bytes, source: object) -> np.ndarray:
    """Parses an idx1 file: `(n,)` uint8. Raises DataError, naming `source`, if it is not one."""
    return _parse_idx(content, _LABELS_MAGIC, dimensions=1, source=source)


def hold_out(split: Split, count: int, seed: int) -> tuple[Split, Split]:
    """Divides `split` in two: the rest, and `count` images drawn at random with the same share of every class."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(split))
    by_class = [order[split.labels[order] == label] for label in np.unique(split.labels)]
    # Taking every class at even steps of the same 0..1 axis gives each its share, whatever the rounding.
    position = np.concatenate([(np.arange(len(members)) + 0.5) / len(members) for members in by_class])
    spread = np.concatenate(by_class)[np.argsort(position, kind="stable")]
    held, rest = np.sort(spread[:count]), np.sort(spread[count:])
    return Split(split.images[rest], split.labels[rest]), Split(split.images[held], split.labels[held])


def _usual_places(environ: Mapping[str, str]) -> list[tuple[str, Path]]:
    return [("Debian's package dataset-fashion-mnist", DEBIAN_DIR), ("Keras's cache", _keras_cache(environ))]


def _keras_cache(environ: Mapping[str, str]) -> Path:
    home = Path(environ.get("KERAS_HOME") or Path.home() / ".keras")
    return home / "datasets" / "fashion-mnist"


def _download(environ: Mapping[str, str]) -> Path | None:
    import keras  # imported here because finding local files must not cost its 4 s

    try:
        keras.datasets.fashion_mnist.load_data()
    except Exception as error:  # whatever the network, the proxy or the disk raises, the answer is the same: look elsewhere
        logger.warning("keras.datasets.fashion_mnist could not be downloaded: %s", error)
        return None
    cache = _keras_cache(environ)
    return cache if _holds_all(cache) else None


def _holds_all(directory: Path) -> bool:
    return all(_candidates(directory, file) for file in FILES)


def _candidates(directory: Path, file: str) -> list[Path]:
    return [path for path in (directory / f"{file}.gz", directory / file) if path.is_file()]


def _read(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"Expected a whole gzip file. Received: {path}, which is truncated or corrupt ({error}).") from error


def _parse_idx(content: bytes, magic: int, *, dimensions: int, source: object) -> np.ndarray:
    header_bytes = 4 + 4 * dimensions
    if len(content) < header_bytes:
        raise DataError(f"Expected an IDX header of {header_bytes} bytes. Received: {len(content)} bytes in {source}.")
    received, *shape = (int(word) for word in np.frombuffer(content, ">u4", count=1 + dimensions))
    if received != magic:
        raise DataError(f"Expected the IDX magic number {magic:#010x}. Received: {received:#010x} in {source}.")
    expected_bytes = header_bytes + int(np.prod(shape, dtype=object))
    if len(content) != expected_bytes:
        raise DataError(
            f"Expected {expected_bytes} bytes for the shape {tuple(shape)} in the header. "
            f"Received: {len(content)} bytes in {source}; the file is truncated or not what it says."
        )
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(shape)


def _split(directory: Path, contents: dict[str, bytes]) -> Split:
    (images_file, images_content), (labels_file, labels_content) = contents.items()
    images = read_images(images_content, directory / images_file)
    labels = read_labels(labels_content, directory / labels_file)
    if len(images) != len(labels) or not len(images):
        raise DataError(
            f"Expected as many labels as images, and at least one. "
            f"Received: {len(images)} images in {directory / images_file}, {len(labels)} labels in {directory / labels_file}."
        )
    return Split(images, labels)


def _refuse_or_warn(directory: Path, foreign: list[str], *, chosen: bool) -> None:
    if not chosen:
        raise DataError(
            f"Expected Fashion-MNIST's files in {directory}. Received: other MD5 sums for {', '.join(foreign)}. "
            f"Get them again, for example with `{HOW_TO_GET_IT}`, or name the folder with --data-dir if other data are meant."
        )
    logger.warning("%s is not Fashion-MNIST (%s differ); it is recorded as unverified", directory, ", ".join(foreign))
