"""Loads the model from an artifact, to classify batches of images. The only module that imports LiteRT.

The model file is not parsed before its size and digest agree with the manifest, since parsing an unknown model is running
unknown code. The model is not used before its tensors and its golden batch agree with the manifest too.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from handler.contract import MANIFEST_FILE, MODEL_FILE, Manifest, Model, Scores, golden_images, parse_manifest
from handler.conversion import REVISIONS
from handler.deadline import Deadline
from handler.errors import BadArtifact
from handler.objects import ObjectRef, Prefix
from handler.store import Store

__all__ = [
    "BUNDLED_ARTIFACT",
    "GOLDEN_TOLERANCE",
    "BadArtifact",
    "Classifier",
    "Model",
    "directory_reader",
    "load_model",
    "store_reader",
]

BUNDLED_ARTIFACT = Path(__file__).parent / "artifact"

_PROBABILITIES, _FAMILIARITY = "probabilities", "familiarity"  # the names of two outputs; a single output may have any name

# The largest accepted difference of a golden probability. Other kernels round activations differently: between XNNPACK's and
# LiteRT's own, 64 test images differed by up to 0.0035. A wrong model, or one that is fed wrongly, differs by tenths.
GOLDEN_TOLERANCE = 0.02
_REMEDY = "Copy the whole artifact again, or make it anew."

# How far the sum of an image's probabilities may be from 1: that of a softmax in float32 is by 0.000001, and in eight bits by
# hundredths. Each of them is from 0 to 1, as documents have it, up to the rounding of documents.
_SUM_TOLERANCE = 0.05
_RANGE_TOLERANCE = 5e-7

FAMILIARITY_TOLERANCE = 0.1  # the same of a golden familiarity, as a fraction of the largest one


class Classifier:
    """A LiteRT graph, from raw uint8 pixels to probabilities; several threads may call it, and calls run one at a time."""

    def __init__(self, content: bytes, threads: int = 1) -> None:
        """Parses `content`, a `.tflite` file; each call of the graph runs on up to `threads` threads.

        Raises:
            BadArtifact: LiteRT cannot load the file, or its inputs or outputs are not those of a classifier.
        """
        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            (self._input,) = self._interpreter.get_input_details()
            outputs = _outputs_by_name(self._interpreter)
        except (ValueError, RuntimeError) as error:
            raise BadArtifact(
                f"Expected a LiteRT model with one input and named outputs. Received: {str(error).rstrip('.')}. {_REMEDY}"
            ) from error
        if len(outputs) == 1:
            outputs = {_PROBABILITIES: next(iter(outputs.values()))}
        if not {_PROBABILITIES} <= outputs.keys() <= {_PROBABILITIES, _FAMILIARITY}:
            raise BadArtifact(
                f"Expected a LiteRT model with one output, or with two named {_PROBABILITIES} and {_FAMILIARITY}. "
                f"Received: {', '.join(sorted(outputs))}. {_REMEDY}"
            )
        self._output, self._familiarity = outputs[_PROBABILITIES], outputs.get(_FAMILIARITY)
        self._lock = threading.Lock()
        self._images = -1  # the number of images that the graph's tensors are sized for

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of an input image, `(height, width, channels)`."""
        return tuple(int(side) for side in self._input["shape_signature"][1:])

    @property
    def classes(self) -> int:
        """The number of classes, and so of probabilities for each image."""
        return int(self._output["shape_signature"][-1])

    @property
    def dtypes(self) -> tuple[np.dtype, np.dtype]:
        """The dtypes of the input and of the probabilities, in this order."""
        return np.dtype(self._input["dtype"]), np.dtype(self._output["dtype"])

    def classify(self, images: np.ndarray) -> Scores:
        """Classifies one batch.

        The scores of an image do not depend on the other images in the batch, to the last bit: XNNPACK quantises activations
        for each image on its own. Equal documents for equal objects depend on this, so a test verifies it.

        Args:
            images: `(n, height, width, channels)` uint8, 0..255, n >= 1.

        Returns:
            The probabilities of each image, `(n, classes)` float32, and its familiarity, `(n,)` float32, if the graph has that
            output.
        """
        with self._lock:
            if len(images) != self._images:
                self._images = -1  # until the tensors fit, so that a call after one that failed makes them anew
                self._interpreter.resize_tensor_input(self._input["index"], images.shape, strict=True)
                self._interpreter.allocate_tensors()
                self._images = len(images)
            self._interpreter.set_tensor(self._input["index"], images)
            self._interpreter.invoke()
            probabilities = self._interpreter.get_tensor(self._output["index"])
            familiarity = self._interpreter.get_tensor(self._familiarity["index"]) if self._familiarity else None
        return Scores(probabilities, familiarity)


def _outputs_by_name(interpreter: Interpreter) -> dict[str, dict[str, Any]]:
    """Returns the details of each output by its name in the graph's signature, or in the graph if there is none."""
    if interpreter.get_signature_list():
        return dict(interpreter.get_signature_runner().get_output_details())
    return {details["name"]: details for details in interpreter.get_output_details()}


def load_model(read: Callable[[str], bytes], threads: int = 1) -> Model:
    """Loads an artifact, and verifies its model against its manifest.

    Args:
        read: returns the content of one of the artifact's files by its name; raises OSError if there is no such file.
        threads: the number of threads that the graph may use; 1 suits 1,769 MB of Lambda, which is one processor.

    Raises:
        BadArtifact: files, manifest and behaviour disagree; the message names what differs.
    """
    text = _read_file(read, MANIFEST_FILE)
    manifest = _parse_manifest(text)
    conversion = manifest.conversion
    known = REVISIONS[conversion.fit]
    _require(conversion.revision <= known, f"conversion {conversion.fit} of revision {known} or earlier", conversion.revision)
    content = _read_file(read, MODEL_FILE)
    _require(len(content) == manifest.model.size_bytes, f"{MODEL_FILE} of {manifest.model.size_bytes} bytes", len(content))
    digest = hashlib.sha256(content).hexdigest()
    _require(digest == manifest.model.sha256, f"{MODEL_FILE} with sha256 {manifest.model.sha256}", digest)
    classifier = Classifier(content, threads)
    _require(classifier.image_shape == manifest.input.as_tuple, f"input {manifest.input.as_tuple}", classifier.image_shape)
    _require(classifier.dtypes == (np.dtype(np.uint8), np.dtype(np.float32)), "uint8 in and float32 out", classifier.dtypes)
    _require(classifier.classes == len(manifest.classes), f"{len(manifest.classes)} classes", classifier.classes)
    thresholds = manifest.unsure_thresholds
    _require(thresholds is None or len(thresholds) == len(manifest.classes), "one unsure_below, or one a class", thresholds)
    _check_golden_batch(manifest, classifier)
    return Model(manifest, classifier.classify, hashlib.sha256(text).hexdigest())


def directory_reader(directory: Path) -> Callable[[str], bytes]:
    """Returns a function that reads the files of the artifact in `directory`, for `load_model`."""
    return lambda name: (directory / name).read_bytes()


def store_reader(store: Store, prefix: Prefix, deadline: Deadline) -> Callable[[str], bytes]:
    """Returns a function that reads the files of the artifact under `prefix` of a store, for `load_model`.

    Each of its calls ends by `deadline`.
    """

    def read(name: str) -> bytes:
        ref = ObjectRef(prefix.bucket, f"{prefix.prefix}{name}")
        opened = store.open(ref, deadline=deadline)
        if opened is None:
            raise FileNotFoundError(str(ref))
        with closing(opened.body) as body:
            return body.read()

    return read


def _parse_manifest(text: bytes) -> Manifest:
    try:
        return parse_manifest(text)
    except ValueError as error:
        raise BadArtifact(f"Expected {MANIFEST_FILE} of schema coatcheck.artifact/1. Received: {error}. {_REMEDY}") from error


def _read_file(read: Callable[[str], bytes], name: str) -> bytes:
    try:
        return read(name)
    except OSError as error:
        raise BadArtifact(
            f"Expected an artifact with {MODEL_FILE} and {MANIFEST_FILE}. Received: no readable {name} ({error}). "
            "Make one with `make train`, or set MODEL_URI to one."
        ) from error


def _check_golden_batch(manifest: Manifest, classifier: Classifier) -> None:
    try:
        expected = np.array(manifest.golden.probabilities, np.float32)
        images = golden_images(manifest)
    except ValueError as error:
        raise BadArtifact(
            f"Expected whole golden images and a row of probabilities for each. Received: {error}. {_REMEDY}"
        ) from error
    _require(len(images) > 0, "a golden batch of at least one image", len(images))
    _require(
        expected.shape == (len(images), len(manifest.classes)),
        f"golden probabilities ({len(images)}, {len(manifest.classes)})",
        expected.shape,
    )
    try:
        # One by one, since the tensors of ten images would take 4 MB, which a cold start of few objects never needs.
        singly = [classifier.classify(image[np.newaxis]) for image in images]
    except (ValueError, RuntimeError) as error:
        raise BadArtifact(
            f"Expected the model to score its golden batch. Received: {str(error).rstrip('.')}. {_REMEDY}"
        ) from error
    scores = Scores.joined(singly)
    difference = float(np.abs(scores.probabilities - expected).max())
    _require(bool(difference <= GOLDEN_TOLERANCE), f"the golden batch's probabilities within {GOLDEN_TOLERANCE}", difference)
    _check_probabilities(scores.probabilities)
    _check_familiarity(manifest, scores)


def _check_probabilities(probabilities: np.ndarray) -> None:
    """Requires numbers that documents may tell as probabilities, which logits are not, however well the golden batch agrees."""
    least, most = float(probabilities.min()), float(probabilities.max())
    sums = probabilities.sum(axis=1, dtype=np.float64)
    if least < -_RANGE_TOLERANCE or most > 1 + _RANGE_TOLERANCE or float(np.abs(sums - 1).max()) > _SUM_TOLERANCE:
        raise BadArtifact(
            "Expected a model whose probabilities are 0 to 1, and sum to 1 for each image. "
            f"Received: {least:.1f} to {most:.1f}, and sums of {float(sums.min()):.1f} to {float(sums.max()):.1f}; make the "
            "artifact by `python -m training adopt`, which adds a softmax to a model that ends in logits."
        )


def _check_familiarity(manifest: Manifest, scores: Scores) -> None:
    known, received = manifest.golden.familiarity, scores.familiarity
    if manifest.unfamiliar_below is None and known is None:
        return
    _require(received is not None, f"an output {_FAMILIARITY}, of which the manifest tells", "none")
    if known is None or received is None:
        return
    _require(len(known) == len(received), f"{len(received)} golden familiarities", len(known))
    difference = float(np.abs(received - np.array(known, np.float32)).max())
    tolerance = FAMILIARITY_TOLERANCE * max(1.0, float(np.abs(known).max()))
    _require(bool(difference <= tolerance), f"the golden batch's familiarity within {tolerance:.3g}", difference)


def _require(holds: bool, expected: str, received: object) -> None:
    if not holds:
        raise BadArtifact(f"The artifact disagrees with its manifest. Expected: {expected}. Received: {received}. {_REMEDY}")
