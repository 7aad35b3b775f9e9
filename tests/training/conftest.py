import struct

import numpy as np
import pytest


def pack(pixels):
    return struct.pack(">IIII", 0x0803, *pixels.shape) + pixels.tobytes()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A data set in four IDX files that is easy to learn: class 0 is bright above, class 1 below, class 2 in the middle."""
    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(0)
    for part, count in (("train", 3500), ("t10k", 120)):
        labels = rng.integers(0, 3, count, np.uint8)
        pixels = rng.integers(0, 60, (count, 12, 12), np.uint8)
        for image, label in zip(pixels, labels, strict=True):
            image[{0: slice(0, 4), 1: slice(8, 12), 2: slice(4, 8)}[int(label)]] += 150
        (folder / f"{part}-images-idx3-ubyte").write_bytes(pack(pixels))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x0801, count) + labels.tobytes())
    return folder
