"""Defines the commands that show data and models in pictures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import PIL.Image
import typer
from rich.console import Console

from handler.contract import Conversion
from handler.model import BUNDLED_ARTIFACT
from training import options
from training.data.mnist import load_dataset
from training.data.sources import load_labelled

commands = typer.Typer()


@commands.command("explore")
def explore_command(
    out: options.Pages,
    artifact: options.Artifact = BUNDLED_ARTIFACT,
    images: options.Images = None,
    labels: options.Labels = None,
    data_dir: options.DataDir = None,
) -> None:
    """Shows the data: images and number of each class, doubtful labels, and how the model separates the classes.

    The list of doubtful labels, doubtful-labels.csv, can be given to --labels once its column `label` is corrected.
    """
    from training.report.explore import explore

    _print_paths(explore(*load_labelled(artifact, images, data_dir, labels), out))


@commands.command("report")
def report_command(
    out: options.Pages,
    artifact: options.Artifact = BUNDLED_ARTIFACT,
    images: options.Images = None,
    labels: options.Labels = None,
    data_dir: options.DataDir = None,
) -> None:
    """Shows the model: learning curves, confusion, calibration, coverage, mistakes, unfamiliar images, each class."""
    from training.report.report import report

    _print_paths(report(*load_labelled(artifact, images, data_dir, labels), out))


@commands.command("samples")
def samples_command(
    out: Annotated[Path, typer.Option(help="Folder the images are written to.")] = Path("events/images"),
    data_dir: options.DataDir = None,
) -> None:
    """Writes the sample images of the tests and the demo: the first ten test images of each class."""
    from training.data.samples import write_samples

    count = write_samples(load_dataset(data_dir), out)
    Console().print(f"wrote {count} images to {out}")


@commands.command("convert")
def convert_command(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder the sheets of pictures are written to.")],
    pictures: Annotated[
        list[Path] | None, typer.Argument(help="Pictures of the kinds that the function reads, and folders of them.")
    ] = None,
    artifact: options.Artifact = BUNDLED_ARTIFACT,
    *,
    garments: Annotated[bool, typer.Option("--garments", help="Show drawn garments as well.")] = False,
    fit: Annotated[options.Fit | None, typer.Option(help="Show this conversion in addition to the artifact's own.")] = None,
) -> None:
    """Shows pictures as the model sees them, with its predictions; those that cannot be shown are listed in the end."""
    if not pictures and not garments:
        raise typer.BadParameter("Expected at least one picture. Received: none; name files or folders, or add --garments.")
    from training.artifact import load_artifact
    from training.report.garments import draw_garments
    from training.report.picture_files import find_pictures, read_picture
    from training.report.preview import preview

    model = load_artifact(artifact)
    shown = [(name, partial(read_picture, path)) for name, path in find_pictures(pictures or [])]
    if garments:
        shown += [(name, partial(PIL.Image.Image.copy, drawn)) for name, drawn in draw_garments()]
    failed = preview(model, shown, [model.manifest.conversion] + ([Conversion(fit=fit.value)] if fit else []), out)
    for line in failed:
        typer.echo(f"error: {line}", err=True)
    if failed:
        raise typer.Exit(1)


def _print_paths(paths: list[Path]) -> None:
    for path in paths:
        typer.echo(path)
