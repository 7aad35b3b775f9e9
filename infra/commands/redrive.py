"""Defines the command that sends dead letters back."""

from __future__ import annotations

from typing import Annotated

import typer

PANEL = "Run the function here"

commands = typer.Typer()


@commands.command(rich_help_panel=PANEL)
def redrive(
    stack: Annotated[str | None, typer.Option(help="Name of the deployed stack.", show_default="coatcheck")] = None,
    region: Annotated[str | None, typer.Option(help="Region of the stack.", show_default="boto3's")] = None,
    queue: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Address of the dead-letter queue, in place of a stack.", show_default=False),
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of the upload queue, with --queue.", show_default=False)
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND|ERROR|PATTERN",
            help="Send those alone that are of this kind or error, or name an object like raw/*.png; it may be repeated.",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Send back this number of letters at most.", show_default="all")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value, with each letter.")] = False,
) -> None:
    """Sends dead letters of every kind back to where they are scored, once their cause is mended.

    Kinds are `sqs` and `postponed` (messages that the upload queue gave up), `lambda` (failed asynchronous invocations),
    `eventbridge`, `scheduler` and `sns` (events that reached nobody). Whatever the function can read in the upload queue goes
    there, with all its deliveries before it; an event that only an invocation can carry goes to the function, and the start of
    a backlog to the state machine. A letter is deleted after it was sent. So it may be sent twice, which is harmless, but is
    never lost, even if Ctrl-C ends the command. A letter that comes back while it runs stays.

    Status: 0, or 1 if a letter stays that was to go back, or 2 for wrong use.

    Example: `coatcheck redrive --stack coatcheck --region eu-central-1 --dry-run`
    """
    from infra.errors import WrongUse
    from infra.redrive.command import find_places, run
    from infra.redrive.running import Order

    if only and "" in only:  # such as of a variable that is not set; letters that name no error would match it
        raise WrongUse(
            "Expected a kind, the name of an error or a pattern with --only. Received: an empty text; leave it out to send all."
        )
    order = Order(tuple(only or ()), limit, is_trial=dry_run)
    raise typer.Exit(run(find_places(stack, region, queue, to), order, as_json=as_json))
