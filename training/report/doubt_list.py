"""Shows doubtful labels: as a list for programs and spreadsheets, as a picture, and in sentences. Pure."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
from matplotlib.figure import Figure

from training.data.dataset import Dataset, Split
from training.report.doubts import MIN_CLASS_IMAGES, Doubt, Doubts, find_doubts
from training.report.figures import shown
from training.report.judges import MIN_AGREEMENT, NEIGHBOURS
from training.report.likeness import describe
from training.report.tiles import draw_tiles

DRAWN = 40

_COLUMNS = (
    *("part", "position", "file", "label", "looks_like", "doubted_by", "strength"),
    *("neighbours_class", "neighbours", "probable_class", "probability"),
)
# What a spreadsheet would calculate; `training.data.labels` takes the apostrophe away that such a text gets.
_FORMULA = re.compile(r"^(?='*[=+\-@\t\r])")


def doubt_dataset(dataset: Dataset) -> Doubts:
    """Finds the doubtful labels of a data set; the training images come first, and the test images follow."""
    images, labels = (
        np.concatenate([getattr(part, name) for part in (dataset.train, dataset.test)]) for name in ("images", "labels")
    )
    return find_doubts(describe(images), labels.astype(np.intp))


def render_csv(doubts: Doubts, dataset: Dataset) -> bytes:
    """Writes a line for each doubtful label, the strongest doubt first, in UTF-8 with a byte order mark.

    `position` counts the images of a part from 0, and `file` is empty for images from IDX files. The list can be given to
    `--labels` once its labels are corrected.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    names = [_cell(name) for name in dataset.classes]
    for doubt in doubts.found:
        name, part, position = _place(doubt, dataset)
        judges = ["neighbours"] * doubt.by_neighbours + ["probabilities"] * doubt.by_probabilities
        writer.writerow((
            *(name, position, _cell(part.files[position]) if part.files else "", names[doubt.label], names[doubt.looks_like]),
            *(" and ".join(judges), f"{doubt.strength:.3f}", names[doubt.nearby], doubt.votes),
            *(names[doubt.likely], f"{doubt.probability:.3f}"),
        ))  # fmt: skip
    return text.getvalue().encode("utf-8-sig", "backslashreplace")  # a file's name may hold bytes that are no UTF-8


def draw_doubts(doubts: Doubts, dataset: Dataset) -> Figure:
    """Draws the images of the first `DRAWN` doubtful labels."""
    images, captions = [], []
    for doubt in doubts.found[:DRAWN]:
        name, part, position = _place(doubt, dataset)
        images.append(part.images[position])
        label, other = (shown(dataset.classes[index]) for index in (doubt.label, doubt.looks_like))
        captions.append(f"labelled {label}\nlooks like {other}\n{_reasons(doubt)}\n{name} {position}")
    return draw_tiles("The most doubtful labels", np.array(images), captions)


def describe_doubts(doubts: Doubts, dataset: Dataset, predicted: np.ndarray) -> list[str]:
    """Says how many labels are doubtful, and what share of a model's mistakes falls on them.

    Args:
        doubts: the doubtful labels of the training images, and after them the test images.
        dataset: the images.
        predicted: the classes that the model predicts for the test images, `(n,)` int.
    """
    train, judged, marked = len(dataset.train), doubts.judged, doubts.marked()
    if not judged.any():
        return [f"No label was judged: there are no two classes of at least {MIN_CLASS_IMAGES} images."]
    parts = [
        _count(marked[of], judged[of], f"{name} labels") for name, of in (("training", np.s_[:train]), ("test", np.s_[train:]))
    ]
    nearby, likely = (
        {doubt.position for doubt in doubts.found if getattr(doubt, f"by_{judge}")} for judge in ("neighbours", "probabilities")
    )
    counted = (
        f"{' and '.join(parts)} are doubtful: the images that look most alike doubt {len(nearby):,} of them, "
        f"cross-validated probabilities {len(likely):,}, and both {len(nearby & likely):,}."
    )
    notes = [
        counted,
        _describe_mistakes(marked[train:], judged[train:], predicted != dataset.test.labels),
    ]
    if doubts.agreement < MIN_AGREEMENT:
        notes.append(f"The classifier agrees with {doubts.agreement:.1%} of the labels only, so its doubts do not count.")
    if not judged.all():
        notes.append(
            f"{len(judged) - judged.sum():,} labels were not judged, because their classes have fewer than {MIN_CLASS_IMAGES} "
            "images, or because there are so many images that some were drawn at random."
        )
    return notes


def _reasons(doubt: Doubt) -> str:
    """Says what speaks for the class that the image looks like; one of the judges may speak for another class."""
    alike = [f"{doubt.votes} of {NEIGHBOURS} alike"] if doubt.nearby == doubt.looks_like else []
    probable = [f"probability {doubt.probability:.3f}"] if doubt.likely == doubt.looks_like else []
    return ", ".join(alike + probable)


def _describe_mistakes(marked: np.ndarray, judged: np.ndarray, wrong: np.ndarray) -> str:
    mistakes = wrong & judged
    if not mistakes.any():
        return "The model makes no mistake on the test images whose labels were judged."
    return (
        f"Of the model's {mistakes.sum():,} mistakes on the test images, {marked[mistakes].mean():.1%} fall on doubtful test "
        f"images, which are {marked.sum() / judged.sum():.1%} of the test images."
    )


def _count(marked: np.ndarray, judged: np.ndarray, what: str) -> str:
    return f"{marked.sum():,} of the {judged.sum():,} {what} ({marked.sum() / max(judged.sum(), 1):.1%})"


def _place(doubt: Doubt, dataset: Dataset) -> tuple[str, Split, int]:
    """Returns the name of the part that the image is in, the part, and the position there."""
    after = doubt.position - len(dataset.train)
    return ("train", dataset.train, doubt.position) if after < 0 else ("test", dataset.test, after)


def _cell(text: str) -> str:
    return _FORMULA.sub("'", text)
