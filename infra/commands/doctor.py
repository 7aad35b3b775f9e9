"""Defines the command that examines a deployment."""

from __future__ import annotations

import json
from typing import Annotated

import typer

PANEL = "Run the function here"

commands = typer.Typer()


@commands.command(rich_help_panel=PANEL)
def doctor(
    stack: Annotated[str | None, typer.Option(help="Name of the stack.", show_default="the environment's settings")] = None,
    region: Annotated[str | None, typer.Option(help="Region of the stack.", show_default="boto3's")] = None,
    *,
    probe: Annotated[bool, typer.Option("--probe", help="Try conditional writes with an object of its own.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Says what is wrong with a deployment, and what to do about each thing; without --probe, it changes nothing.

    It looks at the settings, the model, the buckets, the notification, the queue, the dead letters, the function, and at what
    you yourself may read. The settings are those of the stack's function, or those of the environment; boto3's own variables,
    such as AWS_ENDPOINT_URL, lead to an emulator, of which some things cannot be told. The status is 1 if something is wrong.

    Documents rely on writes that a store makes on a condition only. S3 does so; of another store that speaks its protocol,
    --probe tells. It writes one small object under `_coatcheck/` of the output, with a name that nobody else has, tries to
    replace it with conditions that hold and others that do not, and deletes it.

    Example: `coatcheck doctor --stack coatcheck --region eu-central-1`
    """
    import os

    from infra.doctor.asking import Cloud
    from infra.doctor.deployment import Deployment, of_stack
    from infra.doctor.examination import examine
    from infra.doctor.findings import State, lines, to_json

    cloud = Cloud(region)
    findings = list(examine(cloud, of_stack(cloud, stack) if stack else Deployment(dict(os.environ)), is_probed=probe))
    count = sum(one.state is State.WRONG for one in findings)
    summary = {0: "nothing is wrong", 1: "1 thing is wrong"}.get(count, f"{count} things are wrong")
    if as_json:
        typer.echo(json.dumps(to_json(findings), indent=2))
    else:
        typer.echo("\n".join([*lines(findings), summary]))
    raise typer.Exit(1 if count else 0)
