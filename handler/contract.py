"""Defines what training promises and the handler relies on: the artifact's manifest, its classes and its pixels.

An artifact is a directory of `model.tflite` and `manifest.json`. The manifest is written last, so its presence means that the
artifact is complete. The graph takes raw uint8 pixels `(n, height, width, channels)`, 0..255, and returns calibrated softmax
probabilities `(n, classes)` float32; it may have a second output, a familiarity score `(n,)` float32. No AWS, no LiteRT and no
files here: bytes in, values out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

MODEL_FILE = "model.tflite"
MANIFEST_FILE = "manifest.json"

Natural = Annotated[int, msgspec.Meta(ge=1)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class PixelShape(msgspec.Struct, frozen=True):
    """The size, in pixels, of the images that the model takes; one channel is grey, three channels are RGB."""

    height: Natural
    width: Natural
    channels: Literal[1, 3]

    @property
    def as_tuple(self) -> tuple[int, int, int]:
        """The size as `(height, width, channels)`."""
        return (self.height, self.width, self.channels)


class Conversion(msgspec.Struct, frozen=True):
    """The way in which a foreign image is brought to the model's size.

    `contain` scales the image until it just fits, keeping its proportions, and centres it on `background` (0..255, every
    channel). An image that has the right size already is taken as it is. Colour becomes grey by ITU-R 601 luma; transparent
    pixels show the background.

    `fashion-mnist` makes a picture of one article what that data set's photos became: edges close to the ground's colour
    (within 5%) are trimmed, the longest edge is scaled to fit, outlines are sharpened, and the article is centred on black,
    negated if it is darker than its ground, and made grey. Source: Xiao, Rasul, Vollgraf, arXiv:1708.07747, section 2. The
    conversion deviates from this source where users' pictures vary more than the photos of one shop:

    - The shop's ground was white. Here the ground is the colour of the corners, or of most of the border if an article covers a
      corner; it may change evenly between corners. The ground becomes 0, and the largest possible difference from it 255, so
      that grey ground is black too.
    - Where an uneven ground shows at the border, Otsu's threshold takes the place of the 5%. Whatever is not part of the
      article, or of a part at least a tenth as large as its largest, becomes black.
    - A cut-out is what its alpha covers, so a white article is seen too. It is negated as if it lay on white, and made stronger
      if it is faint then, unless it is nearly white or is lighter inside than at its rim. A rectangle of a picture with a
      ground of its own, within transparent margins, is no cut-out but a photo.
    - Pixels are averaged, and all of them are sharpened, where the source skips rows and columns and sharpens near outlines:
      this measured better on held-out images (see `handler.conversion`).

    A grey picture of the right size keeps every pixel in its place: it is taken as it is, or negated if at least three corners
    agree on a white ground or if it is a dark cut-out; if they agree on a light grey, it is converted as other pictures are. An
    image in which nothing differs from the ground becomes black.

    `revision` counts the changes of these rules. It is 1 in an artifact that does not state it, since this was the first. The
    handler knows the present rules alone and applies them to artifacts of earlier revisions too; it refuses a later revision
    than it knows. Documents belong to the digest of the manifest, so those made by earlier rules stay until the manifest
    changes.
    """

    fit: Literal["contain", "fashion-mnist"] = "contain"
    background: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0
    revision: Natural = 1


class ModelFile(msgspec.Struct, frozen=True):
    """The identity of `model.tflite`; `quantisation` says how its weights are stored."""

    sha256: Sha256
    size_bytes: Natural
    quantisation: Literal["none", "dynamic-range", "float16"]


class Metrics(msgspec.Struct, frozen=True):
    """The metrics that were measured on the test images.

    `expected_calibration_error` is over 15 equal-width bins of confidence; `negative_log_likelihood` is in nats an image.
    """

    accuracy: Fraction
    negative_log_likelihood: float
    expected_calibration_error: Fraction
    images: Natural


class ClassMetrics(msgspec.Struct, frozen=True):
    """The metrics of one class, whose test images are `images` in number.

    `precision` is the fraction of the predictions of this class that were right, 0 if the class was never predicted. `recall`
    is the fraction of the images of this class that were predicted as such, 0 if there were none.
    """

    precision: Fraction
    recall: Fraction
    images: int


class Scores(msgspec.Struct, frozen=True):
    """The outputs of the graph for a batch of `n` images.

    `probabilities` is `(n, classes)` float32, 0..1, each row summing to 1. `familiarity` is `(n,)` float32, larger for images
    that are more like the training data; it is None if the graph has no such output.
    """

    probabilities: np.ndarray
    familiarity: np.ndarray | None = None

    @classmethod
    def joined(cls, parts: Sequence[Scores]) -> Scores:
        """Returns the scores of several batches of one graph, at least one, as those of one batch."""
        familiarities = [part.familiarity for part in parts if part.familiarity is not None]
        probabilities = np.concatenate([part.probabilities for part in parts])
        return cls(probabilities, np.concatenate(familiarities) if familiarities else None)

    def singly(self) -> Iterator[Scores]:
        """Yields the scores of each image of the batch, as those of a batch of its own."""
        for end in range(1, len(self.probabilities) + 1):
            one = slice(end - 1, end)
            yield Scores(self.probabilities[one], None if self.familiarity is None else self.familiarity[one])


class Golden(msgspec.Struct, frozen=True, omit_defaults=True):
    """A few images and the outputs that the model must give them, verified whenever the model is loaded.

    `images` holds uint8 pixels `(n, height, width, channels)` in C order, in base64; `probabilities` is `(n, classes)`, and
    `familiarity` is `(n,)`, or None if the model has no such output.
    """

    images: bytes
    probabilities: tuple[tuple[float, ...], ...]
    familiarity: tuple[float, ...] | None = None


class SurePromise(msgspec.Struct, frozen=True):
    """The promise of `unsure_below`: with `probability`, at most `max_wrong` of the predictions that are not unsure are wrong.

    It was tested on `images` images that were not learnt from, of whose predictions `sure` are not unsure, and `wrong` of these
    are wrong. A test needs `needed` sure predictions without a mistake at least. For the classes whose indices are in `alone`
    the bound holds for each, since there were enough images for a test of their own; for the others it holds for all of them
    together.
    """

    max_wrong: Fraction
    probability: Fraction
    images: int
    sure: int
    wrong: int
    needed: int
    alone: tuple[int, ...] = ()


class UnfamiliarPromise(msgspec.Struct, frozen=True):
    """The promise of `unfamiliar_below`: with `probability`, at most `max_marked` of familiar images are marked unfamiliar.

    It rests on `images` images that were not learnt from, of which `needed` are needed at least.
    """

    max_marked: Fraction
    probability: Fraction
    images: int
    needed: int


class ChangedKind(msgspec.Struct, frozen=True, kw_only=True):
    """How a model stands one kind of change of its test images, in shares of these.

    `trusted` images have neither mark, and `coverage` is the share of the images, those with the highest confidence among the
    trusted, up to which 95 in 100 are right.
    """

    name: str
    images: Natural
    right: Fraction
    trusted: Fraction
    right_of_trusted: Fraction | None
    coverage: Fraction


class ForeignKind(msgspec.Struct, frozen=True, kw_only=True):
    """How a model stands one kind of images that show none of its classes, in shares of these.

    `marked` images have one of the marks at least. `auroc` says how well familiarity ranks test images before these, and
    `false_positives` how many of these are left where 95 in 100 test images are kept.
    """

    name: str
    is_near: bool
    images: Natural
    unfamiliar: Fraction
    unsure: Fraction
    marked: Fraction
    auroc: Fraction | None
    false_positives: Fraction | None


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """How a model stands images that it was not made for, measured through documents."""

    changed: tuple[ChangedKind, ...]
    foreign: tuple[ForeignKind, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="coatcheck.artifact/1"):
    """The description of an artifact. `classes` are the names of the classes in index order.

    `unsure_below` is the confidence under which a prediction is marked unsure. It is one number, or one for each class, which
    is None for a class whose predictions are all unsure. `unfamiliar_below` is the familiarity under which an image is marked
    unfamiliar, in the unit of the graph's second output. `sure` and `familiar` say what is promised of them; an artifact of
    before 2.0.0 does not tell.

    `metrics` are of the model file itself, as LiteRT runs it, `metrics_before_scaling` of the same logits at temperature 1, and
    `metrics_in_float` of the network before its weights were quantised, whose predictions the file shares on
    `agreement_with_float` of the test images; all of these are missing if there were no labelled images. `trial` is of changed
    images, and of images of other things. `dataset` and `training` tell people where the figures come from.
    """

    name: Annotated[str, msgspec.Meta(min_length=1)]
    version: Annotated[str, msgspec.Meta(min_length=1)]
    classes: Annotated[tuple[str, ...], msgspec.Meta(min_length=2)]
    input: PixelShape
    conversion: Conversion
    model: ModelFile
    temperature: float
    unsure_below: Fraction | tuple[Fraction | None, ...] | None = None
    unfamiliar_below: float | None = None
    sure: SurePromise | None = None
    familiar: UnfamiliarPromise | None = None
    metrics: Metrics | None = None
    metrics_before_scaling: Metrics | None = None
    metrics_in_float: Metrics | None = None
    agreement_with_float: Fraction | None = None
    metrics_by_class: tuple[ClassMetrics, ...] = ()
    trial: Trial | None = None
    dataset: dict[str, Any]
    training: dict[str, Any]
    golden: Golden

    @property
    def unsure_thresholds(self) -> tuple[float, ...] | None:
        """The confidence of each class under which its predictions are unsure, in index order; None if none is known.

        It is infinite for a class whose predictions are all unsure.
        """
        threshold = self.unsure_below
        if threshold is None:
            return None
        each = threshold if isinstance(threshold, tuple) else (threshold,) * len(self.classes)
        return tuple(math.inf if value is None else value for value in each)


class Model(msgspec.Struct, frozen=True):
    """A verified artifact: its manifest, and `classify`, which takes `(n, height, width, channels)` uint8, 0..255.

    `manifest_sha256` is the digest of the file `manifest.json`, and so of everything that decides the artifact's results.
    """

    manifest: Manifest
    classify: Callable[[np.ndarray], Scores]
    manifest_sha256: str


def parse_manifest(text: bytes) -> Manifest:
    """Parses the content of `manifest.json`.

    Raises:
        ValueError: `text` is not JSON, or not of schema `coatcheck.artifact/1`; the message names the place in the file.
    """
    try:
        return msgspec.json.decode(text, type=Manifest)
    except RecursionError as error:
        raise ValueError(str(error)) from error


def render_manifest(manifest: Manifest) -> bytes:
    """Returns the content of `manifest.json`, indented, for people to read and diff."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def golden_images(manifest: Manifest) -> np.ndarray:
    """Returns the pixels of the golden batch, `(n, height, width, channels)` uint8, 0..255.

    Raises:
        ValueError: the bytes are not a whole number of images of the model's size.
    """
    return np.frombuffer(manifest.golden.images, np.uint8).reshape(-1, *manifest.input.as_tuple)
