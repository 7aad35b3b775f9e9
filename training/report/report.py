"""Shows the performance of a model. It needs the artifact and the data set only, and nothing else that training leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from handler.contract import ClassMetrics, Manifest, Scores
from handler.model import Model
from training.artifact import score
from training.data.dataset import Dataset, Split
from training.export.metrics import confident_mistakes, measure, measure_classes, without_temperature
from training.network.runs import Epoch
from training.report.figures import render_png
from training.report.model_figures import (
    draw_class_metrics,
    draw_confusion,
    draw_coverage,
    draw_learning_curves,
    draw_predictions,
    draw_reliability,
)
from training.report.page import Picture, write_page

DRAWN = 40  # images in a picture of mistakes, or of images

_TEXTS = {
    "learning-curves": (
        "Learning curves",
        (
            "A held-out loss that rises while the training loss falls is a sign of overfitting. Training images are augmented, "
            "and therefore harder; the weights that ship are averaged, and therefore better than those of any epoch."
        ),
    ),
    "confusion": (
        "Confusion matrix",
        "A row is a true class, a column a predicted class; the predictions off the diagonal are wrong.",
    ),
    "reliability": (
        "Reliability",
        "On the dashed line, confidence equals accuracy; above it predictions are underconfident, below it overconfident.",
    ),
    "coverage": (
        "Accuracy against coverage",
        (
            "The accuracy if the least confident predictions are left to a person. The orange mark is of the predictions "
            "that are not called unsure, by a threshold for each class; without it there is no threshold."
        ),
    ),
    "mistakes": (
        "The most confident mistakes",
        "The wrong predictions with the highest confidence; check whether the label is right before blaming the model.",
    ),
    "unfamiliar": (
        "The least familiar test images",
        (
            "The test images that are least like the training images, as the model sees them, whether their predictions are "
            "right or wrong. An image that does not belong here at all is a fault of the data."
        ),
    ),
    "classes": (
        "Precision and recall",
        "Precision is the share of a class's predictions that are right, recall the share of its images that are found.",
    ),
}


def report(model: Model, dataset: Dataset, out: Path) -> list[Path]:
    """Writes the pictures of a model and their page into `out`, which is created if it is missing.

    Args:
        model: the model.
        dataset: its data set; the test images are scored.
        out: the folder of the files.

    Returns:
        The paths of the files.
    """
    manifest, test = model.manifest, dataset.test
    scores = score(model, test.images)
    history = read_history(manifest)
    figures = ({"learning-curves": draw_learning_curves(history)} if history else {}) | _draw(manifest, test, scores)
    pictures = [Picture(f"{name}.png", *_TEXTS[name], render_png(figure)) for name, figure in figures.items()]
    notes = _notes(manifest, dataset, scores, has_history=bool(history))
    return write_page(out, f"{manifest.name} {manifest.version}", notes, pictures)


def read_history(manifest: Manifest) -> tuple[Epoch, ...]:
    """Reads the measurements of each epoch from the manifest; returns none if it has none, as for a model from elsewhere."""
    try:
        return msgspec.convert(manifest.training.get("history", ()), tuple[Epoch, ...])
    except msgspec.ValidationError:
        return ()


def _draw(manifest: Manifest, test: Split, scores: Scores) -> dict[str, Figure]:
    names, labels, probabilities = manifest.classes, test.labels, scores.probabilities
    before = without_temperature(probabilities, manifest.temperature)
    counts = confusion_matrix(labels, probabilities.argmax(axis=1), labels=np.arange(len(names)))

    def draw(title: str, chosen: np.ndarray) -> Figure:
        return draw_predictions(title, test.images[chosen], labels[chosen], _choose(scores, chosen), names)

    wrong = confident_mistakes(probabilities, labels, DRAWN)
    unfamiliar = None if scores.familiarity is None else np.argsort(scores.familiarity, kind="stable")[:DRAWN]
    return {
        "confusion": draw_confusion(counts, names),
        "reliability": draw_reliability(before, probabilities, labels),
        "coverage": draw_coverage(probabilities, labels, manifest.unsure_thresholds),
        "mistakes": draw(_TEXTS["mistakes"][0] if len(wrong) else "No mistakes", wrong),
        **({} if unfamiliar is None else {"unfamiliar": draw(_TEXTS["unfamiliar"][0], unfamiliar)}),
        "classes": _draw_classes(names, measure_classes(probabilities, labels)),
    }


def _choose(scores: Scores, chosen: np.ndarray) -> Scores:
    return Scores(scores.probabilities[chosen], None if scores.familiarity is None else scores.familiarity[chosen])


def _draw_classes(names: Sequence[str], metrics: Sequence[ClassMetrics]) -> Figure:
    """Draws the classes that there are images of."""
    shown = [(name, one) for name, one in zip(names, metrics, strict=True) if one.images]
    return draw_class_metrics([one for _, one in shown], [name for name, _ in shown])


def _notes(manifest: Manifest, dataset: Dataset, scores: Scores, *, has_history: bool) -> list[str]:
    metrics = measure(scores.probabilities, dataset.test.labels)
    measured = (
        f"Measured through the LiteRT file on the {metrics.images:,} test images of {dataset.name}: "
        f"{metrics.accuracy:.2%} right, negative log-likelihood {metrics.negative_log_likelihood:.4f} nats, "
        f"expected calibration error {metrics.expected_calibration_error:.4f}, temperature {manifest.temperature:.3f}."
    )
    notes = [measured]
    if manifest.dataset.get("md5_of_content") != dataset.checksums:
        notes.append("These are other data than the manifest names, so these figures differ from the manifest's.")
    if not has_history:
        notes.append("The manifest holds no history of the training, so there are no learning curves.")
    if scores.familiarity is None:
        notes.append("The model does not tell how familiar an image is, so the least familiar test images are not shown.")
    return notes
