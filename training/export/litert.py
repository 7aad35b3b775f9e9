"""A Keras model to a LiteRT file that the handler can serve.

The file has LiteRT's built-in operators alone, because the function carries no others, and gives an image the same
probabilities whatever else is in its batch, because equal documents for equal objects depend on it.
"""

from __future__ import annotations

import logging
import re
import tempfile
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from handler.contract import MODEL_FILE
from handler.model import Classifier
from training.errors import TrainingError

logger = logging.getLogger(__name__)

Quantisation = Literal["dynamic-range", "none"]

_REFUSED_OPERATION = re.compile(r"'tf\.(\w+)' op ")  # as the converter's errors name them


class ExportError(TrainingError):
    """The model cannot be exported; the message says what to change."""


def convert_model(model: keras.Model, images: np.ndarray) -> tuple[bytes, Quantisation]:
    """Converts a model, with its weights quantised if that leaves each image's probabilities independent of its batch.

    Args:
        model: takes `(n, height, width, channels)` uint8 and returns probabilities `(n, classes)` float32.
        images: a few such images, to try it on.

    Raises:
        ExportError: LiteRT cannot do it, or images depend on each other in any case.
    """
    for quantisation in ("dynamic-range", "none"):
        content = quantise(model) if quantisation == "dynamic-range" else _convert(model, [])
        classifier = Classifier(content)
        alone = np.concatenate([classifier.classify(image[None]) for image in images])
        if np.array_equal(alone, classifier.classify(images)):
            return content, quantisation
        logger.warning("with quantisation %s, an image's probabilities depend on what else is in its batch", quantisation)
    raise ExportError(
        "Expected each image's probabilities to depend on it alone. Received: others when it is scored in a batch. "
        "Take out what works across the batch, such as a mean or a softmax over its first axis."
    )


def quantise(model: keras.Model) -> bytes:
    """Converts to LiteRT with dynamic-range quantisation: int8 weights, float32 in between, so the softmax stays in float."""
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
        except Exception as error:  # whatever tracing or converting raises, the model is what has to change
            operations = sorted(set(_REFUSED_OPERATION.findall(str(error))))
            raise ExportError(
                f"Expected a model of float32 operations that LiteRT has built in. Received: "
                f"{', '.join(operations) or str(error).splitlines()[0]}. Replace the layers that need them, unroll recurrent "
                "ones, and build a model of mixed precision anew in float32, with its weights."
            ) from error
        return path.read_bytes()
