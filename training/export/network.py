"""Exports a trained network as an artifact: quantise, calibrate, measure, describe.

Every figure in the manifest is measured on the LiteRT file, through the code that serves it. Temperature and threshold are set
on held-out images; the test images are scored once, at the end.
"""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import keras
import msgspec
import numpy as np
from scipy.special import softmax

from handler.contract import (
    Conversion,
    Golden,
    Manifest,
    ModelFile,
    PixelShape,
    Scores,
)
from handler.model import Classifier, Model
from training.artifact import load_artifact, score
from training.data.dataset import Split
from training.export.files import write_artifact
from training.export.judged import Judged
from training.export.litert import Quantisation, convert_model
from training.export.metrics import fit_temperature, measure, measure_classes, without_temperature
from training.export.thresholds import choose_thresholds
from training.export.warnings import warn_of
from training.network.architecture import with_softmax

logger = logging.getLogger(__name__)

MIN_CALIBRATION_IMAGES = 100  # of fewer, the temperature varies by a tenth and more
MIN_AGREEMENT = 0.997  # fraction of images for which quantised weights should give the same class as float weights


@dataclass(frozen=True, slots=True)
class Description:
    """Holds the parts of the manifest that cannot be measured; `dataset` and `training` are free-form, for people."""

    name: str
    version: str
    classes: tuple[str, ...]
    conversion: Conversion
    dataset: dict[str, object]
    training: dict[str, object]


def export_network(
    network: keras.Model,
    description: Description,
    golden: np.ndarray,
    held_out: Split | Judged | None,
    test: Split | None,
    out: Path,
    quantisation: Quantisation = "dynamic-range",
) -> Model:
    """Writes the artifact of a network into `out`, and loads it as the handler will.

    Args:
        network: a model that takes `(n, height, width, channels)` uint8 and returns `logits`, `(n, classes)`, and maybe
            `familiarity`, `(n,)`.
        description: the parts of the manifest that are not measured.
        golden: a few images for the golden batch, `(n, height, width, channels)` uint8.
        held_out: images that the weights were not trained on, or what the network said of such, for temperature and
            thresholds; with None, the temperature is 1 and nothing is marked.
        test: the images for the figures; with None, nothing is measured.
        out: the artifact's folder, which is created if it is missing.
        quantisation: how the weights are stored.

    Returns:
        The artifact, verified.

    Raises:
        ExportError: LiteRT cannot run the network.
    """
    judged = _judge(network, held_out) if isinstance(held_out, Split) else held_out
    temperature = _calibrate(judged) if judged else 1.0
    content, quantisation = convert_model(with_softmax(network, temperature), golden, quantisation)
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
        golden=_golden(classifier, golden),
    )
    if judged:
        # The scores are those of the LiteRT file wherever the images are at hand.
        said = Scores(softmax(judged.logits / temperature, axis=1), judged.familiarity)
        scores = score(classifier, held_out.images) if isinstance(held_out, Split) else said
        manifest = msgspec.structs.replace(manifest, **choose_thresholds(scores, judged.labels).by_name())
    if test:
        manifest = _with_figures(manifest, network, classifier, test)
    warn_of(manifest)
    write_artifact(out, content, manifest)
    return load_artifact(out)


def predict(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns the outputs `(n, classes)` of a Keras model for `images` `(n, height, width, channels)`, on any backend."""
    return np.asarray(network.predict(images, batch_size=500, verbose=0))


def one_of_each(split: Split) -> np.ndarray:
    """Returns the first image of each class that has images, `(n, height, width, channels)` uint8."""
    _, first = np.unique(split.labels, return_index=True)
    return split.images[first]


def _golden(classifier: Classifier, images: np.ndarray) -> Golden:
    scores = score(classifier, images)
    familiarity = None if scores.familiarity is None else tuple(scores.familiarity.tolist())
    return Golden(images.tobytes(), tuple(map(tuple, scores.probabilities.tolist())), familiarity)


def _judge(network: keras.Model, held_out: Split) -> Judged:
    outputs = network.predict(held_out.images, batch_size=500, verbose=0)
    return Judged(outputs["logits"], outputs.get("familiarity"), held_out.labels)


def _calibrate(judged: Judged) -> float:
    if len(judged.labels) < MIN_CALIBRATION_IMAGES:
        logger.warning(
            "the temperature rests on %d images alone; with %d it would be more reliable",
            *(len(judged.labels), MIN_CALIBRATION_IMAGES),
        )
    return fit_temperature(judged.logits, judged.labels)


def _with_figures(manifest: Manifest, network: keras.Model, classifier: Classifier, test: Split) -> Manifest:
    temperature = manifest.temperature
    probabilities = score(classifier, test.images).probabilities
    in_float = softmax(_judge(network, test).logits / temperature, axis=1)
    agreement = float((probabilities.argmax(axis=1) == in_float.argmax(axis=1)).mean())
    if agreement < MIN_AGREEMENT:
        logger.warning(
            "quantised weights agree with float ones on %.2f%% of the images, less than %.1f%%",
            *(100 * agreement, 100 * MIN_AGREEMENT),
        )
    return msgspec.structs.replace(
        manifest,
        metrics=measure(probabilities, test.labels),
        metrics_before_scaling=measure(without_temperature(probabilities, temperature), test.labels),
        metrics_in_float=measure(in_float, test.labels),
        agreement_with_float=agreement,
        metrics_by_class=measure_classes(probabilities, test.labels),
    )
