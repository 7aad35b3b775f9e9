"""Defines the command that scores files, folders and S3 objects from this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.options import Artifact

PANEL = "Score"

commands = typer.Typer()


@commands.command(rich_help_panel=PANEL)
def score(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE…", help="Files, folders, s3://bucket/key, s3://bucket/prefix/, or - for a list."),
    ],
    artifact: Artifact = None,
    out: Annotated[str, typer.Option(metavar="DIR|s3://…", help="Where the documents belong.")] = "predictions",
    table: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write one row for each image, as .csv, .parquet or .jsonl.")
    ] = None,
    page: Annotated[Path | None, typer.Option(dir_okay=False, help="Write a page of HTML that shows each image.")] = None,
    failed: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write what failed or was rejected, as a list for the next run.")
    ] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Processes that score.", show_default="one a core")] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="N/COUNT", help="Score one part of the objects, such as 3/16; others score the others."),
    ] = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="End with status 1 if something was rejected.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON, and no progress.")] = False,
) -> None:
    """Scores images on this machine, and writes one JSON document for each object.

    The code is that of the function, without AWS, Docker or TensorFlow. The document of `FOLDER/rack/coat.jpg` is
    `predictions/rack/coat.jpg.json`. Folders are scored with their subfolders; an archive or an array holds many images. Run it
    again, and only what is missing or has changed is scored, so a run that was stopped goes on.

    Files belong to the folder that was named. A file that is named itself belongs to its own folder, one of a list to the
    current folder, if it lies there; `photos/./rack/coat.jpg` says that `photos` is meant. A list has a path, an s3:// address
    or a JSON object with "source-ref" on each line.

    With --shard, several machines share the work over one file system or bucket: run the same command on each, with 1/16, 2/16,
    and so on; a folder must have the same path on all of them. A table, a page and a list of failures are then of that part
    alone; `coatcheck table` makes one of all documents.

    Status: 0, or 1 if something failed or, with --strict, was rejected, or 2 for wrong use.

    Examples:
    - `coatcheck score ~/photos --table predictions.csv --page predictions.html`

    - `find . -name '*.jpg' -print0 | coatcheck score - --failed failed.txt`, and then `coatcheck score - < failed.txt`
    """
    from infra.score.command import score as run

    tally = run(
        sources,
        artifact=artifact,
        out=out,
        table=table,
        page=page,
        failed=failed,
        processes=processes,
        shard=shard,
        as_json=as_json,
    )
    raise typer.Exit(1 if tally.failed or (strict and tally.rejected) else 0)
