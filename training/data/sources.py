"""Which data a command is about: its options to a data set, and back."""

from __future__ import annotations

from pathlib import Path

from training.data.folders import load_folders
from training.data.mnist import DataError, Dataset, load_dataset


def load_source(images: Path | None, size: int | None, data_dir: Path | None, classes: Path | None) -> Dataset:
    """Loads folders of images, brought to `size` pixels, or else the IDX files in `data_dir`, with the names in `classes`.

    Raises:
        DataError: the options exclude each other, or the data cannot be used.
    """
    if images is None:
        if size:
            raise DataError(f"Expected --size together with --images. Received: --size {size} alone. IDX files have one size.")
        return load_dataset(data_dir, read_classes(classes) if classes else None)
    if data_dir or classes:
        raise DataError(
            f"Expected --images alone. Received: also {'--data-dir' if data_dir else '--classes'}. Folders name their classes."
        )
    return load_folders(images, size)


def source_options(dataset: Dataset, images: Path | None, classes: Path | None) -> list[str]:
    """The options by which another command loads the same data."""
    if images:
        return ["--images", str(images), "--size", str(dataset.train.images.shape[1])]
    return ["--data-dir", str(dataset.directory), *(["--classes", str(classes)] if classes else [])]


def read_classes(path: Path) -> tuple[str, ...]:
    """Reads a file with one class name a line, in index order.

    Raises:
        DataError: it cannot be read, or has fewer than two different names.
    """
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Expected a UTF-8 text file with one class name a line. Received: {path} ({error}).") from error
    repeated = sorted({name for name in names if names.count(name) > 1})
    if len(names) < 2 or repeated:
        raise DataError(f"Expected at least two different class names. Received: {len(names)} in {path}, repeated: {repeated}.")
    return names
