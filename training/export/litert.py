"""Converts a Keras model into a LiteRT file that the handler can serve.

The file uses LiteRT's built-in operators alone, because the function contains no others. The probabilities of an image do not
depend on the other images in its batch, because otherwise equal objects could get different documents.
"""

from __future__ import annotations

import logging
import re
import tempfile
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from handler.contract import MODEL_FILE, Scores
from handler.model import Classifier
from training.errors import ExportError
from training.startup import without_startup_messages

logger = logging.getLogger(__name__)

Quantisation = Literal["dynamic-range", "float16", "none"]

_REFUSED_OPERATION = re.compile(r"'tf\.(\w+)' op ")  # as the converter's errors name them


def convert_model(
    model: keras.Model, images: np.ndarray, quantisation: Quantisation = "dynamic-range"
) -> tuple[bytes, Quantisation]:
    """Converts a model, and quantises its weights if each image's scores stay independent of the rest of the batch.

    Args:
        model: a model that takes `(n, height, width, channels)` uint8 and returns `probabilities`, `(n, classes)` float32, and
            maybe `familiarity`, `(n,)` float32.
        images: a few images to test the independence with.
        quantisation: how its weights should be stored.

    Returns:
        The content of the LiteRT file, and how its weights are quantised.

    Raises:
        ExportError: LiteRT cannot run the model, or images depend on each other with float weights too.
    """
    tried: tuple[Quantisation, ...] = (quantisation, "none")
    for way in tried:
        content = quantise(model, way)
        classifier = Classifier(content)
        with without_startup_messages():  # LiteRT writes one when it first runs a graph
            alone = [classifier.classify(image[None]) for image in images]
        if _equal(alone, classifier.classify(images)):
            return content, way
        logger.warning("with quantisation %s, an image's scores depend on the other images in its batch", way)
    raise ExportError(
        "Expected each image's probabilities to depend on it alone. Received: others when it is scored in a batch. "
        "Remove operations across the batch, such as a mean or a softmax over its first axis."
    )


def _equal(alone: list[Scores], together: Scores) -> bool:
    """Returns whether each image has the same scores, to the last bit, alone and in one batch."""
    equal = np.array_equal(np.concatenate([scores.probabilities for scores in alone]), together.probabilities)
    if together.familiarity is None:
        return equal
    return equal and [scores.familiarity for scores in alone] == list(together.familiarity)


def quantise(model: keras.Model, quantisation: Quantisation = "dynamic-range") -> bytes:
    """Converts a model; activations, the softmax included, are float32 however its weights are stored.

    With `dynamic-range`, weights are int8, a quarter of the size. With `float16` they are half of the size, and the graph runs
    as fast and as exactly as with float32: depthwise convolutions of large images are slower with int8.
    """
    if keras.backend.backend() != "tensorflow":
        raise ExportError(f"Expected Keras on TensorFlow. Received: {keras.backend.backend()}. Set KERAS_BACKEND=tensorflow.")
    import tensorflow as tf

    target: dict[str, object] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    if quantisation == "float16":
        target["supported_types"] = [tf.float16]
    optimizations = [] if quantisation == "none" else [tf.lite.Optimize.DEFAULT]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / MODEL_FILE
        try:
            model.export(path, format="litert", optimizations=optimizations, target_spec=target, verbose=False)
        except Exception as error:  # tracing and converting raise errors of many kinds; all mean that the model has to change
            operations = sorted(set(_REFUSED_OPERATION.findall(str(error))))
            raise ExportError(
                f"Expected a model of float32 operations that LiteRT has built in. Received: "
                f"{', '.join(operations) or str(error).splitlines()[0]}. Replace the layers that need them, unroll recurrent "
                "ones, and build a model of mixed precision anew in float32, with its weights."
            ) from error
        return path.read_bytes()
