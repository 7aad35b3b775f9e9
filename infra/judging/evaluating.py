"""Carries out `coatcheck evaluate`: reads labels and documents, or scores the images first, and prints the figures."""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from handler.contract import Manifest
from handler.predictions import RejectedImage
from infra.errors import InfraError
from infra.judging.evaluation import Evaluation, Marked
from infra.judging.labelling import Labelled, parse_meanings, read_labels
from infra.judging.searching import Search
from infra.judging.statistics import Share
from infra.locations import own_errors, parse_folder, read_manifest, s3
from infra.printable import printable
from infra.score.listed import score_list
from infra.show.documents import Document, Row, read_documents
from infra.show.faults import Faults, gather_rows, standard_error
from training.data.labels import Labels

_MEANING = "Recall is the share of a class's images that are found, precision the share of its predictions that are right."

MAX_CONFUSIONS = 10
FEW = 30  # images of a class, below which a figure says little


def run(
    labels: Path, documents: str | None, images: Path | None, artifact: str | None, meanings: list[str], *, as_json: bool
) -> int:
    """Evaluates, prints the figures, and returns the number of faults; see `coatcheck evaluate --help`.

    Raises:
        WrongUse: what was asked for cannot be meant.
        InfraError: documents or images cannot be read, or none is labelled.
    """
    faults = standard_error()
    with own_errors():
        manifest = read_manifest(artifact)
        labelled = read_labels(labels, manifest.classes, parse_meanings(meanings), faults)
        if images:
            labelled = dataclasses.replace(labelled, folder=images)
        with _documents(documents, labelled, artifact, faults) as found:
            result = evaluate(gather_rows(found, faults), labelled.labels, manifest)
    if as_json:
        sys.stdout.write(json.dumps(to_json(result, manifest)) + "\n")
    else:
        show(result, manifest, Console(highlight=False))
    return faults.count


@contextmanager
def _documents(documents: str | None, labelled: Labelled, artifact: str | None, faults: Faults) -> Iterator[Iterator[Document]]:
    """Reads the documents that were named, or has the labelled images scored into a temporary folder first."""
    if documents:
        yield read_documents(parse_folder(documents, "documents"), s3)
        return
    folder = labelled.folder.resolve()
    lines = (f"{folder}/./{path}" for path in labelled.paths)
    with tempfile.TemporaryDirectory() as out:
        yield score_list(lines, Path(out), artifact, faults)


def evaluate(rows: Iterable[Row], labels: Labels, manifest: Manifest) -> Evaluation:
    """Measures the predictions in some rows against labels.

    Raises:
        InfraError: a row was made by another model than `manifest` describes, a label names several images, or no image is
            labelled.
    """
    result, search = Evaluation(), Search(labels)
    for row in rows:
        label = search.find([row.input.bucket], row.input.key, row.result.image)
        if label is None or label.class_name is None:
            result.unlabelled += 1
        elif isinstance(row.result, RejectedImage):
            result.rejected += 1
        elif row.model.sha256 != manifest.model.sha256:
            raise InfraError(
                f"Expected documents of {manifest.name} {manifest.version}. Received: one of {row.model.name} "
                f"{row.model.version}; name its artifact with --artifact."
            )
        else:
            result.add(row.result, label.class_name)
    if not result.images and not result.rejected:
        raise InfraError(
            f"Expected documents of labelled images. Received: {result.unlabelled:,} images, none of which has one of the "
            f"{len(labels):,} labels; labels name images by their path in the folder that was scored."
        )
    result.missing = search.missing
    return result


def to_json(result: Evaluation, manifest: Manifest) -> dict[str, Any]:
    """Returns the figures as one JSON object; a share is a number, its bounds, and what it is made of."""
    return {
        "model": {"name": manifest.name, "version": manifest.version, "sha256": manifest.model.sha256},
        "images": result.images,
        "rejected": result.rejected,
        "unlabelled": result.unlabelled,
        "missing": result.missing,
        "accuracy": _share(result.accuracy),
        "expected_calibration_error": result.calibration_error,
        "classes": {
            name: {"recall": _share(result.recall(name)), "precision": _share(result.precision(name))}
            for name in manifest.classes
        },
        "confusions": [
            {"true": true, "predicted": predicted, "images": count} for (true, predicted), count in _confusions(result)
        ],
        "reliability": [
            {"images": one.images, "confidence": one.confidence / one.images, "accuracy": one.right / one.images}
            for one in result.bins
            if one.images
        ],
        "unsure": _marked(result.unsure),
        "unfamiliar": _marked(result.unfamiliar),
    }


def show(result: Evaluation, manifest: Manifest, console: Console) -> None:
    """Prints the figures for people."""
    console.print(
        printable(f"{manifest.name} {manifest.version} on {result.images:,} labelled images"), soft_wrap=True, markup=False
    )
    if result.rejected:
        console.print(f"rejected, and in no figure: {result.rejected:,} labelled images", soft_wrap=True)
    if result.unlabelled:
        console.print(f"passed over: {result.unlabelled:,} images that have no label, or that are of no class", soft_wrap=True)
    if result.missing:
        console.print(f"in no document, and in no figure: the images of {result.missing:,} labels", soft_wrap=True)
    console.print(f"right: {result.accuracy}, the interval at 95% confidence", soft_wrap=True)
    console.print(_classes(result, manifest))
    console.print(_MEANING, soft_wrap=True)
    few = [name for name in manifest.classes if 0 < result.recall(name).whole < FEW]
    if few:
        console.print(printable(f"Fewer than {FEW} images say little: {', '.join(few)}."), soft_wrap=True, markup=False)
    if confusions := _confusions(result):
        console.print(_table_of_confusions(confusions))
    if result.calibration_error is not None:
        console.print(_reliability(result))
    for mark, marked in (("unsure", result.unsure), ("unfamiliar", result.unfamiliar)):
        if marked:
            console.print(f"{mark}: {_describe(marked)}", soft_wrap=True)


def _describe(marked: Marked) -> str:
    """Returns in words what a mark catches and costs, as far as there is something to catch, to mark and to trust."""
    caught, needless, trusted = marked.caught, marked.needless, marked.right_when_trusted
    parts = (
        f"{caught} of the wrong predictions are marked" if caught.whole else "no prediction is wrong",
        f"{needless} of the right ones are marked" if needless.whole else "no prediction is right",
        f"{trusted} of what is not marked is right" if trusted.whole else "all are marked",
    )
    return "; ".join(parts)


def _classes(result: Evaluation, manifest: Manifest) -> Table:
    table = Table("class", Column("images", justify="right"), "recall", "precision")
    for name in manifest.classes:
        recall, precision = result.recall(name), result.precision(name)
        if recall.whole or precision.whole:
            table.add_row(Text(printable(name)), f"{recall.whole:,}", recall.brief, precision.brief)
    return table


def _confusions(result: Evaluation) -> list[tuple[tuple[str, str], int]]:
    wrong = [(pair, count) for pair, count in result.pairs.most_common() if pair[0] != pair[1]]
    return wrong[:MAX_CONFUSIONS]


def _table_of_confusions(confusions: list[tuple[tuple[str, str], int]]) -> Table:
    table = Table(
        "true class", "predicted", Column("images", justify="right"), title="most frequent mistakes", title_justify="left"
    )
    for (true, predicted), count in confusions:
        table.add_row(Text(printable(true)), Text(printable(predicted)), f"{count:,}")
    return table


def _reliability(result: Evaluation) -> Table:
    title = f"calibration: expected error {result.calibration_error:.3f}, of {len(result.bins)} bins"
    columns = (Column(name, justify="right") for name in ("confidence", "images", "mean confidence", "right"))
    table = Table(*columns, title=title, title_justify="left")
    for number, one in enumerate(result.bins):
        if one.images:
            bounds = f"{number / len(result.bins):.2f} to {(number + 1) / len(result.bins):.2f}"
            table.add_row(bounds, f"{one.images:,}", f"{one.confidence / one.images:.1%}", f"{one.right / one.images:.1%}")
    return table


def _share(share: Share) -> dict[str, Any]:
    low, high = share.interval
    return {"value": share.value, "low": low, "high": high, "part": share.part, "whole": share.whole}


def _marked(marked: Marked | None) -> dict[str, Any] | None:
    if marked is None:
        return None
    return {
        "caught_of_wrong": _share(marked.caught),
        "marked_of_right": _share(marked.needless),
        "right_of_unmarked": _share(marked.right_when_trusted),
    }
