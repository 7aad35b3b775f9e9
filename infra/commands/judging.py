"""Defines the commands that compare predictions with each other, and with the labels of people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.options import Artifact

PANEL = "Look at predictions"

commands = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
Meanings = Annotated[
    list[str] | None, typer.Option("--map", metavar="WORD=CLASS", help="A word that means a class, such as pants=Trouser.")
]


@commands.command(rich_help_panel=PANEL)
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Documents, a folder or s3://bucket/prefix/, or a table of them.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Other documents of the same images, or a table.")],
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER|CSV", help="True classes, as for evaluate: which of both is better, and is it noise?"),
    ] = None,
    page: Annotated[Path | None, typer.Option(dir_okay=False, help="Write a page that shows each changed image.")] = None,
    images: Annotated[
        str | None, typer.Option(metavar="FOLDER|s3://…", help="Where the images for the page lie, as for sheet.")
    ] = None,
    artifact: Artifact = None,
    meanings: Meanings = None,
    *,
    as_json: Json = False,
) -> None:
    """Compares two sets of predictions of the same images, such as those of two models or of two days.

    It shows how many images changed their class, from which to which, how each class grew or shrank, and where confidence
    moved. With labels, it says which set is right more often, and with which probability chance makes such a difference
    (McNemar's exact test). An image is the same in both if the key of its object and its name are.

    Status: 0, or 1 if something could not be read or no image is in both, or 2 for wrong use.

    Examples:
    - `coatcheck compare predictions-may predictions-june`

    - `coatcheck compare old.parquet new --labels labels.csv --page changed.html --images ~/photos`

    - `coatcheck compare s3://bucket/predictions/ s3://bucket/predictions/_coatcheck/shards/0123456789abcdef/`, before a
      deployment makes the model the one in use that a backlog with --model tried
    """
    from infra.judging.comparing import Question, run

    question = Question(
        first=first, second=second, labels=labels, artifact=artifact, page=page, images=images, meanings=meanings or []
    )
    raise typer.Exit(1 if run(question, as_json=as_json) else 0)


@commands.command(rich_help_panel=PANEL)
def evaluate(
    labels: Annotated[
        Path, typer.Option(metavar="FOLDER|CSV", help="Folder of folders named after classes, or a CSV of images and classes.")
    ],
    documents: Annotated[
        str | None, typer.Argument(metavar="DIR|s3://…", help="Documents; without them, the images are scored first.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder of the images of a CSV.", show_default="the folder of the CSV"),
    ] = None,
    artifact: Artifact = None,
    meanings: Meanings = None,
    *,
    as_json: Json = False,
) -> None:
    """Measures a model on pictures that you labelled.

    It shows the share that is right with its interval, each class, the most frequent mistakes, whether confidence can be
    believed, and how many mistakes the marks unsure and unfamiliar catch. Images that were rejected are counted apart.

    Folders may be named loosely: `t-shirt-top` or `T-Shirts` is `T-shirt/top`. Some of the classes are enough. A CSV has a line
    of names, with a column for the image (object, path, file, key or image) and one for the class (class_name, class or label);
    the labels that a sheet saves are such a CSV. Labels name images by the path in the folder that was scored.

    Status: 0, or 1 if something could not be read or measured, or 2 for wrong use.

    Examples:
    - `coatcheck evaluate --labels ~/photos-by-class`

    - `coatcheck evaluate predictions --labels labels.csv`
    """
    from infra.judging.evaluating import run

    faults = run(labels, documents, images, artifact, meanings or [], as_json=as_json)
    raise typer.Exit(1 if faults else 0)
