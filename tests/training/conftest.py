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


HOSTILE = ('<script>alert("x")</script>', "_$\\frac{$|`b`", "middle\nof the image")


@pytest.fixture(scope="session")
def tiny_artifact(tiny_folder, tmp_path_factory):
    """The folder of an artifact for `tiny_folder` that is right on most of its images, and whose class names are hostile."""
    import keras

    from handler.contract import Conversion
    from training.data.held_out import hold_out
    from training.data.mnist import load_dataset
    from training.export.network import Description, export_network, one_of_each

    dataset = load_dataset(tiny_folder, HOSTILE)
    weights = np.random.default_rng(0).normal(0, 0.003, (12, 12, 3)).astype(np.float32)
    for index, band in enumerate((slice(0, 4), slice(8, 12), slice(4, 8))):
        weights[band, :, index] += 0.0003
    dense = keras.layers.Dense(3)
    images = keras.Input((12, 12, 1), dtype="uint8")
    network = keras.Model(images, dense(keras.layers.Flatten()(keras.layers.Rescaling(1.0)(images))))
    dense.set_weights([weights.reshape(144, 3), np.zeros(3, np.float32)])
    rest, held_out = hold_out(dataset.train, 300, seed=0)
    epoch = {"loss": 0.5, "accuracy": 0.8, "held_out_loss": 0.4, "held_out_accuracy": 0.9, "learning_rate": 0.1, "seconds": 1.0}
    description = Description(
        name="tiny & <b>$\\frac$</b>",
        version="0.1.0",
        classes=HOSTILE,
        conversion=Conversion(),
        dataset={"name": dataset.name, "train_images": len(rest), "md5_of_content": dataset.checksums},
        training={"config": {"seed": 0}, "parameters": 435, "multiplications": 432, "history": [epoch, epoch]},
    )
    out = tmp_path_factory.mktemp("tiny-artifact")
    export_network(network, description, one_of_each(held_out), (held_out, dataset.test), out)
    return out


@pytest.fixture(scope="session")
def labelled(tiny_artifact, tiny_folder):
    """The model in `tiny_artifact` and its data set."""
    from training.data.sources import load_labelled

    return load_labelled(tiny_artifact, None, tiny_folder)
