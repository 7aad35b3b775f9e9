"""Defines the command that keeps the embedded cloud running."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.paths import require_checkout
from infra.platforms import Architecture

PANEL = "Run the function here"

commands = typer.Typer()


@commands.command(rich_help_panel=PANEL)
def cloud(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of S3, SQS and Step Functions.", show_default="any free one")
    ] = 0,
    artifact: Annotated[
        str | None,
        typer.Option(metavar="DIR|NAME", help="Artifact, or the name of one that ships.", show_default="the bundled one"),
    ] = None,
    architecture: Annotated[
        Architecture, typer.Option(help="Architecture that the package was built for, with --sam.")
    ] = Architecture.x86_64,
    instances: Annotated[int, typer.Option(min=1, max=64, help="Processes that score the shards of a backlog at once.")] = 1,
    *,
    sam: Annotated[bool, typer.Option("--sam", help="Let containers reach it; print a line for the SAM CLI.")] = False,
) -> None:
    """Keeps an embedded cloud running, scores what you upload to it, and shows each document as it appears.

    S3, SQS and Step Functions run on 127.0.0.1 with the buckets, queues, notification and state machine of the template, and
    the function is attached. The command prints lines for the AWS CLI and boto3 that upload an image, and a line of `coatcheck
    backlog` that scores what is there. Ctrl-C ends it, with status 0; nothing is kept.

    With --sam it also prints a line of `sam local invoke` that works on it. This needs Docker, and a package that `make build`
    has made; the cloud then listens at the address of Docker's bridge.

    Example: `coatcheck cloud --port 4566`
    """
    if sam:
        require_checkout("cloud --sam")
    from infra.cloud.living import run

    count = run(port, artifact, architecture if sam else None, instances)
    typer.echo(f"ended after {count} documents")


@commands.command(rich_help_panel=PANEL)
def rehearse() -> None:
    """Rehearses a deployment on a second emulator: the whole template with the built package, from the upload to the end.

    It goes through an operator's first day, as docs/first-day.md tells it: it deploys the stack, scores uploads, has writing
    refused to the function, finds the cause by the alarms, the dashboard, the log and `coatcheck doctor`, mends it, and sends
    the dead letters back. It also switches the live stack to each trigger, runs `coatcheck backlog`, and deletes the stack at
    the end. It needs no Docker and no account, and nothing is kept. `make rehearse` builds the package and installs the
    emulator first.

    Example: `coatcheck rehearse`
    """
    require_checkout("rehearse")
    from infra.cloud.embedded import clear_aws_environment
    from infra.cloud.rehearsal import run

    clear_aws_environment()
    run(typer.echo)
