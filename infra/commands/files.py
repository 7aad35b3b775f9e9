"""Defines the commands that make files of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.paths import require_checkout
from infra.platforms import Architecture

PANEL = "Make files"

commands = typer.Typer()


@commands.command(rich_help_panel=PANEL)
def package(
    target: Annotated[Path, typer.Argument(help="Folder that the package is written to.", file_okay=False)],
    architecture: Annotated[Architecture, typer.Option(help="Architecture of the function's processor.")] = Architecture.x86_64,
    glibcxx: Annotated[
        str | None,
        typer.Option(
            help="Newest version of libstdc++'s symbols in Lambda's image, if it is newer than is known.", show_default="3.4.29"
        ),
    ] = None,
    *,
    heic: Annotated[bool, typer.Option("--heic", help="Add pi-heif, with which the function reads HEIC.")] = False,
) -> None:
    """Makes the deployable package and prints its unzipped size.

    `make build` calls this through `sam build`. The package holds the handler and ready-made wheels of its libraries, for
    either architecture on any machine. Where Python 3.13 is installed, it also holds bytecode, which saves half a second of
    each cold start. The command fails if the package is larger than the project allows, or if Lambda's image, as far as is
    known, could not load one of its native libraries.

    Example: `coatcheck package /tmp/package --architecture arm64 --glibcxx 3.4.30`
    """
    require_checkout("package")
    from infra.package import run

    run(target, architecture, glibcxx, heic=heic)


@commands.command(rich_help_panel=PANEL)
def schemas() -> None:
    """Writes the JSON Schemas of `handler/schemas`.

    They are made from the types that write the documents. Run this after a change of one of these types; a test fails as long
    as the files are out of date.

    Example: `coatcheck schemas`
    """
    require_checkout("schemas")
    from infra.schemas import write_schemas

    for path in write_schemas():
        typer.echo(path)
