"""Reads a Keras classifier that was trained elsewhere, and determines its input and its output.

The model may have been trained in any way, so everything that can be known of it is checked before it is converted. Keras's
safe mode stays on: loading a model must not run code from its file.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from handler.contract import PixelShape
from training.errors import ExportError

End = Literal["softmax", "logits"]

_CONFIG_FILE, _METADATA_FILE = "config.json", "metadata.json"  # inside of a .keras file
_SUM_TOLERANCE = 1e-3  # of a row of probabilities


def load_keras(path: Path) -> keras.Model:
    """Loads a `.keras` file in safe mode.

    Raises:
        ExportError: the file is not a `.keras` file, or its model has layers other than Keras's own.
    """
    config = _read_json(path, _CONFIG_FILE)
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # an unknown model can raise any error; all mean that it cannot be loaded
        foreign = sorted(set(_foreign_code(config)))
        if not foreign:
            raise ExportError(
                f"Expected a model that Keras {keras.__version__} can load. Received: {path} ({error})."
            ) from error
        raise ExportError(
            "Expected a model of Keras's own layers: loading a model must not run code from its file. "
            f"Received: {path} with {', '.join(foreign)}. "
            "Replace them by layers of keras.layers or operations of keras.ops, and save the model again."
        ) from error


def read_keras_version(path: Path) -> str:
    """Returns the version of Keras that wrote the file, or "unknown"."""
    return str(_read_json(path, _METADATA_FILE).get("keras_version", "unknown"))


def require_images(model: keras.Model) -> PixelShape:
    """Returns the size of the images that `model` takes.

    Raises:
        ExportError: its input is not one batch of images of a fixed size.
    """
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    sides = shapes[0][1:]
    if len(shapes) != 1 or len(sides) != 3 or None in sides or sides[2] not in {1, 3}:
        raise ExportError(
            "Expected one input (n, height, width, channels) of a fixed size, with 1 or 3 channels last. "
            f"Received: {_some(shapes)}. Build the model with keras.Input((height, width, channels)), and load its weights."
        )
    height, width, channels = sides
    return PixelShape(height=height, width=width, channels=channels)


def require_classes(model: keras.Model, classes: tuple[str, ...]) -> None:
    """Checks that `model` has one output, with a score for each of `classes`.

    Raises:
        ExportError: its output is another.
    """
    shapes = [tuple(tensor.shape) for tensor in model.outputs]
    if len(shapes) != 1 or len(shapes[0]) != 2 or shapes[0][1] != len(classes):
        raise ExportError(
            f"Expected one output (n, {len(classes)}), a score for each of the classes {', '.join(classes)}. "
            f"Received: {_some(shapes)}. Name as many classes as the model has, in its order, or give it such a last layer; "
            "for two classes, that is Dense(2), not Dense(1)."
        )


def find_end(model: keras.Model, outputs: np.ndarray) -> End:
    """Determines whether `model` ends in a softmax or in logits.

    The last layer decides; if it is none that Keras gives an activation, the outputs do.

    Args:
        model: the classifier.
        outputs: its outputs for some images, `(n, classes)` float.

    Raises:
        ExportError: the model ends in a sigmoid, or its outputs are not finite.
    """
    if not np.isfinite(outputs).all():
        raise ExportError(
            "Expected finite outputs. Received: infinite ones or NaN, for ordinary images. Train the model again."
        )
    activation = _last_activation(model)
    inside = bool((outputs >= 0).all() and (outputs <= 1).all())
    sums_to_one = bool(np.allclose(outputs.sum(axis=1), 1, atol=_SUM_TOLERANCE))
    if activation is keras.activations.softmax or (activation is None and inside and sums_to_one):
        return "softmax"
    if activation is keras.activations.sigmoid or (activation is None and inside):
        raise ExportError(
            "Expected logits or a softmax at the model's end, for classes that exclude each other. "
            "Received: probabilities that do not sum to 1, as a sigmoid gives them. Train the model with a softmax."
        )
    return "logits"


def _last_activation(model: keras.Model) -> Any:
    """Returns the activation function of the model's last layer; None if that layer has no activation."""
    operations = model.operations if isinstance(model, keras.Function) else model.layers
    last = operations[-1]
    if isinstance(last, keras.Model):
        return _last_activation(last)
    return keras.activations.softmax if isinstance(last, keras.layers.Softmax) else getattr(last, "activation", None)


def _read_json(path: Path, name: str) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as file:
            content: dict[str, Any] = json.loads(file.read(name))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ExportError(
            f"Expected a .keras file. Received: {path} ({error}). "
            "Write one where the model was trained, by model.save('my.keras')."
        ) from error
    return content


def _foreign_code(config: Any) -> Iterator[str]:
    """Yields the names of the layers and functions in a model's configuration that are not Keras's own."""
    if isinstance(config, dict):
        module, kind = config.get("module"), config.get("class_name")
        if kind == "Lambda":
            yield f"Lambda {config['config']['name']}"
        elif kind and not kind.startswith("__") and not str(module).startswith("keras"):
            yield f"custom {config['config'] if kind == 'function' else kind}"
        yield from (name for key, value in config.items() if key != "compile_config" for name in _foreign_code(value))
    elif isinstance(config, list):
        yield from (name for value in config for name in _foreign_code(value))


def _some(shapes: list[tuple[int | None, ...]]) -> str:
    return " and ".join(str(("n", *shape[1:])).replace("'", "") for shape in shapes)
