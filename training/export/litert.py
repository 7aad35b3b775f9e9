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

Quantisation = Literal["dynamic-range", "none"]

_REFUSED_OPERATION = re.compile(r"'tf\.(\w+)' op ")  # as the converter's errors name them


def convert_model(model: keras.Model, images: np.ndarray) -> tuple[bytes, Quantisation]:
    """Converts a model, and quantises its weights if each image's probabilities stay independent of the rest of the batch.

    Args:
        model: a model that takes `(n, height, width, channels)` uint8 and returns probabilities `(n, classes)` float32.
        images: a few images to test the independence with.

    Returns:
        The content of the LiteRT file, and how its weights are quantised.

    Raises:
        ExportError: LiteRT cannot run the model, or images depend on each other with float weights too.
    """
    for quantisation in ("dynamic-range", "none"):
        content = quantise(model) if quantisation == "dynamic-range" else _convert(model, [])
        classifier = Classifier(content)
        with without_startup_messages():  # LiteRT writes one when it first runs a graph
            alone = [classifier.classify(image[None]) for image in images]
        if _equal(alone, classifier.classify(images)):
            return content, quantisation
        logger.warning("with quantisation %s, an image's probabilities depend on the other images in its batch", quantisation)
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


def quantise(model: keras.Model) -> bytes:
    """Converts with dynamic-range quantisation: weights are int8, and activations, the softmax included, are float32."""
    import tensorflow as tf

    return _convert(model, [tf.lite.Optimize.DEFAULT])


def _convert(model: keras.Model, optimizations: list[object]) -> bytes:
    if keras.backend.backend() != "tensorflow":
        raise ExportError(f"Expected Keras on TensorFlow. Received: {keras.backend.backend()}. Set KERAS_BACKEND=tensorflow.")
    import tensorflow as tf

    built_in = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / MODEL_FILE
        try:
            model.export(path, format="litert", optimizations=optimizations, target_spec=built_in, verbose=False)
        except Exception as error:  # tracing and converting raise errors of many kinds; all mean that the model has to change
            operations = sorted(set(_REFUSED_OPERATION.findall(str(error))))
            raise ExportError(
                f"Expected a model of float32 operations that LiteRT has built in. Received: "
                f"{', '.join(operations) or str(error).splitlines()[0]}. Replace the layers that need them, unroll recurrent "
                "ones, and build a model of mixed precision anew in float32, with its weights."
            ) from error
        return path.read_bytes()
