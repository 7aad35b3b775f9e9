"""Measures and calibrates probabilities. Pure: arrays in, numbers out.

In every function, `probabilities` is `(n, classes)` float, each row summing to 1, and `labels` is `(n,)` int class indices.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.metrics import accuracy_score, log_loss, precision_recall_fscore_support

from handler.contract import ClassMetrics, Metrics

CALIBRATION_BINS = 15
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0


def measure(probabilities: np.ndarray, labels: np.ndarray) -> Metrics:
    """Measures the figures of the manifest over all images."""
    return Metrics(
        accuracy=float(accuracy_score(labels, probabilities.argmax(axis=1))),
        negative_log_likelihood=_negative_log_likelihood(probabilities, labels),
        expected_calibration_error=expected_calibration_error(probabilities, labels),
        images=len(labels),
    )


def measure_classes(probabilities: np.ndarray, labels: np.ndarray) -> tuple[ClassMetrics, ...]:
    """Measures precision and recall of each class, in index order."""
    indices = np.arange(probabilities.shape[1])
    precision, recall, _, images = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=indices, zero_division=0
    )
    return tuple(ClassMetrics(float(p), float(r), int(n)) for p, r, n in zip(precision, recall, images, strict=True))


def without_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Recovers `softmax(logits)` from probabilities that are `softmax(logits / temperature)`."""
    with np.errstate(divide="ignore"):  # a probability of 0 stays 0
        return np.asarray(softmax(temperature * np.log(probabilities.astype(np.float64)), axis=1))


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = CALIBRATION_BINS) -> float:
    """Returns the mean distance of accuracy from confidence over equal-width bins of confidence, weighted by images, 0..1.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599, equation 3.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(float((confidence[bin_of == b] - right[bin_of == b]).sum())) for b in range(bins)]
    return sum(gaps) / len(labels)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Finds the temperature at which `softmax(logits / temperature)` has the least negative log-likelihood.

    If every image is classified correctly, it is 1: without a mistake, more confidence always increases the likelihood.

    Args:
        logits: `(n, classes)` float, for images that the weights were not trained on.
        labels: `(n,)` int class indices.
    """
    if (logits.argmax(axis=1) == labels).all():
        return 1.0

    def loss(log_temperature: float) -> float:
        rows = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(rows[np.arange(len(labels)), labels].mean())

    found = minimize_scalar(loss, bounds=tuple(np.log((MIN_TEMPERATURE, MAX_TEMPERATURE))), method="bounded")
    return float(np.exp(found.x))


def accuracy_by_coverage(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measures the accuracy if only the most confident prediction is kept, the two most confident ones, and so on up to all.

    Source: El-Yaniv and Wiener, "On the Foundations of Noise-free Selective Classification", JMLR 11, 2010.

    Returns:
        The fraction of images that is kept, and the accuracy on them, both `(n,)` float, 0..1.
    """
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    right = (probabilities.argmax(axis=1) == labels)[order]
    kept = np.arange(1, len(labels) + 1)
    return kept / len(labels), np.cumsum(right) / kept


def confident_mistakes(probabilities: np.ndarray, labels: np.ndarray, limit: int) -> np.ndarray:
    """Returns the positions of at most `limit` wrong predictions, `(m,)` int, the most confident one first."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:limit]


def _negative_log_likelihood(probabilities: np.ndarray, labels: np.ndarray) -> float:
    # float32 rows sum to 1 within 1e-6, which log_loss warns about; in float64 the rows are brought to exactly 1.
    rows = probabilities.astype(np.float64)
    rows /= rows.sum(axis=1, keepdims=True)
    return float(log_loss(labels, rows, labels=np.arange(rows.shape[1])))
