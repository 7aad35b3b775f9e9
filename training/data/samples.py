"""Writes the sample images that tests, the demo and `sam local invoke` use: the first ten test images of each class.

They are the first ones, and not selected, so that the model's predictions for them are a fair sample. Besides the PNG files,
one packed IDX file holds all of them in the order of `labels.csv`.
"""

from __future__ import annotations

import csv
import gzip
import re
import struct
from pathlib import Path

import numpy as np
import PIL.Image

from training.data.dataset import Dataset

IMAGES_PER_CLASS = 10
LABELS_FILE = "labels.csv"
PACKED_FILE = "packed-idx3-ubyte.gz"


def write_samples(dataset: Dataset, out: Path) -> int:
    """Writes the files into `out`, which is created if it is missing, and returns the number of images."""
    out.mkdir(parents=True, exist_ok=True)
    positions = [np.flatnonzero(dataset.test.labels == index)[:IMAGES_PER_CLASS] for index in range(len(dataset.classes))]
    chosen = np.concatenate(positions)
    rows = []
    for index, members in enumerate(positions):
        slug = re.sub(r"[^a-z0-9]+", "-", dataset.classes[index].lower()).strip("-")
        for number, position in enumerate(members.tolist()):
            name = f"{slug}-{number}.png"
            PIL.Image.fromarray(dataset.test.images[position, :, :, 0]).save(out / name, optimize=True)
            rows.append((name, index, dataset.classes[index], position))
    with (out / LABELS_FILE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("image", "class_index", "class_name", "position_in_test_set"))
        writer.writerows(rows)
    images = dataset.test.images[chosen, :, :, 0]
    packed = struct.pack(">IIII", 0x0803, *images.shape) + images.tobytes()
    (out / PACKED_FILE).write_bytes(gzip.compress(packed, mtime=0))
    return len(chosen)
