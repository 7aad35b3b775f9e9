"""Defines the command that makes a contact sheet of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.options import Artifact

PANEL = "Look at predictions"

commands = typer.Typer()


@commands.command(rich_help_panel=PANEL)
def sheet(
    documents: Annotated[
        str, typer.Argument(metavar="DIR|s3://…", help="Where the documents lie: a folder, or s3://bucket/prefix/.")
    ],
    images: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER|s3://…",
            help="Where the images lie, each object under its key: a folder, or s3://bucket/prefix/.",
            show_default="where documents in S3 say; none for a folder",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(dir_okay=False, help="The page; further ones lie beside it.")] = Path("sheet.html"),
    artifact: Artifact = None,
    title: Annotated[str | None, typer.Option(help="Heading of the page.", show_default="the place of the documents")] = None,
    page_images: Annotated[int, typer.Option(min=1, max=20_000, help="Images on a page, at most.")] = 2000,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Show every image, on as many pages as it takes.")] = False,
) -> None:
    """Makes a page of HTML that shows each image with its prediction, and on which you correct it.

    The page is one file that asks for nothing from elsewhere, so it can be sent and kept. Rejected, unfamiliar and unsure
    images come first, and then the others, least confident first. Filter by class, search by name, and sort. Pick the right
    class of an image, and save the corrections as `labels.csv`, with the columns object, image and class_name; an empty
    class_name says that none of the classes is right.

    A page holds 2,000 images, about 10 MB. Everything rejected, unfamiliar or unsure is shown, on as many pages as it takes:
    `sheet-2.html` and so on. What is left out is what is most confident, and the page says how much; `--all` leaves nothing
    out.

    Images are found by the keys that the documents name. An object that is gone, or has changed since, has an empty frame.

    Examples:
    - `coatcheck sheet predictions --images ~/photos --out sheet.html`

    - `coatcheck sheet s3://my-results/predictions/ --out sheet.html`
    """
    from infra.show.faults import standard_error
    from infra.show.sheet.command import make_sheet

    faults = standard_error()
    summary = make_sheet(
        documents,
        images=images,
        out=out,
        artifact=artifact,
        title=title,
        page_images=page_images,
        everything=everything,
        faults=faults,
    )
    left_out = f"; {summary.left_out:,} of the highest confidence are left out" if summary.left_out else ""
    typer.echo(
        f"{summary.images:,} images: {summary.rejected:,} rejected, {summary.unfamiliar:,} unfamiliar, "
        f"{summary.unsure:,} unsure{left_out}"
    )
    for page in summary.pages:
        typer.echo(str(page))
    raise typer.Exit(1 if faults.count else 0)
