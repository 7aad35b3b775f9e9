"""Defines the commands that score backlogs on a deployed stack, look at their runs, and stop them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
import typer.core

PANEL = "Score"

Stack = Annotated[str, typer.Option(help="Name of the deployed stack, which has the parameter Backlogs=on.")]
Region = Annotated[str | None, typer.Option(help="Region of the stack.", show_default="the user's own")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value, and no progress.")]
Run = Annotated[str | None, typer.Argument(metavar="RUN", help="Name of a run.")]

_IS_NAMED = "infra.commands.backlog.is_named"


class _Group(typer.core.TyperGroup):
    """A group that is a command itself: it takes sources, unless the first word is the name of one of its commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the arguments; those of a named command are left to it."""
        is_named = ctx.meta[_IS_NAMED] = bool(args) and args[0] in self.commands
        ctx.allow_interspersed_args = not is_named  # options may follow a source, and those of a named command are its own
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> Sequence[Any]:  # type: ignore[override]
        """Returns the parameters of the command itself, which it has not if another one is named."""
        return [] if ctx.meta.get(_IS_NAMED) else super().get_params(ctx)


commands = typer.Typer()
backlog_commands = typer.Typer(cls=_Group, subcommand_metavar="| show [RUN] | stop [RUN]")


@backlog_commands.callback(invoke_without_command=True)
def backlog(
    context: typer.Context,
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE", help="s3://bucket/prefix/, or lists of objects; - for a list that is piped in."),
    ] = None,
    stack: Stack = "coatcheck",
    region: Region = None,
    run: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the run.", show_default="made of the sources and options")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|s3://…|NAME",
            help="Score with another artifact, into a place of its own, for coatcheck compare.",
            show_default="the deployed one",
        ),
    ] = None,
    *,
    is_all: Annotated[bool, typer.Option("--all", help="Score all inputs of the stack, in place of a SOURCE.")] = False,
    documents: Annotated[bool, typer.Option("--documents", help="Write a document for each object, as uploads get.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also replace the documents that another model wrote, which implies --documents.")
    ] = False,
    only_plan: Annotated[bool, typer.Option("--plan", help="Say what there is to do and what it costs, and stop.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start the run, and do not watch it.")] = False,
    as_json: Json = False,
) -> None:
    """Scores what is in S3 already, up to hundreds of millions of objects, on a deployed stack.

    The function plans: it lists the objects, and leaves out those that have their answer. Then this says how many objects,
    images and bytes there are, about how long it takes, and what it costs: about $0.55 for a million single images, and $0.02
    if they are packed a thousand in an object. Step Functions has shards of them scored at the same time, which is watched here
    until it is done. Ctrl-C ends the watching alone. The same command finds its unfinished run again, and does what is left.

    A row is a line of JSON for each object, the very document that an upload of it gets. `coatcheck table` reads the rows of a
    run. What has a row or a document is done: neither a later run nor a sweep scores it again.

    A list names objects: a text with an s3:// address or a JSON object with "source-ref" on each line; a CSV or Parquet file
    with the columns bucket and key, or uri or object; the CSV manifest of S3 Batch Operations; the manifest.json of an S3
    Inventory. It may lie here or in S3.

    Status: 0, or 1 if something failed, or 2 for wrong use.

    Examples:
    - `coatcheck backlog s3://shop/photos/ --plan`, and then `coatcheck backlog s3://shop/photos/`

    - `coatcheck backlog s3://shop/photos/ --model ./new-model`

    - `coatcheck backlog inventory/2026-05-01/manifest.json --detach`
    """
    if context.invoked_subcommand:
        return
    from infra.backlog.command import Request, Where, score

    request = Request(
        sources=sources or [],
        is_all=is_all,
        where=Where(stack, region),
        run=run,
        model=model,
        documents=documents,
        replace=replace,
        only_plan=only_plan,
        detach=detach,
        as_json=as_json,
    )
    raise typer.Exit(score(request))


@backlog_commands.command()
def show(
    run: Run = None,
    stack: Stack = "coatcheck",
    region: Region = None,
    *,
    detach: Annotated[bool, typer.Option("--detach", help="Say how far it is, and do not watch it.")] = False,
    as_json: Json = False,
) -> None:
    """Looks a run up again, and watches it until it is done; without a name, it lists the runs.

    Step Functions remembers runs for 90 days. Status: 0, or 1 if the run or some of its objects failed, or 2 for wrong use.

    Example: `coatcheck backlog show photos-1a2b3c4d`
    """
    from infra.backlog.command import Where
    from infra.backlog.command import show as look

    raise typer.Exit(look(Where(stack, region), run, detach=detach, as_json=as_json))


@backlog_commands.command()
def stop(
    run: Run = None,
    stack: Stack = "coatcheck",
    region: Region = None,
    *,
    as_json: Json = False,
) -> None:
    """Stops a run, and says what is done of it and how to go on; without a name, it stops the only one that is running.

    What is scored stays, and the same command goes on with what is left.

    Example: `coatcheck backlog stop photos-1a2b3c4d`
    """
    from infra.backlog.command import Where
    from infra.backlog.command import stop as end

    raise typer.Exit(end(Where(stack, region), run, as_json=as_json))


commands.add_typer(backlog_commands, name="backlog", rich_help_panel=PANEL)
