"""What training promises and the handler relies on: the artifact's manifest, its classes, its pixels.

An artifact is a directory of `model.tflite` and `manifest.json`, the manifest written last: its presence means that the
artifact is complete. The graph takes raw uint8 pixels `(n, height, width, channels)`, 0..255, and returns calibrated
softmax probabilities `(n, classes)` float32; it may have a second output, a familiarity score `(n,)` float32. No AWS, no LiteRT
and no files here: bytes in, values out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

MODEL_FILE = "model.tflite"
MANIFEST_FILE = "manifest.json"

Natural = Annotated[int, msgspec.Meta(ge=1)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class PixelShape(msgspec.Struct, frozen=True):
    """The size of one image as the model takes it, in pixels; one channel is grey, three are RGB."""

    height: Natural
    width: Natural
    channels: Literal[1, 3]

    @property
    def as_tuple(self) -> tuple[int, int, int]:
        """`(height, width, channels)`."""
        return (self.height, self.width, self.channels)


class Conversion(msgspec.Struct, frozen=True):
    """How a foreign image is brought to the model's size.

    `contain` scales the image until it just fits, keeping its proportions, and centres it on `background` (0..255, every
    channel). An image that has the right size already is taken as it is. Colour becomes grey by ITU-R 601 luma;
    transparent pixels show the background.

    `fashion-mnist` makes a photo of one article what that data set's photos became: edges close to the ground's colour
    (within 5%) are trimmed, the longest edge is scaled to fit, outlines are sharpened, the article is centred on black,
    negated and made grey. A grey image of the right size is taken as it is, as by `contain`. Source: Xiao, Rasul, Vollgraf,
    arXiv:1708.07747, section 2. Where this deviates, it is because photos vary more than those of one shop:

    - Their ground was white. Here it is what the corners show, or most of the border where an article covers a corner, and
      may change evenly between corners; it becomes 0, and what differs most from it 255, so that grey ground is black too.
    - A dark ground is not negated. Transparent pixels count as white, since cut-outs are made for white pages.
    - Pixels are averaged and all of them sharpened, where the paper skips rows and columns and sharpens near outlines: it
      measured better on held-out images (see `handler.conversion`).

    What is lighter than a light ground stays black, as in the data set, which left out white articles for that. Of an image
    in which nothing differs from the ground nothing is seen: it becomes black.
    """

    fit: Literal["contain", "fashion-mnist"] = "contain"
    background: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0


class ModelFile(msgspec.Struct, frozen=True):
    """The identity of `model.tflite`; `quantisation` says how its weights are stored."""

    sha256: Sha256
    size_bytes: Natural
    quantisation: Literal["none", "dynamic-range"]


class Metrics(msgspec.Struct, frozen=True):
    """What was measured on the test images, through the LiteRT file itself.

    `expected_calibration_error` is over 15 equal-width bins of confidence; `negative_log_likelihood` is in nats an image.
    """

    accuracy: Fraction
    negative_log_likelihood: float
    expected_calibration_error: Fraction
    images: Natural


class ClassMetrics(msgspec.Struct, frozen=True):
    """Of one class: how many predictions of it were right, how many of its images were found, and how many there were.

    `precision` is 0 if the class was never predicted, `recall` 0 if it had no images.
    """

    precision: Fraction
    recall: Fraction
    images: int


@dataclass(frozen=True, slots=True)
class Scores:
    """What the graph says of a batch of `n` images.

    `probabilities` is `(n, classes)` float32, 0..1, each row summing to 1. `familiarity` is `(n,)` float32, larger for images
    that are more like the training data; None if the graph has no such output.
    """

    probabilities: np.ndarray
    familiarity: np.ndarray | None = None


class Golden(msgspec.Struct, frozen=True):
    """A few images and the probabilities that the model must give them, checked whenever it is loaded.

    `images` holds uint8 pixels `(n, height, width, channels)` in C order, in base64; `probabilities` is `(n, classes)`.
    """

    images: bytes
    probabilities: tuple[tuple[float, ...], ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="coatcheck.artifact/1"):
    """The artifact's description of itself. `classes` are names in index order.

    `unsure_below` is the confidence under which a prediction is marked unsure: at and above it, 99% of the held-out
    predictions were right. `metrics` are of the file as it is, `metrics_before_scaling` of the same logits at temperature 1,
    and `metrics_in_float` of the network before its weights were quantised, whose predictions the file shares on
    `agreement_with_float` of the test images; they are missing where no labelled images were at hand. `dataset` and
    `training` are for people: they tell where the figures come from.
    """

    name: Annotated[str, msgspec.Meta(min_length=1)]
    version: Annotated[str, msgspec.Meta(min_length=1)]
    classes: Annotated[tuple[str, ...], msgspec.Meta(min_length=2)]
    input: PixelShape
    conversion: Conversion
    model: ModelFile
    temperature: float
    unsure_below: Fraction | None = None
    metrics: Metrics | None = None
    metrics_before_scaling: Metrics | None = None
    metrics_in_float: Metrics | None = None
    agreement_with_float: Fraction | None = None
    metrics_by_class: tuple[ClassMetrics, ...] = ()
    dataset: dict[str, Any]
    training: dict[str, Any]
    golden: Golden


@dataclass(frozen=True, slots=True)
class Model:
    """A verified artifact: its manifest, and `classify`, which takes `(n, height, width, channels)` uint8, 0..255."""

    manifest: Manifest
    classify: Callable[[np.ndarray], Scores]


def parse_manifest(text: bytes) -> Manifest:
    """Reads `manifest.json`.

    Raises:
        ValueError: `text` is not JSON, or not of schema `coatcheck.artifact/1`; the message names the place.
    """
    return msgspec.json.decode(text, type=Manifest)


def render_manifest(manifest: Manifest) -> bytes:
    """Writes `manifest.json`, indented, for people to read and diff."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def golden_images(manifest: Manifest) -> np.ndarray:
    """The golden batch's pixels: `(n, height, width, channels)` uint8.

    Raises:
        ValueError: the bytes are not a whole number of images of the model's size.
    """
    return np.frombuffer(manifest.golden.images, np.uint8).reshape(-1, *manifest.input.as_tuple)
