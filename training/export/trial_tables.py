"""Writes the figures of a trial as tables of text, for the model card and the terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handler.contract import ChangedKind, ForeignKind, Trial
from training.export.markdown import as_text, table

CHANGED_HEAD = ("changed", "images", "right", "trusted", "of these right", "trusted at 95% right")
FOREIGN_HEAD = ("of no class", "images", "unfamiliar", "unsure", "marked", "AUROC", "left at 95% kept")

Rows = list[tuple[str, ...]]


def render_trial(trial: Trial) -> str:
    """Writes the section of the model card, in Markdown."""
    changed, foreign = (
        table(head, (tuple(map(as_text, row)) for row in rows))
        for head, rows in ((CHANGED_HEAD, changed_rows(trial.changed)), (FOREIGN_HEAD, foreign_rows(trial.foreign)))
    )
    return (
        "## On pictures that it was not made for\n\nMeasured by the documents of these pictures. Trusted are the predictions "
        "that are marked neither `unsure` nor `unfamiliar`; kinds whose name begins with c- are those of Fashion-MNIST-C.\n\n"
        f"{changed}\n\nPictures that show none of the classes; those called near are much like the classes' own. AUROC is of "
        f"the model's familiarity, against the test images, as is what is left where 95% of these are kept.\n\n{foreign}"
    )


def changed_rows(kinds: Sequence[ChangedKind]) -> Rows:
    """Writes a row for each kind, of which the first is of images as they are, and one for all others together."""
    rows: Rows = [
        (kind.name, f"{kind.images:,}", *map(_share, (kind.right, kind.trusted, kind.right_of_trusted, kind.coverage)))
        for kind in kinds
    ]
    changed = kinds[1:]
    together = (
        _mean([kind.right for kind in changed]),
        _mean([kind.trusted for kind in changed]),
        _mean([kind.right_of_trusted or 0.0 for kind in changed], [kind.trusted for kind in changed]),
        _mean([kind.coverage for kind in changed]),
    )
    return [*rows, ("all changes", f"{sum(kind.images for kind in changed):,}", *map(_share, together))]


def foreign_rows(kinds: Sequence[ForeignKind]) -> Rows:
    """Writes a row for each kind, and one for those together that are not near."""
    far = [kind for kind in kinds if not kind.is_near]
    shares = [[getattr(kind, name) for kind in far] for name in ("unfamiliar", "unsure", "marked")]
    rows: Rows = [
        (
            *(f"{kind.name} (near)" if kind.is_near else kind.name, f"{kind.images:,}"),
            *map(_share, (kind.unfamiliar, kind.unsure, kind.marked)),
            *("" if kind.auroc is None else f"{kind.auroc:.4f}", _share(kind.false_positives)),
        )
        for kind in kinds
    ]
    return [*rows, ("all that are not near", f"{sum(kind.images for kind in far):,}", *map(_share, map(_mean, shares)), "", "")]


def _mean(values: Sequence[float], weights: Sequence[float] | None = None) -> float | None:
    """Returns the mean over kinds, each of which counts the same unless `weights` says otherwise; None if nothing counts."""
    counts = sum(weights) if weights is not None else len(values)
    return float(np.average(values, weights=weights)) if counts else None


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
