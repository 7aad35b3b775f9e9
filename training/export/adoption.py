"""Adopts a Keras classifier that was trained elsewhere: it makes an artifact of it that the handler serves like any other."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from handler.contract import Conversion, PixelShape
from handler.model import Model
from training.data.dataset import Dataset, Split
from training.data.folders import load_calibration
from training.errors import ExportError
from training.export.class_order import FAR_MORE_ACCURATE, describe_doubt
from training.export.keras_file import End, find_end, load_keras, read_keras_version, require_classes, require_images
from training.export.network import Description, export_network, one_of_each, predict
from training.network.provenance import versions

logger = logging.getLogger(__name__)

PIXELS = {"0..255": (1.0, 0.0), "0..1": (1 / 255, 0.0), "-1..1": (1 / 127.5, -1.0)}  # scale and offset of raw pixels
MIN_PROBABILITY = 1e-30  # 0 has no logarithm; this is a normal float32, so that no kernel rounds it to 0
_GENERATED_IMAGES, _TILES_PER_SIDE = 8, 4


def adopt(
    path: Path, classes: tuple[str, ...], calibrate: Path | None, out: Path, *, pixels: str, name: str | None, version: str
) -> Model:
    """Writes the artifact of a Keras model into `out`.

    Args:
        path: the `.keras` file.
        classes: the names of the classes, in the order of the model's outputs.
        calibrate: the folder with a folder of images for each class, which the weights were not trained on; with None, the
            temperature is 1 and nothing is measured.
        out: the artifact's folder, which is created if it is missing.
        pixels: the range in which the model expects pixels, a key of `PIXELS`.
        name: the model's name in documents; None takes the name of the file.
        version: the model's version in documents.

    Returns:
        The artifact, verified.

    Raises:
        ExportError: the model cannot be served.
        DataError: the images cannot be used.
    """
    model = load_keras(path)
    shape = require_images(model)
    require_classes(model, classes)
    _require_range(model, pixels)
    network = with_pixels(model, pixels)
    generated = generate_images(shape)
    end = find_end(model, predict(network, generated))
    dataset = load_calibration(calibrate, classes, shape) if calibrate else None
    if dataset:
        _warn_of_doubts(model, dataset.train, classes, pixels)
    description = Description(
        name=name or path.stem,
        version=version,
        classes=classes,
        conversion=Conversion(),
        dataset=_describe_dataset(dataset),
        training=_describe_model(path, model) | {"pixels": pixels, "end": end},
    )
    golden = one_of_each(dataset.train) if dataset else generated
    held_out, test = (dataset.train, dataset.test) if dataset else (None, None)
    return export_network(with_logits(network, end), description, golden, held_out, test, out)


def with_pixels(model: keras.Model, pixels: str) -> keras.Model:
    """Returns a network that takes raw uint8 pixels, brings them to the range `pixels`, and passes them to `model`."""
    images = keras.Input(model.inputs[0].shape[1:], dtype="uint8", name="images")
    scale, offset = PIXELS[pixels]
    scaled = layers.Rescaling(scale, offset, dtype="float32", name="pixels")(images)
    bare = keras.Model(model.inputs[0], model.outputs[0])  # its own inputs and outputs may be named, or in lists
    return keras.Model(images, bare(ops.cast(scaled, model.inputs[0].dtype)))


def with_logits(network: keras.Model, end: End) -> keras.Model:
    """Returns a network with `logits`, `(n, classes)` float32, as its output; logarithms of probabilities serve as logits."""
    outputs = ops.cast(network.output, "float32")
    logits = ops.log(ops.maximum(outputs, MIN_PROBABILITY)) if end == "softmax" else outputs
    return keras.Model(network.input, {"logits": logits})


def generate_images(shape: PixelShape) -> np.ndarray:
    """Generates a few images of coloured tiles, the same ones every time: `(n, height, width, channels)` uint8, 0..255."""
    tiles = np.random.default_rng(0).integers(
        0, 256, (_GENERATED_IMAGES, _TILES_PER_SIDE, _TILES_PER_SIDE, shape.channels), np.uint8
    )
    rows, columns = (np.arange(side) * _TILES_PER_SIDE // side for side in (shape.height, shape.width))
    return np.ascontiguousarray(tiles[:, rows][:, :, columns])


def _require_range(model: keras.Model, pixels: str) -> None:
    dtype = model.inputs[0].dtype
    if pixels != "0..255" and "float" not in dtype:
        raise ExportError(
            f"Expected pixels of 0..255, since the model takes {dtype}. Received: --pixels {pixels}. Leave it out."
        )


def _warn_of_doubts(model: keras.Model, split: Split, classes: tuple[str, ...], pixels: str) -> None:
    """Warns if the model classifies the images far better with another range of pixels or order of classes."""
    predicted = {choice: predict(with_pixels(model, choice), split.images).argmax(axis=1) for choice in PIXELS}
    accuracy = {choice: float((predicted[choice] == split.labels).mean()) for choice in PIXELS}
    best = max(accuracy, key=lambda choice: accuracy[choice])
    if accuracy[best] > accuracy[pixels] + FAR_MORE_ACCURATE:
        logger.warning(
            "with --pixels %s, %.1f%% of the images would be right, with %s only %.1f%%: which range was the model trained on?",
            *(best, 100 * accuracy[best], pixels, 100 * accuracy[pixels]),
        )
    doubt = describe_doubt(predicted[pixels], split.labels, classes)
    if doubt:
        logger.warning("WARNING: %s", doubt)


def _describe_dataset(dataset: Dataset | None) -> dict[str, object]:
    if dataset is None:
        return {"name": "unknown"}
    return {
        "name": dataset.name,
        "held_out_images": len(dataset.train),
        "test_images": len(dataset.test),
        "md5_of_content": dataset.checksums,
    }


def _describe_model(path: Path, model: keras.Model) -> dict[str, object]:
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "keras_version": read_keras_version(path),
        "parameters": model.count_params(),
        "versions": versions(),
    }
