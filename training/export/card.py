"""Writes the model card: the manifest as a page of Markdown for people. Pure, and it loads no library for training.

Everything in it comes from the manifest. The manifest of a model from elsewhere has gaps, which the card leaves out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from handler.contract import Conversion, Manifest, Metrics, SurePromise
from training.export.markdown import as_text, table
from training.export.trial_tables import render_trial

CARD_FILE = "MODEL_CARD.md"

_SHOWN_AS_FIGURES = {"parameters", "multiplications", "history"}


def render_card(manifest: Manifest) -> str:
    """Writes `MODEL_CARD.md`; names and values are text in it, never Markdown or HTML."""
    sections = (
        _introduction(manifest),
        _figures(manifest),
        _classes(manifest),
        _marks(manifest),
        render_trial(manifest.trial) if manifest.trial else "",
        "## Data\n\n" + table(("what", "value"), _flat(manifest.dataset), "Nothing is recorded of the data."),
        "## Training\n\n" + table(("what", "value"), _training(manifest.training), "Nothing is recorded of the training."),
        _limits(manifest),
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def _introduction(manifest: Manifest) -> str:
    shape, model = manifest.input, manifest.model
    colours = "grey" if shape.channels == 1 else "RGB"
    weights = {"dynamic-range": "int8 weights (dynamic range)", "float16": "weights in half precision", "none": "float weights"}
    return (
        f"# {as_text(manifest.name)} {as_text(manifest.version)}\n\n"
        "Written from `manifest.json` by `training/export/card.py`; changes made here are lost at the next export.\n\n"
        f"It tells images of {len(manifest.classes)} classes apart: {shape.height} by {shape.width} {colours} pixels in, the "
        "probability of each class out. The handler serves it, and writes the predictions of each object it is given.\n\n"
        f"{_conversion(manifest.conversion, colours)}\n\n"
        f"`model.tflite`: {model.size_bytes:,} bytes ({model.size_bytes / 2**20:.2f} MiB), {weights[model.quantisation]}, "
        f"sha256 `{model.sha256}`."
    )


def _conversion(conversion: Conversion, colours: str) -> str:
    if conversion.fit == "contain":
        return (
            f"Pictures of another size are turned upright, made {colours}, scaled until they just fit, and centred on a "
            f"background of {conversion.background} (0 is black, 255 white)."
        )
    return (
        "Photos and cut-outs are made what the photos of Fashion-MNIST became (arXiv:1708.07747, section 2): turned upright, "
        "trimmed, scaled, sharpened, centred on black, negated if the article is darker than its ground, and made "
        f"{colours} (revision {conversion.revision} of these rules). Grey pictures of the model's own size are at most "
        "negated, if their ground is white."
    )


def _figures(manifest: Manifest) -> str:
    metrics = manifest.metrics
    measured = (
        f"Measured through the LiteRT file on {metrics.images:,} test images."
        if metrics
        else "No labelled test images were at hand, so accuracy and calibration are unknown."
    )
    return f"## Figures\n\n{measured}\n\n" + table(("figure", "value"), _figure_rows(manifest), "")


def _figure_rows(manifest: Manifest) -> Iterator[tuple[str, str]]:
    metrics, in_float, agreement = manifest.metrics, manifest.metrics_in_float, manifest.agreement_with_float
    if metrics:
        yield "accuracy", f"{metrics.accuracy:.2%}"
        yield from _scaled_rows(metrics, manifest.metrics_before_scaling)
    if in_float:
        yield "accuracy before quantisation, in float", f"{in_float.accuracy:.2%}"
    if agreement is not None:
        yield "test images predicted the same in float", f"{agreement:.2%}"
    yield "temperature", f"{manifest.temperature:.3f}"
    for name, label in (("parameters", "parameters"), ("multiplications", "multiplications an image")):
        if name in manifest.training:
            value = manifest.training[name]
            yield label, f"{value:,}" if isinstance(value, int) else as_text(value)


def _scaled_rows(metrics: Metrics, before: Metrics | None) -> Iterator[tuple[str, str]]:
    likelihood, error = f"{metrics.negative_log_likelihood:.4f} nats", f"{metrics.expected_calibration_error:.4f}"
    if before:
        likelihood += f" ({before.negative_log_likelihood:.4f} before temperature scaling)"
        error += f" ({before.expected_calibration_error:.4f} before)"
    yield "negative log-likelihood", likelihood
    yield "expected calibration error, 15 equal-width bins", error


def _classes(manifest: Manifest) -> str:
    head: tuple[str, ...] = ("index", "class")
    rows: Iterator[tuple[str, ...]] = ((str(index), as_text(name)) for index, name in enumerate(manifest.classes))
    if manifest.metrics_by_class:
        head = (*head, "precision", "recall", "test images")
        rows = (
            (*row, f"{measured.precision:.1%}", f"{measured.recall:.1%}", f"{measured.images:,}")
            for row, measured in zip(rows, manifest.metrics_by_class, strict=True)
        )
    return "## Classes\n\n" + table(head, rows, "")


def name_threshold(manifest: Manifest) -> str | None:
    """Returns the confidence below which predictions are unsure, as text: a number, or the range of those of the classes."""
    thresholds = manifest.unsure_thresholds
    known = [value for value in thresholds or () if value < math.inf]
    if not known:
        return None
    low, high = min(known), max(known)
    return f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}, by the class,"


def _marks(manifest: Manifest) -> str:
    return f"## When it is unsure\n\n{_unsure(manifest)}\n\n## When an image is unfamiliar\n\n{_unfamiliar(manifest)}"


def _unsure(manifest: Manifest) -> str:
    threshold, promise = name_threshold(manifest), manifest.sure
    if threshold is None:
        return "No prediction is marked, since there is no confidence from which on it can be called sure." + (
            f" A test needs {promise.needed} predictions without a mistake at least, on images that were not learnt from; "
            f"there were {promise.images:,} images."
            if promise
            else ""
        )
    marked = f"Predictions with a confidence below {threshold} are marked `unsure`, to be looked at by a person."
    if promise is None:
        return f"{marked} At and above it, 99% were right on images held out of the training."
    return (
        f"{marked} Of the others at most {promise.max_wrong:.0%} are wrong, with a probability of {promise.probability:.0%}: "
        f"of {promise.images:,} images that were not learnt from, {promise.sure:,} were not unsure, and {promise.wrong:,} of "
        f"these wrong.{_judge(manifest)} {_whose(manifest, promise)}"
    )


def _judge(manifest: Manifest) -> str:
    """Says who judged the images that thresholds rest on, if it was not the model itself."""
    if "cross_validated_images" not in manifest.training:
        return ""
    return " They were judged by models like this one, which had learnt from the other images (cross-validation)."


def _whose(manifest: Manifest, promise: SurePromise) -> str:
    never = [name for name, value in zip(manifest.classes, manifest.unsure_thresholds or (), strict=False) if value == math.inf]
    alone = [manifest.classes[index] for index in promise.alone]
    said = "The bound holds for all classes together, since too few images of each were held out for bounds of their own."
    if alone:
        said = f"The bound holds for each of {as_text(alone)}" + (
            ", and for the other classes together." if len(alone) < len(manifest.classes) else "."
        )
    return f"{said} Every {as_text(never)} is marked." if never else said


def _unfamiliar(manifest: Manifest) -> str:
    threshold, promise = manifest.unfamiliar_below, manifest.familiar
    if threshold is None:
        return "No image is marked, since " + (
            f"a threshold needs {promise.needed} images that were not learnt from; there were {promise.images:,}."
            if promise
            else "the model has no output of familiarity."
        )
    bound = (
        f" Of images like those of the training, at most {promise.max_marked:.0%} are marked, with a probability of "
        f"{promise.probability:.0%}; the threshold rests on {promise.images:,} images that were not learnt from."
        f"{_judge(manifest)}"
        if promise
        else ""
    )
    marked = (
        f"Images with a familiarity below {threshold:.3g} are marked `unfamiliar`: they are not like those of the training."
    )
    return f"{marked}{bound}"


def _training(training: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    history = training.get("history")
    if isinstance(history, list | tuple):
        yield "epochs done", str(len(history))
    yield from _flat({name: value for name, value in training.items() if name not in _SHOWN_AS_FIGURES})


def _limits(manifest: Manifest) -> str:
    limits = [
        "It gives every image one of its classes, also one that shows none of them, and may be sure of it."
        if manifest.unfamiliar_below is None
        else "It gives every image one of its classes, also one that shows none; not all of these are marked unfamiliar."
    ]
    if manifest.dataset.get("name") == "fashion-mnist":
        if manifest.conversion.fit == "contain":
            limits.append("It knows one light article, centred on black; a photo on a light background is foreign to it.")
        else:
            limits.append("It knows one article on an even ground, without a person in it; another photo is foreign to it.")
        limits.append("Some labels of Fashion-MNIST are wrong (arXiv:1912.05283), in the training images and the test images.")
    if manifest.metrics:
        limits.append(
            "The figures are of this data set alone. Elsewhere expect less, also of the probabilities; measure there."
        )
    return "## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits)


def _flat(values: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    """Yields the values in a tree of mappings, each after the names that lead to it."""
    for name, value in values.items():
        path = f"{above}, {name}" if above else str(name)
        if isinstance(value, Mapping):
            yield from _flat(value, path)
        else:
            yield as_text(path.replace("_", " ")), as_text(value)
