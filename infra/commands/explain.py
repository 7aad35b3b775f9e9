"""Defines the command that explains what the function makes of objects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.options import Artifact

PANEL = "Look at predictions"

commands = typer.Typer()


@commands.command(rich_help_panel=PANEL)
def explain(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE…", help="Files, folders, s3://bucket/key or s3://bucket/prefix/.")
    ],
    artifact: Artifact = None,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Draw images, and what the model sees, as PNG.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each object.")] = False,
) -> None:
    """Explains what the function makes of images, or why it rejects them; it writes no document.

    For each object it says which format was recognised, how many images there are, the most probable classes of the first
    ones, and the threshold under which a prediction is unsure. A rejected object is named with the reason and what to do.
    With `--out`, a picture shows each image beside what the model sees of it; on a terminal, characters show the first.

    The status is 0 even if objects are rejected, 1 if not one object can be opened, and 2 for wrong use.

    Example: `coatcheck explain photos/coat.jpg --out sheet.png`
    """
    from infra.explain.command import run

    run(sources, artifact, out, as_json=as_json)
