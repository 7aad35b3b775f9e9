"""Defines the command that gathers documents into one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.show.formats import Partition, TableFormat

PANEL = "Look at predictions"

commands = typer.Typer()


@commands.command(rich_help_panel=PANEL)
def table(
    documents: Annotated[str, typer.Argument(metavar="DIR|s3://…", help="Folder or s3://bucket/prefix/ of the documents.")],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="File to write, or - for the standard output.", allow_dash=True)
    ] = Path("predictions.parquet"),
    table_format: Annotated[
        TableFormat | None, typer.Option("--format", help="Format of the table.", show_default="by the suffix of --out")
    ] = None,
    partition_by: Annotated[
        Partition | None, typer.Option(help="Write a folder with a part for each class, or each date of the documents.")
    ] = None,
    image_url: Annotated[
        str | None,
        typer.Option(
            metavar="TEMPLATE",
            help="For Label Studio: where it finds an image. {bucket} and {key} stand for those of the object.",
            show_default="s3://{bucket}/{key}, or for a DIR /data/local-files/?d={bucket}/{key}",
        ),
    ] = None,
) -> None:
    """Gathers documents into one table, with one row for each image.

    The suffix of --out says whether it is Parquet, CSV or JSON Lines. The rows of rejected images hold the error. Any number
    of documents fits, of both layouts and of several models. CSV is for spreadsheets: a text that begins like a formula gets
    an apostrophe before it.

    Rows of a backlog are among the documents where the place is the whole OUTPUT_URI, or a copy of it: one answer for each
    object, which is its document if it has one. `s3://…/_coatcheck/shards/<maker>/` gives the rows of one model alone.

    With --partition-by, --out is a new folder of Parquet files as Hive, Athena and DuckDB read them. Documents hold no time:
    the date is that of the document's file or object, in UTC.

    `--format label-studio` writes tasks to review, unsure and unfamiliar images first, without images in archives and arrays.
    For a DIR, Label Studio must serve local files, with the parent of the folder of images as its document root.

    Status: 0, or 1 if a document is broken or a row could not be written, which is told and costs no other, or 2 for wrong use.

    Examples:
    - `coatcheck table predictions --out predictions.csv`

    - `coatcheck table s3://bucket/predictions/ --partition-by date --out table`

    - `coatcheck table predictions --format label-studio --out tasks.json`
    """
    from infra.show.tabulating import tabulate

    faults = tabulate(documents, out, table_format, partition_by, image_url)
    raise typer.Exit(1 if faults else 0)
