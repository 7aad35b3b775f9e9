import struct

import numpy as np

from training.data.idx import read_images, read_labels


def test_the_parsers_give_pixels_and_labels():
    pixels = np.arange(40, dtype=np.uint8).reshape(2, 4, 5)

    assert read_labels(struct.pack(">II", 0x0801, 2) + b"\3\1", "x").tolist() == [3, 1]
    assert np.array_equal(read_images(struct.pack(">IIII", 0x0803, 2, 4, 5) + pixels.tobytes(), "x"), pixels[..., None])
