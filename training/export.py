"""Turns a finished run into the artifact: quantise, calibrate, measure, describe.

Everything that the manifest states of the model is measured on the LiteRT file, through the code that serves it. The
temperature and the threshold come from the held-out slice; the test images are read once, at the end.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras
import msgspec
import numpy as np

from handler.contract import (
    MANIFEST_FILE,
    MODEL_FILE,
    Conversion,
    Golden,
    Manifest,
    ModelFile,
    PixelShape,
    render_manifest,
)
from handler.model import Classifier, Model, directory_reader, load_model
from training.data import FASHION_MNIST, Dataset, Split
from training.data import NAME as FASHION_MNIST_NAME
from training.fit import slices
from training.metrics import fit_temperature, measure, unsure_below
from training.network import with_softmax
from training.runs import Run

logger = logging.getLogger(__name__)

SCORING_BATCH = 64  # images; larger batches are slower, because their activations no longer fit the cache


class ExportError(Exception):
    """The run cannot be exported; the message says what to change."""


def export_run(network: keras.Model, run: Run, dataset: Dataset, out: Path, *, name: str | None, version: str) -> Model:
    """Writes the artifact of a run into `out`, the manifest last, and loads it as the handler will.

    Args:
        network: takes `(n, height, width, channels)` uint8 and returns logits `(n, classes)`.
        run: how the network came to be.
        dataset: the same data that it was trained on.
        out: the artifact's directory, made if missing.
        name: of the model, as documents will state it; by default the data set's.
        version: of the model, as documents will state it.

    Raises:
        ExportError: `dataset` is not the run's.
    """
    if dataset.checksums != run.checksums:
        raise ExportError(
            f"Expected the data the run was made with ({run.dataset}). Received: other MD5 sums in {dataset.directory}. "
            "Pass the --data-dir, and the --classes, of the training."
        )
    _, held_out = slices(run.config, dataset)
    logits = np.asarray(network.predict(held_out.images, batch_size=1000, verbose=0))
    temperature = fit_temperature(logits, held_out.labels)
    content = quantise(with_softmax(network, temperature))
    classifier = Classifier(content, threads=os.cpu_count() or 1)
    golden = _one_of_each(held_out)
    height, width, channels = network.input_shape[1:]
    manifest = Manifest(
        name=name or (dataset.directory.resolve().name if dataset.name != FASHION_MNIST_NAME else FASHION_MNIST_NAME),
        version=version,
        classes=dataset.classes,
        input=PixelShape(height=height, width=width, channels=channels),
        conversion=Conversion(),
        model=ModelFile(hashlib.sha256(content).hexdigest(), len(content), quantisation="dynamic-range"),
        temperature=temperature,
        unsure_below=unsure_below(score(classifier, held_out.images), held_out.labels),
        metrics=measure(score(classifier, dataset.test.images), dataset.test.labels),
        dataset=_describe_dataset(dataset, run, held_out),
        training=_describe_training(run),
        golden=Golden(golden.tobytes(), tuple(map(tuple, score(classifier, golden).tolist()))),
    )
    _write_artifact(out, content, manifest)
    return load_model(directory_reader(out))


def quantise(model: keras.Model) -> bytes:
    """Converts to LiteRT with dynamic-range quantisation: int8 weights, float32 in between, so the softmax stays in float."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / MODEL_FILE
        model.export(path, format="litert", optimizations=[tf.lite.Optimize.DEFAULT], verbose=False)
        return path.read_bytes()


def score(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    """Probabilities `(n, classes)` float32 of uint8 `images` `(n, height, width, channels)`, in small batches."""
    return np.concatenate([classifier.classify(batch) for batch in _batches(images)])


def _batches(images: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(images), SCORING_BATCH):
        yield images[start : start + SCORING_BATCH]


def _one_of_each(split: Split) -> np.ndarray:
    _, first = np.unique(split.labels, return_index=True)
    return split.images[first]


def _describe_dataset(dataset: Dataset, run: Run, held_out: Split) -> dict[str, object]:
    train, _ = slices(run.config, dataset)
    description: dict[str, object] = {
        "name": dataset.name,
        "train_images": len(train),
        "held_out_images": len(held_out),
        "test_images": len(dataset.test),
        "md5_of_content": dataset.checksums,
    }
    if dataset.name == FASHION_MNIST_NAME:
        description["md5_as_published"] = {file: sums.published for file, sums in FASHION_MNIST.items()}
    return description


def _describe_training(run: Run) -> dict[str, object]:
    description: dict[str, object] = msgspec.to_builtins(run)
    return {name: value for name, value in description.items() if name not in {"dataset", "checksums"}}


def _write_artifact(out: Path, content: bytes, manifest: Manifest) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST_FILE).unlink(missing_ok=True)
    (out / MODEL_FILE).write_bytes(content)
    partial = out / f"{MANIFEST_FILE}.partial"
    partial.write_bytes(render_manifest(manifest))
    partial.replace(out / MANIFEST_FILE)
    logger.info("wrote %s", out)
