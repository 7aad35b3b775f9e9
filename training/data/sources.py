"""Finds the data set that a command's options name, and the options that name a data set."""

from __future__ import annotations

from pathlib import Path

from handler.model import Model
from training.artifact import load_artifact
from training.data.dataset import Dataset
from training.data.folders import load_folders
from training.data.mnist import load_dataset
from training.errors import DataError


def load_source(
    images: Path | None, size: int | None, data_dir: Path | None, classes: Path | None, labels: Path | None = None
) -> Dataset:
    """Loads the data set that the options of a command name.

    Args:
        images: the folder of folders of images; None loads IDX files.
        size: the side in pixels that the images are brought to; only together with `images`.
        data_dir: the folder of the IDX files; None searches for Fashion-MNIST.
        classes: the file with the names of the classes of the IDX files.
        labels: a CSV of the classes of some of the `images`.

    Raises:
        DataError: the options exclude each other, or the data cannot be used.
    """
    if images is None:
        if labels:
            raise DataError(f"Expected --labels together with --images. Received: --labels {labels} alone.")
        if size:
            raise DataError(f"Expected --size together with --images. Received: --size {size} alone. IDX files have one size.")
        return load_dataset(data_dir, read_classes(classes) if classes else None)
    refuse_two_sources(images, data_dir, classes)
    return load_folders(images, size, labels=labels)


def refuse_two_sources(images: Path | None, data_dir: Path | None, classes: Path | None) -> None:
    """Refuses options of IDX files together with a folder of images.

    Raises:
        DataError: both are given.
    """
    if images and (data_dir or classes):
        raise DataError(
            f"Expected --images alone. Received: also {'--data-dir' if data_dir else '--classes'}. Folders name their classes."
        )


def source_options(dataset: Dataset, images: Path | None, classes: Path | None, labels: Path | None = None) -> list[str]:
    """Returns the options by which another command loads the same data."""
    if images:
        options = ["--images", str(images), "--size", str(dataset.train.images.shape[1])]
        return [*options, *(["--labels", str(labels)] if labels else [])]
    return ["--data-dir", str(dataset.directory), *(["--classes", str(classes)] if classes else [])]


def read_classes(path: Path) -> tuple[str, ...]:
    """Reads a file with one class name on each line, in index order.

    Raises:
        DataError: the file cannot be read, repeats a name, or has fewer than two.
    """
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except OSError as error:
        raise DataError(
            f"Expected a UTF-8 text file with one class name a line. Received: {path}, which cannot be read "
            f"({error.strerror}); name such a file with --classes."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"Expected a UTF-8 text file with one class name a line. Received: {path}, which is none; save it as UTF-8."
        ) from error
    repeated = sorted({name for name in names if names.count(name) > 1})
    if len(names) < 2 or repeated:
        received = f"{', '.join(repeated)} more than once" if repeated else ", ".join(names) or "none"
        raise DataError(
            f"Expected at least two class names, all different. Received: {received} in {path}; write each on a line of "
            "its own."
        )
    return names


def load_labelled(
    artifact: Path, images: Path | None, data_dir: Path | None, labels: Path | None = None
) -> tuple[Model, Dataset]:
    """Loads an artifact, and labelled images for it.

    Args:
        artifact: the artifact's folder.
        images: the folder of folders of images, named loosely after some of the model's classes; None loads IDX files.
        data_dir: the folder of the IDX files; None searches for Fashion-MNIST.
        labels: a CSV of the classes of some of the `images`.

    Raises:
        TrainingError: the artifact or the data are missing or broken, or do not belong together.
    """
    model = load_artifact(artifact)
    shape, classes = model.manifest.input, model.manifest.classes
    if labels and not images:
        raise DataError(f"Expected --labels together with --images. Received: --labels {labels} alone.")
    dataset = load_folders(images, manifest=model.manifest, labels=labels) if images else load_dataset(data_dir, classes)
    expected, received = shape.as_tuple, dataset.train.images.shape[1:]
    if expected != received:
        raise DataError(
            f"Expected images of {expected} (height, width, channels), which the model in {artifact} takes. "
            f"Received: {received} in {dataset.directory}. Name an artifact made from these data with --artifact."
        )
    return model, dataset
