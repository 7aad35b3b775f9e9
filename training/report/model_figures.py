"""Draws the performance of a model: learning curves, confusion, calibration, coverage, mistakes. Pure: arrays in, figures out.

In every function, `probabilities` is `(n, classes)` float, each row summing to 1; `names` are the class names; `labels` is
`(n,)` int, indices into `names`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.calibration import calibration_curve

from handler.contract import ClassMetrics, Scores
from training.export.metrics import CALIBRATION_BINS, accuracy_by_coverage, expected_calibration_error
from training.network.runs import Epoch
from training.report.data_figures import name_rows
from training.report.figures import BLUE, GREY, ORANGE, RED, name_size, new_figure, plain, row_inches, shown
from training.report.tiles import draw_tiles

_MIN_BIN_IMAGES = 20  # the accuracy on fewer is mostly chance
_MAX_NUMBERED_CLASSES = 20  # a larger confusion matrix is drawn without numbers


def draw_learning_curves(history: Sequence[Epoch]) -> Figure:
    """Draws loss, accuracy and learning rate at the end of each epoch."""
    figure = new_figure(9, 8)
    loss, accuracy, rate = (plain(axes, grid="both") for axes in figure.subplots(3, sharex=True, height_ratios=(3, 3, 2)))
    epochs = np.arange(1, len(history) + 1)
    marker = "." if len(history) < 50 else ""
    for axes, name, factor in ((loss, "loss", 1), (accuracy, "accuracy", 100)):
        for prefix, colour, style, label in (("", GREY, "--", "training, augmented"), ("held_out_", BLUE, "-", "held out")):
            values = [factor * getattr(epoch, prefix + name) for epoch in history]
            axes.plot(epochs, values, style, marker=marker, color=colour, label=label)
    rate.plot(epochs, [epoch.learning_rate for epoch in history], marker=marker, color=ORANGE)
    loss.set_ylabel("cross-entropy (nats an image)")
    accuracy.set_ylabel("accuracy (%)")
    rate.set_ylabel("learning rate")
    rate.set_xlabel("epoch")
    rate.xaxis.set_major_locator(MaxNLocator(integer=True))
    loss.legend(frameon=False)
    loss.set_title("Learning curves", loc="left")
    return figure


def draw_confusion(counts: np.ndarray, names: Sequence[str]) -> Figure:
    """Draws a confusion matrix `(classes, classes)` int, a row for each true class and a column for each predicted one."""
    classes = len(names)
    side = 2.6 + (0.62 if classes <= _MAX_NUMBERED_CLASSES else row_inches(classes)) * classes
    figure = new_figure(side + 0.9, side)
    axes = figure.subplots()
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # A good model's predictions are mostly on the diagonal; the square root makes mistakes of one in a hundred visible too.
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 100))
    if classes <= _MAX_NUMBERED_CLASSES:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 40 else "0.6" if count == 0 else "black"
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=9)
    name_rows(axes, names)
    ticks = [shown(name) for name in names]
    axes.set_xticks(range(classes), ticks, fontsize=name_size(classes), rotation=45, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title("Confusion matrix (images)", loc="left")
    figure.colorbar(image, label="share of the true class (%)", shrink=0.7, ticks=[0, 1, 5, 10, 25, 50, 75, 100])
    return figure


def draw_reliability(before: np.ndarray, after: np.ndarray, labels: np.ndarray) -> Figure:
    """Draws accuracy over confidence, above a histogram, for the probabilities before and after temperature scaling."""
    figure = new_figure(10, 6)
    panels = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3, 1))
    for column, (name, probabilities) in enumerate((("before", before), ("after", after))):
        error = expected_calibration_error(probabilities, labels)
        panels[0, column].set_title(f"{name.capitalize()} scaling: calibration error {error:.4f}", loc="left")
        _reliability(plain(panels[0, column], grid="both"), plain(panels[1, column], grid="y"), probabilities, labels)
    panels[0, 0].set_ylabel("accuracy (%)")
    panels[1, 0].set_ylabel("images (%)")
    panels[0, 0].legend(frameon=False, loc="lower right")
    return figure


def _reliability(curve: Axes, histogram: Axes, probabilities: np.ndarray, labels: np.ndarray) -> None:
    confidence, right = np.clip(probabilities.max(axis=1), 0, 1), probabilities.argmax(axis=1) == labels
    values = [100 * value for value in calibration_curve(right, confidence, n_bins=CALIBRATION_BINS)]
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    images = np.bincount(np.searchsorted(edges[1:-1], confidence))  # as calibration_curve sorts them
    many = images[images > 0] >= _MIN_BIN_IMAGES
    (accuracy, mean), (few_accuracy, few_mean) = [[each[chosen] for each in values] for chosen in (many, ~many)]
    curve.plot([0, 100], [0, 100], "--", color=GREY, label="as often right as confident")
    curve.vlines(mean, mean, accuracy, color=RED, linewidth=2, label="gap")
    curve.plot(mean, accuracy, "o-", color=BLUE, label="images of a bin")
    curve.plot(few_mean, few_accuracy, "o", color=BLUE, markerfacecolor="white", label=f"fewer than {_MIN_BIN_IMAGES} images")
    share = np.full(len(labels), 100 / len(labels))
    histogram.hist(100 * confidence, (100 * edges).tolist(), weights=share, color=BLUE, edgecolor="white")
    histogram.set_xlabel("confidence (%)")


def draw_coverage(probabilities: np.ndarray, labels: np.ndarray, thresholds: tuple[float, ...] | None) -> Figure:
    """Draws the accuracy on the most confident predictions over the fraction that is kept, and marks the sure ones.

    `thresholds` are the confidences of each class from which on predictions are sure; None if no prediction is.
    """
    coverage, accuracy = (100 * values for values in accuracy_by_coverage(probabilities, labels))
    figure = new_figure(9, 5)
    axes = plain(figure.subplots(), grid="both")
    axes.plot(coverage, accuracy, color=BLUE, linewidth=2)
    marks = [(100.0, accuracy[-1], "all", GREY)]
    predicted = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1) >= np.array(thresholds)[predicted] if thresholds else np.zeros(len(labels), bool)
    if sure.any():
        marks.append((100 * float(sure.mean()), 100 * float((predicted == labels)[sure].mean()), "not unsure", ORANGE))
    for kept, right, name, colour in marks:
        axes.plot(kept, right, "o", color=colour, markersize=9)
        text = f"{name}: {kept:.1f}% of the images,\n{right:.2f}% right"
        axes.annotate(text, (kept, right), (-12, -8), textcoords="offset points", ha="right", va="top")
    low = accuracy[len(labels) // 50 :].min()  # the first few images make large steps by chance
    axes.set(xlim=(0, 101.5), ylim=(low - 0.15 * (100.5 - low), 100 + 0.04 * (100.5 - low)))
    axes.set_xlabel("coverage: images kept, the most confident ones first (%)")
    axes.set_ylabel("accuracy on them (%)")
    axes.set_title("Accuracy against coverage", loc="left")
    return figure


def draw_predictions(title: str, images: np.ndarray, labels: np.ndarray, scores: Scores, names: Sequence[str]) -> Figure:
    """Draws images, each under its true class, its predicted class, its confidence and, if there is one, its familiarity.

    Args:
        title: the title.
        images: `(m, height, width, channels)` uint8, 0..255.
        labels: the true classes, `(m,)` int.
        scores: what the model says of the images.
        names: the class names.
    """
    predicted, confidence = scores.probabilities.argmax(axis=1), scores.probabilities.max(axis=1)
    captions = [
        f"labelled {shown(names[label])}\npredicted {shown(names[prediction])}\nconfidence {sure:.3f}"
        for label, prediction, sure in zip(labels, predicted, confidence, strict=True)
    ]
    if scores.familiarity is not None:
        captions = [f"{text}\nfamiliarity {value:.3f}" for text, value in zip(captions, scores.familiarity, strict=True)]
    return draw_tiles(title, images, captions)


def draw_class_metrics(metrics: Sequence[ClassMetrics], names: Sequence[str]) -> Figure:
    """Draws precision and recall of each class, with a line between them."""
    figure = new_figure(9, 1.5 + row_inches(len(names)) * len(names))
    axes = plain(figure.subplots(), grid="both")
    precision, recall = (np.array([100 * getattr(each, name) for each in metrics]) for name in ("precision", "recall"))
    places = np.arange(len(names))
    axes.hlines(places, precision, recall, color="0.7", linewidth=2)
    axes.plot(precision, places, "o", color=BLUE, markersize=8, label="precision")
    axes.plot(recall, places, "s", color=ORANGE, markersize=7, label="recall")
    name_rows(axes, names)
    axes.set_xlabel("precision and recall (%)")
    axes.set_title("Precision and recall of each class", loc="left")
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    return figure
