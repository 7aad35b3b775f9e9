"""Defines the commands that run the function on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.paths import SAM, require_checkout
from infra.platforms import Architecture

PANEL = "Run the function here"

commands = typer.Typer()


@commands.command(rich_help_panel=PANEL)
def demo() -> None:
    """Uploads the sample images to an embedded cloud and shows the predictions.

    S3 and SQS run on 127.0.0.1; an upload reaches the function by the bucket's notification and the queue, as it does on AWS.
    Copies of all documents are left under `.demo`, with a table and a page of them. The demo takes about 8 s. It fails if a
    message is not finished, or a document is missing or broken. `MODEL_URI=DIR` in the environment shows another artifact than
    the bundled one, of any size and classes; only for the classes of the samples it tells how many predictions are right.

    Example: `coatcheck demo`
    """
    from infra.demo import run

    run()


@commands.command(rich_help_panel=PANEL)
def sam_local(
    sam: Annotated[Path, typer.Option(help="Path of the SAM CLI.", show_default=".venv-sam/bin/sam")] = SAM,
    architecture: Annotated[
        Architecture, typer.Option(help="Architecture that the package was built for.")
    ] = Architecture.x86_64,
) -> None:
    """Invokes the built package with every event in Lambda's container image.

    Each file of `events` goes through `sam local invoke`, on an embedded cloud; the command fails if an answer or a document is
    not the expected one. It needs Docker, and a package that `make build` has made; it takes about two minutes.

    Example: `coatcheck sam-local --architecture arm64`
    """
    require_checkout("sam-local")
    from infra.cloud.expectations import EXPECTED
    from infra.cloud.sam_local import run

    failed = run(sam, architecture)
    typer.echo(f"{len(EXPECTED) - len(failed)} of {len(EXPECTED)} events as expected")
    raise typer.Exit(1 if failed else 0)


@commands.command(rich_help_panel=PANEL)
def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Show in a minute that the benchmark works.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the results; none is written if it is not given.")] = None,
) -> None:
    """Measures the function and its peers in front of a stub of S3, and prints the figures that have a target.

    The contenders take turns in one run: the function by each client of S3, the bare client, the bare model, and the scripts of
    `infra/bench/peers` in `.venv-peers`. It takes up to ten minutes; run it on an otherwise idle machine.

    Example: `coatcheck bench --out docs/bench`
    """
    require_checkout("bench")
    from infra.bench.report import run

    run(out, quick=quick)
