"""Turns a trained network into the artifact: quantise, calibrate, measure, describe.

Everything that the manifest states of the model is measured on the LiteRT file, through the code that serves it. The
temperature and the threshold come from the held-out slice; the test images are read once, at the end.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import msgspec
import numpy as np
from scipy.special import softmax

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
from training.artifact import score
from training.data.mnist import FASHION_MNIST, Dataset, Split
from training.data.mnist import NAME as FASHION_MNIST_NAME
from training.export.card import CARD_FILE, render_card
from training.export.litert import ExportError, convert_model
from training.export.metrics import fit_temperature, measure, measure_classes, unsure_below, without_temperature
from training.network.architecture import averaged, multiplications, with_softmax
from training.network.fit import slices
from training.network.runs import Epoch, Run, load_run

logger = logging.getLogger(__name__)

FEW = 100  # held-out images; of fewer, one mistake is more than the 1% of them that the threshold allows
AGREEMENT = 0.997  # least share of images of which quantised weights say the same as float ones


@dataclass(frozen=True, slots=True)
class Description:
    """What the manifest says that cannot be measured; `dataset` and `training` are free for people."""

    name: str
    version: str
    classes: tuple[str, ...]
    conversion: Conversion
    dataset: dict[str, object]
    training: dict[str, object]


def export_runs(directories: Sequence[Path], dataset: Dataset, out: Path, *, name: str | None, version: str) -> Model:
    """Writes the artifact of the run in `directories`, or of several runs, averaged, into `out`.

    Args:
        directories: where `fit` left runs, alike but for their seeds; one that is not finished is taken as it is.
        dataset: the same data that they were trained on.
        out: the artifact's directory, made if missing.
        name: of the model, as documents will state it; by default the data set's.
        version: of the model, as documents will state it.

    Raises:
        ExportError: `dataset` is not the runs', or they are not alike.
        RunError: there is no run.
    """
    members, runs = zip(*map(load_run, directories), strict=True)
    run = _what_all_share(runs)
    if dataset.checksums != run.checksums:
        raise ExportError(
            f"Expected the data the run was made with ({run.dataset}). Received: other MD5 sums in {dataset.directory}. "
            "Pass the --images, or the --data-dir and the --classes, of the training."
        )
    if dataset.train.images.shape[1:] != run.shape:
        raise ExportError(
            f"Expected images of {run.shape}, as in the run. Received: {dataset.train.images.shape[1:]}. "
            f"Pass --size {run.shape[0]}."
        )
    for unfinished in (each for each in runs if not each.finished):
        done, epochs = len(unfinished.history), unfinished.config.epochs
        logger.warning("the run of seed %d is not finished: %d of %d epochs are done", unfinished.config.seed, done, epochs)
    _, held_out = slices(run.config, dataset)
    description = Description(
        name=name or (dataset.directory.resolve().name if dataset.name != FASHION_MNIST_NAME else FASHION_MNIST_NAME),
        version=version,
        classes=dataset.classes,
        conversion=dataset.conversion,
        dataset=_describe_dataset(dataset, run, held_out),
        training=_describe_training(runs, members, held_out, dataset.test),
    )
    return export_network(averaged(members), description, one_of_each(held_out), (held_out, dataset.test), out)


def export_network(
    network: keras.Model,
    description: Description,
    golden: np.ndarray,
    labelled: tuple[Split, Split] | None,
    out: Path,
) -> Model:
    """Quantises, calibrates, measures and describes a network, writes the manifest last, and loads it all as the handler will.

    Args:
        network: takes `(n, height, width, channels)` uint8 and returns logits `(n, classes)`.
        description: what the manifest says besides.
        golden: a few images, for the golden batch.
        labelled: images that the weights were not trained on, for temperature and threshold, and others for the figures,
            which are read once; without any, the temperature is 1 and nothing is measured.
        out: the artifact's directory, made if missing.

    Raises:
        ExportError: LiteRT cannot do what the network does.
    """
    temperature = _calibrate(network, labelled[0]) if labelled else 1.0
    content, quantisation = convert_model(with_softmax(network, temperature), golden)
    classifier = Classifier(content, threads=os.cpu_count() or 1)
    height, width, channels = network.input_shape[1:]
    manifest = Manifest(
        name=description.name,
        version=description.version,
        classes=description.classes,
        input=PixelShape(height=height, width=width, channels=channels),
        conversion=description.conversion,
        model=ModelFile(hashlib.sha256(content).hexdigest(), len(content), quantisation),
        temperature=temperature,
        dataset=description.dataset,
        training=description.training,
        golden=Golden(golden.tobytes(), tuple(map(tuple, score(classifier, golden).tolist()))),
    )
    if labelled:
        manifest = _with_figures(manifest, network, classifier, *labelled)
    write_artifact(out, content, manifest)
    return load_model(directory_reader(out))


def write_artifact(out: Path, content: bytes, manifest: Manifest) -> None:
    """Writes the three files of an artifact, the manifest last and in one step."""
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST_FILE).unlink(missing_ok=True)
    (out / MODEL_FILE).write_bytes(content)
    (out / CARD_FILE).write_text(render_card(manifest), encoding="utf-8")
    partial = out / f"{MANIFEST_FILE}.partial"
    partial.write_bytes(render_manifest(manifest))
    partial.replace(out / MANIFEST_FILE)
    logger.info("wrote %s", out)


def predict(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """What `network` itself makes of `images`, on whichever backend."""
    return np.asarray(network.predict(images, batch_size=500, verbose=0))


def one_of_each(split: Split) -> np.ndarray:
    """The first image of each class that has any."""
    _, first = np.unique(split.labels, return_index=True)
    return split.images[first]


def _calibrate(network: keras.Model, held_out: Split) -> float:
    if len(held_out) < FEW:
        logger.warning("temperature and threshold rest on %d images alone; with %d they would mean more", len(held_out), FEW)
    return fit_temperature(predict(network, held_out.images), held_out.labels)


def _with_figures(manifest: Manifest, network: keras.Model, classifier: Classifier, held_out: Split, test: Split) -> Manifest:
    temperature = manifest.temperature
    probabilities = score(classifier, test.images)
    in_float = softmax(predict(network, test.images) / temperature, axis=1)
    agreement = float((probabilities.argmax(axis=1) == in_float.argmax(axis=1)).mean())
    if agreement < AGREEMENT:
        logger.warning(
            "quantised weights agree with float ones on %.2f%% of the images, less than %.1f%%",
            100 * agreement,
            100 * AGREEMENT,
        )
    return msgspec.structs.replace(
        manifest,
        unsure_below=unsure_below(score(classifier, held_out.images), held_out.labels),
        metrics=measure(probabilities, test.labels),
        metrics_before_scaling=measure(without_temperature(probabilities, temperature), test.labels),
        metrics_in_float=measure(in_float, test.labels),
        agreement_with_float=agreement,
        metrics_by_class=measure_classes(probabilities, test.labels),
    )


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


def _what_all_share(runs: Sequence[Run]) -> Run:
    """The first of `runs`, which stands for the others but for its seed and its history."""
    first = runs[0]
    for other in runs[1:]:
        config = dataclasses.replace(other.config, seed=first.config.seed)
        if (config, other.checksums, other.shape, other.classes) != (first.config, first.checksums, first.shape, first.classes):
            raise ExportError(
                f"Expected runs that differ in their seeds alone. Received: another configuration or data set with seed "
                f"{other.config.seed} than with seed {first.config.seed}. Train them by the same options and the same data."
            )
    seeds = [run.config.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise ExportError(
            f"Expected each run to have a seed of its own. Received: {seeds}. Leave out one of those that are alike."
        )
    return first


def _describe_training(runs: Sequence[Run], members: Sequence[keras.Model], held_out: Split, test: Split) -> dict[str, object]:
    """What the first run says of all, their seeds and mean history, and what each network is worth alone, in float."""
    described: dict[str, object] = msgspec.to_builtins(runs[0])
    left_out = {"dataset", "checksums", "classes", "shape", "history"}
    return {name: value for name, value in described.items() if name not in left_out} | {
        "seeds": [run.config.seed for run in runs],
        "history": [_mean(epochs) for epochs in zip(*(run.history for run in runs), strict=False)],
        "parameters": sum(network.count_params() for network in members),
        "multiplications": sum(map(multiplications, members)),
        "accuracy_of_members": {
            "held_out": [_accuracy(network, held_out) for network in members],
            "test": [_accuracy(network, test) for network in members],
        },
    }


def _mean(epochs: Sequence[Epoch]) -> dict[str, float]:
    values = [msgspec.to_builtins(epoch) for epoch in epochs]
    return {name: round(statistics.fmean(value[name] for value in values), 5) for name in values[0]}


def _accuracy(network: keras.Model, split: Split) -> float:
    return round(float((predict(network, split.images).argmax(axis=1) == split.labels).mean()), 5)
