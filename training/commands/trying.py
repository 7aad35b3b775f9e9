"""Defines the command that tries a model on images that it was not made for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handler.model import BUNDLED_ARTIFACT
from training import options
from training.data.sources import load_labelled

commands = typer.Typer()


@commands.command("trial")
def trial_command(
    context: typer.Context,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the pictures, their documents, and tiles of them.")],
    artifact: options.Artifact = BUNDLED_ARTIFACT,
    images: options.Images = None,
    labels: options.Labels = None,
    data_dir: options.DataDir = None,
    others: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder of folders of pictures that show none of the classes."),
    ] = None,
    count: Annotated[int, typer.Option(min=10, help="Images of each kind, at most.")] = 1000,
    *,
    write: Annotated[bool, typer.Option("--write", help="Write the figures into --artifact, manifest and card.")] = False,
) -> None:
    """Tries a model: the test images changed in many ways, and pictures that show none of its classes.

    Every picture goes through the function's own code, and what counts is the documents: how many are right, how many have
    neither mark, and how many of those are right. Write the figures into an artifact before you deploy it, since documents are
    made anew for another manifest.

    Example: python -m training trial --artifact OUT --images DIR --out /tmp/trial
    """
    if write and not options.given(context, "artifact"):
        raise typer.BadParameter("Expected --artifact with --write. Received: no artifact to write to; name it.")
    from training.export.files import add_trial
    from training.trial.summary import print_trial
    from training.trial.trying import try_model

    model, dataset = load_labelled(artifact, images, data_dir, labels)
    trial = try_model(model, artifact, dataset.test, others, out, count)
    if write:
        add_trial(artifact, trial)
    print_trial(trial)
