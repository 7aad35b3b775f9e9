"""Defines the command that says what images cost on AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.cost.times import Client

PANEL = "Plan"

commands = typer.Typer()


@commands.command(rich_help_panel=PANEL)
def cost(
    images: Annotated[int, typer.Option(min=1, max=10**12, help="Number of images.")] = 1_000_000,
    route: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Show every line of one route: queue, packed, direct, …", show_default="all, in short"
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="Objects that the queue hands to one invocation.", show_default="the template's"),
    ] = None,
    client: Annotated[Client, typer.Option(help="Client by which the function talks to S3.")] = Client.boto3,
    memory: Annotated[
        int | None,
        typer.Option(min=128, max=10_240, metavar="MB", help="Memory of the function.", show_default="the template's"),
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your own prices, as TOML.", show_default="infra/cost/prices.toml")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every line, price and time.")] = False,
) -> None:
    """Says what images cost on AWS, in dollars, by each route on which they may come.

    The calls of each route are counted, the times are those of `docs/bench/times.json`, and the prices those of
    `infra/cost/prices.toml`. A file of your own may hold only the prices that differ for you. `docs/cost.md` shows every line
    for a million images, and says what is left out. It needs neither AWS nor an account.

    Examples: `coatcheck cost`, `coatcheck cost --route queue --images 50000 --prices my-prices.toml`
    """
    from infra.cost.command import Asked, run

    run(Asked(images, route, batch, client, memory, prices), as_json=as_json)
