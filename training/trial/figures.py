"""Computes the figures of a trial. Pure: marks and scores in, figures out."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score

from handler.contract import ChangedKind, ForeignKind
from training.trial.marks import Marked

PRECISION = 0.95  # at which coverage is stated
KEPT = 0.95  # the share of the model's own images that are kept where false positives are stated, as OpenOOD does


def judge_changed(name: str, marked: Marked, labels: np.ndarray) -> ChangedKind:
    """Tells how a model stands a change of images whose true classes are known, `(n,)` int."""
    right, trusted = marked.classes == labels, marked.is_trusted
    return ChangedKind(
        name=name,
        images=len(labels),
        right=float(right.mean()),
        trusted=float(trusted.mean()),
        right_of_trusted=float(right[trusted].mean()) if trusted.any() else None,
        coverage=coverage(marked.confidence[trusted], right[trusted]) * float(trusted.mean()),
    )


def coverage(confidence: np.ndarray, right: np.ndarray) -> float:
    """Returns the largest share of predictions, the most confident ones, of which `PRECISION` are right, 0..1."""
    if not len(right):
        return 0.0
    ordered = right[np.argsort(-confidence, kind="stable")]
    reached = np.flatnonzero(np.cumsum(ordered) >= PRECISION * np.arange(1, len(ordered) + 1) - 1e-9)
    return float((reached[-1] + 1) / len(ordered)) if len(reached) else 0.0


def judge_foreign(
    name: str, marked: Marked, familiarity: np.ndarray | None, own: np.ndarray | None, *, is_near: bool
) -> ForeignKind:
    """Tells how a model stands images of none of its classes.

    Args:
        name: the name of the kind.
        marked: what documents say of the images.
        familiarity: that of the images, `(n,)`; None if the model has none.
        own: the familiarity of images of the model's classes, `(m,)`.
        is_near: whether the images are much like those of the model's classes.
    """
    ranked = None if familiarity is None or own is None else (_auroc(own, familiarity), _left(own, familiarity))
    return ForeignKind(
        name=name,
        is_near=is_near,
        images=len(marked.classes),
        unfamiliar=float(marked.is_unfamiliar.mean()),
        unsure=float(marked.is_unsure.mean()),
        marked=float((~marked.is_trusted).mean()),
        auroc=ranked[0] if ranked else None,
        false_positives=ranked[1] if ranked else None,
    )


def _auroc(own: np.ndarray, foreign: np.ndarray) -> float:
    return float(roc_auc_score(np.arange(len(own) + len(foreign)) < len(own), np.concatenate([own, foreign])))


def _left(own: np.ndarray, foreign: np.ndarray) -> float:
    return float((foreign >= np.quantile(own, 1 - KEPT)).mean())
