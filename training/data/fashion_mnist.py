"""Knows Fashion-MNIST: its classes, the checksums of its files, and the places where its files are searched for.

Source: Xiao, Rasul, Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
arXiv:1708.07747.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from training.errors import DataError
from training.startup import load_keras

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
INSTALL_COMMAND = "apt-get install dataset-fashion-mnist"


class Checksums(NamedTuple):
    """Identifies one file of Fashion-MNIST by the MD5 of the published `.gz` file, and by that of its uncompressed content."""

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


def find_directory(data_dir: Path | None, environ: Mapping[str, str]) -> Path:
    """Finds the folder that holds the four files.

    Args:
        data_dir: the only folder to look into; None allows the variable `FASHION_MNIST_DIR` to name one, and without it the
            usual places and a download by Keras are tried.
        environ: the environment variables.

    Raises:
        DataError: no place has the files; the message lists every place that was tried and the command that gets the data.
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
        + f"\nGet Fashion-MNIST with `{INSTALL_COMMAND}`, or name a folder with --data-dir."
    )


def candidates(directory: Path, file: str) -> list[Path]:
    """Lists the copies of `file` in `directory`, a gzipped one first."""
    return [path for path in (directory / f"{file}.gz", directory / file) if path.is_file()]


def _usual_places(environ: Mapping[str, str]) -> list[tuple[str, Path]]:
    return [("Debian's package dataset-fashion-mnist", DEBIAN_DIR), ("Keras's cache", _keras_cache(environ))]


def _keras_cache(environ: Mapping[str, str]) -> Path:
    home = Path(environ.get("KERAS_HOME") or Path.home() / ".keras")
    return home / "datasets" / "fashion-mnist"


def _download(environ: Mapping[str, str]) -> Path | None:
    load_keras()  # here, because finding local files must not take the seconds that this takes
    import keras

    try:
        keras.datasets.fashion_mnist.load_data()
    except Exception as error:  # the network, the proxy and the disk raise errors of many kinds; all mean: no download
        logger.warning("keras.datasets.fashion_mnist could not be downloaded: %s", error)
        return None
    cache = _keras_cache(environ)
    return cache if _holds_all(cache) else None


def _holds_all(directory: Path) -> bool:
    return all(candidates(directory, file) for file in FILES)
