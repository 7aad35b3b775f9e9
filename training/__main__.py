"""Runs the commands of training.

    python -m training fit --preset full --seed 0                    trains a network of the size that ships (two hours)
    python -m training fit --preset full --seed 2 --teacher DIR      the same, but taught by an artifact
    python -m training fit --preset smoke --out /tmp/artifact        shows that everything works (seconds)
    python -m training fit --images DIR --out DIR                    learns photos in folders named after classes (minutes)
    python -m training export --run .training/full-0 --run .training/full-1 --out DIR
                                                                     exports finished runs, several as their mean
    python -m training adopt my.keras --classes classes.txt --calibrate DIR --out DIR
                                                                     makes an artifact of any Keras image classifier
    python -m training explore --out DIR                             shows the data in pictures (a minute or two)
    python -m training report --artifact handler/artifact --out DIR  shows the model in pictures (seconds)
    python -m training samples                                       writes the sample images under events/
    python -m training convert photo.jpg DIR --out DIR               shows pictures as the model sees them

`python -m training.recipes.fashion_mnist` trains the model that ships, by these commands.

Keras's backend is chosen as everywhere, by KERAS_BACKEND; the export itself needs TensorFlow.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import PIL.Image
import typer
from rich.console import Console

from handler.contract import Conversion
from handler.model import BUNDLED_ARTIFACT
from training import options
from training.command_line import Commands
from training.config import PRESETS
from training.data.mnist import load_dataset
from training.data.sources import load_labelled, load_source, read_classes, refuse_two_sources, source_options
from training.export.summary import print_summary
from training.startup import load_keras

app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)


@app.callback()
def main() -> None:
    """Makes the artifact that the handler serves."""


@app.command("fit")
def fit_command(
    context: typer.Context,
    preset: Annotated[
        options.Preset, typer.Option(help="full trains a network of the size that ships, smoke takes seconds.")
    ] = options.Preset.full,
    out: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder the artifact is written to; without it, export does that later."),
    ] = None,
    backbone: Annotated[
        options.Start,
        typer.Option(
            help="What --images start from: a pretrained network, or none; auto takes what is better on held-out images."
        ),
    ] = options.Start.auto,
    data_dir: options.DataDir = None,
    classes: options.ClassesFile = None,
    images: options.Images = None,
    labels: options.Labels = None,
    size: options.Size = None,
    work: Annotated[Path, typer.Option(help="Folder the run is kept in, as PRESET-SEED.")] = Path(".training"),
    *,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Leave the pretrained network as it is: a third of the time.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that was stopped, if there is one.")] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the weights and the batches.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs in one cycle, instead of the preset's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The peak, instead of the preset's.")] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="Folder of an artifact whose probabilities are learnt in addition to the labels.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Learn no changed images, and none of other things.")] = False,
    precision: Annotated[options.Precision, typer.Option(help=options.PRECISION_HELP)] = options.Precision.float32,
    name: options.Name = None,
    version: options.Version = "1.0.0",
) -> None:
    """Trains a classifier, and exports it as an artifact."""
    if learning_rate is not None and not 0 < learning_rate < math.inf:
        raise typer.BadParameter(f"Expected a finite --learning-rate above 0. Received: {learning_rate}.")
    start = options.choose_start(context, backbone)
    refuse_two_sources(images, data_dir, classes)
    load_keras()
    if start is not options.Start.none and images and out:
        from training.transfer.fitting import fit_photos

        chosen = None if start is options.Start.auto else start.value
        served = fit_photos(images, labels, size, chosen, out, tuned=not frozen, name=name, version=version)
        if served:
            print_summary(served.manifest, out)
            return
    from training.artifact import load_artifact
    from training.network.fit import fit

    config = dataclasses.replace(PRESETS[preset.value], seed=seed, precision=precision.value)
    if epochs:
        config = dataclasses.replace(config, cycles=(epochs,))
    if plain:
        config = dataclasses.replace(config, change_probability=0.0, foreign=0)
    if learning_rate:
        config = dataclasses.replace(config, learning_rate=learning_rate)
    run = work / f"{config.preset}-{config.seed}"
    dataset = load_source(images, size, data_dir, classes, labels)
    fit(config, dataset, run, teacher=load_artifact(teacher) if teacher else None, resume=resume)
    if not out:
        return
    # The export runs in a process of its own, because the backend cannot be changed once Keras is imported.
    command = [sys.executable, "-m", "training", "export", "--run", str(run), "--out", str(out)]
    command += ["--version", version, *source_options(dataset, images, classes, labels), *(["--name", name] if name else [])]
    raise SystemExit(subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "tensorflow"}, check=False).returncode)


@app.command("export")
def export_command(
    runs: Annotated[
        list[Path],
        typer.Option("--run", help="Folder of a finished run, for example .training/full-0; of several, the mean is exported."),
    ],
    out: options.Out,
    data_dir: options.DataDir = None,
    classes: options.ClassesFile = None,
    images: options.Images = None,
    labels: options.Labels = None,
    size: options.Size = None,
    name: options.Name = None,
    version: options.Version = "1.0.0",
) -> None:
    """Exports finished runs: converts, quantises, calibrates and measures them."""
    load_keras()
    from training.export.runs import export_runs

    served = export_runs(runs, load_source(images, size, data_dir, classes, labels), out, name=name, version=version)
    print_summary(served.manifest, out)


@app.command("adopt")
def adopt_command(
    model: Annotated[Path, typer.Argument(help="Any Keras image classifier, as a .keras file.")],
    classes: options.RequiredClassesFile,
    out: options.Out,
    calibrate: Annotated[
        Path | None,
        typer.Option(help="Folder of folders of images named after the classes, for temperature and figures."),
    ] = None,
    pixels: Annotated[
        options.Pixels, typer.Option(help="Range in which the model expects pixels; 0..255 if it scales them itself.")
    ] = options.Pixels.raw,
    name: options.Name = None,
    version: options.Version = "1.0.0",
) -> None:
    """Makes an artifact of a Keras image classifier that was trained elsewhere.

    The file is loaded in Keras's safe mode, which runs no code from it. For a file of another kind (HDF5, SavedModel, ONNX,
    PyTorch, LiteRT), the way to a .keras file is printed. With images to calibrate on, a wrong order of the classes and a wrong
    range of the pixels are pointed out.

    Example: python -m training adopt my.keras --classes classes.txt --calibrate photos --out artifact
    """
    from training.export.foreign_files import require_keras_file

    require_keras_file(model)  # before Keras is loaded, which takes seconds
    load_keras()
    from training.export.adoption import adopt

    served = adopt(model, read_classes(classes), calibrate, out, pixels=pixels.value, name=name, version=version)
    print_summary(served.manifest, out)


@app.command("explore")
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


@app.command("report")
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


@app.command("samples")
def samples_command(
    out: Annotated[Path, typer.Option(help="Folder the images are written to.")] = Path("events/images"),
    data_dir: options.DataDir = None,
) -> None:
    """Writes the sample images of the tests and the demo: the first ten test images of each class."""
    from training.data.samples import write_samples

    count = write_samples(load_dataset(data_dir), out)
    Console().print(f"wrote {count} images to {out}")


@app.command("convert")
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


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    app()
