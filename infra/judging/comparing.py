"""Carries out `coatcheck compare`: reads both sets of predictions, prints what differs, and shows the changed images."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from handler.objects import Prefix
from handler.predictions import Prediction
from infra.errors import InfraError, WrongUse
from infra.judging.comparison import MOVED, Comparison, Pair, Trial, open_pair
from infra.judging.labelling import parse_meanings, read_labels
from infra.judging.statistics import Share
from infra.locations import expand_home, own_errors, parse_folder, read_manifest, s3
from infra.printable import printable
from infra.show.documents import Row, read_documents
from infra.show.faults import Faults, gather_rows, standard_error
from infra.show.rereading import TABLES, Predicted, predicted, read_table
from infra.show.sheet.command import find_thumbnails
from infra.show.sheet.entries import Noted
from infra.show.sheet.writing import write_sheet

LEAST = 1e-6  # a probability below which its size says nothing more


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be compared: two sets, as a user named them, and what is to be made of it."""

    first: str
    second: str
    labels: Path | None
    artifact: str | None
    page: Path | None
    images: str | None
    meanings: Sequence[str]


def run(question: Question, *, as_json: bool) -> int:
    """Compares, prints what differs, and returns the number of faults; see `coatcheck compare --help`.

    Raises:
        WrongUse: what was asked for cannot be meant.
        InfraError: a set cannot be read, or no image is in both.
    """
    faults = standard_error()
    with own_errors(), open_pair() as pair:
        places = {name: _parse_set(text) for name, text in (("a", question.first), ("b", question.second))}
        if question.page and _is_table(places["b"]):
            raise WrongUse(
                f"Expected the documents of B, of which --page shows the images. Received: {question.second}, a table; "
                "name their folder."
            )
        if question.meanings and not question.labels:
            raise WrongUse(
                f"Expected --labels, whose words --map explains. Received: --map {question.meanings[0]} alone; add them."
            )
        manifest = read_manifest(question.artifact)
        labelled = (
            read_labels(question.labels, manifest.classes, parse_meanings(question.meanings), faults)
            if question.labels
            else None
        )
        for name, place in places.items():
            repeated = pair.fill(name, _rows(place, faults))
            if repeated:
                faults.add(f"{repeated:,} images of {place} have the key and the name of another one, and were passed over.")
        result = pair.compare()
        if not result.both:
            raise InfraError(
                f"Expected images that are in both sets. Received: {result.only_first:,} and {result.only_second:,}, none of "
                "which has the same key and name; score the same folder or prefix for both."
            )
        trial = pair.judge(labelled.labels) if labelled else None
        if as_json:
            sys.stdout.write(json.dumps(to_json(result, trial, pair)) + "\n")
        else:
            show(result, trial, pair, Console(highlight=False))
        if question.page:
            thumbnails = find_thumbnails(places["b"], question.images, manifest)
            title = f"changed from {question.first} to {question.second}"
            write_sheet(
                _changed(pair, places["b"], faults), thumbnails, question.page, title, manifest=manifest, everything=True
            )
    return faults.count


def to_json(result: Comparison, trial: Trial | None, pair: Pair) -> dict[str, Any]:
    """Returns the comparison as one JSON object."""
    return {
        **msgspec.to_builtins(result),
        "classes": {name: [int(before), int(after)] for name, before, after in pair.classes()},
        "labelled": {**msgspec.to_builtins(trial), "images": trial.images, "p": trial.probability} if trial else None,
    }


def show(result: Comparison, trial: Trial | None, pair: Pair, console: Console) -> None:
    """Prints the comparison for people."""
    console.print(f"{result.both:,} images in both, {result.only_first:,} in A alone, {result.only_second:,} in B alone")
    console.print(f"changed: {Share(result.changed, result.both)}, with the interval at 95% confidence", soft_wrap=True)
    if result.changes:
        table = Table("A", "B", Column("images", justify="right"), title="most frequent changes", title_justify="left")
        for change in result.changes:
            table.add_row(
                Text(printable(change.before or "rejected")), Text(printable(change.after or "rejected")), f"{change.images:,}"
            )
        console.print(table)
    table = Table("class", *(Column(name, justify="right") for name in ("A", "B", "difference")))
    for name, before, after in pair.classes():
        table.add_row(Text(printable(name)), f"{before:,.0f}", f"{after:,.0f}", f"{after - before:+,.0f}")
    console.print(table)
    console.print(
        f"confidence: {result.moved:+.3f} on average, up by more than {MOVED} in {result.rose:,}, down in {result.fell:,}",
        soft_wrap=True,
    )
    if result.rose or result.fell:
        console.print(f"its changes, by tenths of the images: {' '.join(f'{change:+.2f}' for change in result.tenths)}")
    for name, marks in (("unsure", result.unsure), ("unfamiliar", result.unfamiliar)):
        if marks.before or marks.after:
            console.print(f"{name}: {marks.before:,} in A, {marks.after:,} in B; {marks.gained:,} gained, {marks.lost:,} lost")
    if trial:
        console.print(describe(trial), soft_wrap=True)


def describe(trial: Trial) -> str:
    """Returns in words what labels say about the difference."""
    if not trial.images:
        return "labels: none of them is of an image that both predict"
    right = (
        f"A: {Share(trial.both + trial.first_alone, trial.images)}, B: {Share(trial.both + trial.second_alone, trial.images)}"
    )
    alone = f"A alone is right on {trial.first_alone:,} images, B alone on {trial.second_alone:,}"
    if trial.first_alone == trial.second_alone:
        return f"right: {right}; {alone}: no difference"
    verdict = "is more than noise" if trial.probability < 0.05 else "may be noise"
    return (
        f"right: {right}; {alone}. If both were equally good, chance would split them so unevenly, or more so, with a "
        f"probability of {_probability(trial.probability)} (McNemar's exact test): the difference {verdict}."
    )


def _probability(value: float) -> str:
    return f"{value:.2g}" if value > LEAST else f"less than {LEAST:g}"


def _parse_set(text: str) -> Path | Prefix:
    path = expand_home(text)
    if path.suffix.lower() in TABLES and path.is_file():
        return path
    return parse_folder(text, "documents")


def _is_table(place: Path | Prefix) -> bool:
    return isinstance(place, Path) and place.is_file()


def _rows(place: Path | Prefix, faults: Faults) -> Iterable[Predicted]:
    if isinstance(place, Path) and place.is_file():
        return read_table(place)
    return map(predicted, gather_rows(read_documents(place, s3), faults))


def _changed(pair: Pair, place: Path | Prefix, faults: Faults) -> Iterator[Noted]:
    """Yields the rows of the second set whose class is another one in the first, each with a note that says which."""
    for row in gather_rows(read_documents(place, s3), faults):
        before = pair.before(row.input.key, row.result.image)
        if before is not None:
            yield Noted(row, f"was {before}, is {_class_of(row)}")


def _class_of(row: Row) -> str:
    return row.result.class_name if isinstance(row.result, Prediction) else "rejected"
