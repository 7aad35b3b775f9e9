"""Carries out `coatcheck redrive`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from infra.doctor.asking import Cloud
from infra.doctor.deployment import find_stack
from infra.errors import WrongUse
from infra.redrive import running
from infra.redrive.places import Places
from infra.redrive.running import Order, redrive
from infra.redrive.telling import lines, to_json


def run(places: Places, order: Order, *, as_json: bool) -> int:
    """Sends dead letters back, says what became of them, and returns the exit status.

    It is 1 if one stays that was to go, or if letters were not met because of the many that stay.

    Raises:
        KeyboardInterrupt: it was interrupted; what was done until then was said.
        InfraError: a call failed; what was done until then was said.
    """
    with _progress(is_shown=sys.stderr.isatty() and not as_json) as progress:
        outcome = redrive(places, order, progress)
    if as_json:
        typer.echo(json.dumps(to_json(outcome, is_trial=order.is_trial), indent=2))
    else:
        typer.echo("\n".join(lines(outcome, is_trial=order.is_trial)))
    if outcome.error:
        raise outcome.error
    if outcome.is_interrupted:
        raise KeyboardInterrupt
    return int(outcome.is_cut_short or any(fate.reason for fate in outcome.fates))


def find_places(stack: str | None, region: str | None, queue: str | None, to: str | None) -> Places:
    """Returns the places of a stack, or of the addresses of two queues.

    Raises:
        WrongUse: there is no such stack, or one address alone is given, or both are one, or a stack is named besides them.
        InfraError: the stack may not be read, or nobody answers.
    """
    given = [name for name, value in (("--stack", stack), ("--queue", queue), ("--to", to)) if value]
    if given not in ([], ["--stack"], ["--queue", "--to"]):
        raise WrongUse(
            f"Expected --stack, or both --queue and --to. Received: {' and '.join(given)}; give both addresses, or the "
            "stack alone."
        )
    if queue and queue == to:  # letters would lose what their sender said of them, and reach nobody
        raise WrongUse(
            f"Expected two queues, of dead letters and of uploads. Received: {queue} for both; the stack's outputs name "
            "the two."
        )
    cloud = Cloud(region)
    if queue and to:
        return Places(cloud, queue, to)
    found = find_stack(cloud, stack or "coatcheck")
    outputs = found.outputs
    missing = [name for name in ("DeadLetterQueueUrl", "QueueUrl") if name not in outputs]
    if missing:
        raise WrongUse(
            f"Expected a stack of template.yaml. Received: {found.name!r}, without the output {missing[0]}; deploy it again."
        )
    return Places(cloud, outputs["DeadLetterQueueUrl"], outputs["QueueUrl"], found.function, outputs.get("BacklogArn", ""))


@contextmanager
def _progress(*, is_shown: bool) -> Iterator[running.Progress]:
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not is_shown, transient=True) as shown:
        task = shown.add_task("redriving", total=None)
        yield lambda met, waiting: shown.update(task, completed=met, total=max(met, waiting))
