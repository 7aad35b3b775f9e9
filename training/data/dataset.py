"""Defines the values that all of training works on: labelled images, and a data set of two parts with its origin."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from handler.contract import Conversion


@dataclass(frozen=True, slots=True)
class Split:
    """Holds some labelled images of a data set.

    `images` is `(n, height, width, channels)` uint8, 0..255, where 0 is background; `labels` is `(n,)` integers, which are
    indices into the data set's classes. `files` are the paths of the images below the folder of the data set, with
    slashes; there are none for images from IDX files, and for those that were drawn from others.
    """

    images: np.ndarray
    labels: np.ndarray
    files: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Holds labelled images in a training part and a test part, with the names of their classes and their origin.

    `checksums` identifies the data by MD5: of each IDX file, uncompressed, by its name; or, for images in folders, of each
    part's files as `md5sum` lists them, sorted. `name` is "fashion-mnist" only if the checksums prove it. `conversion` says
    how any other picture is brought to the form of these images.
    """

    name: str
    directory: Path
    classes: tuple[str, ...]
    train: Split
    test: Split
    checksums: dict[str, str]
    conversion: Conversion = field(default_factory=Conversion)
