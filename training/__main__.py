"""The command line of training.

    python -m training fit --preset full --seed 0                    trains a network of the size that ships (two hours)
    python -m training fit --preset full --seed 2 --teacher DIR      the same, taught by an artifact: one of those that ship
    python -m training fit --preset smoke --out /tmp/artifact        shows that everything works (seconds)
    python -m training fit --preset full --images DIR --out DIR      trains on folders of images named after their classes
    python -m training export --run .training/full-0 --run .training/full-1 --out DIR
                                                                     exports finished runs, several as their mean
    python -m training export --model my.keras --classes classes.txt --calibrate DIR --out DIR
                                                                     makes an artifact of any Keras image classifier
    python -m training explore --out DIR                             shows the data in pictures (half a minute)
    python -m training report --artifact handler/artifact --out DIR  shows the model in pictures (seconds)
    python -m training samples                                       writes the sample images under events/
    python -m training convert photo.jpg --out DIR                   shows what the model gets to see of pictures

Keras's backend is chosen as everywhere, by KERAS_BACKEND; the export itself needs TensorFlow.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow loads: most of its start-up chatter

import typer
from rich.console import Console
from rich.table import Table

from handler.contract import Conversion
from handler.model import BUNDLED_ARTIFACT, Model
from training.config import PRESETS
from training.data.dataset import Dataset
from training.data.mnist import load_dataset
from training.data.sources import load_source, read_classes, source_options
from training.errors import TrainingError
from training.export.summary import print_summary

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)


class Preset(StrEnum):
    """The names of `training.config.PRESETS`."""

    full = "full"
    smoke = "smoke"


class Fit(StrEnum):
    """The ways of `handler.contract.Conversion`."""

    contain = "contain"
    fashion_mnist = "fashion-mnist"


class Precision(StrEnum):
    """What is computed in; weights are float32 in both."""

    float32 = "float32"
    mixed_bfloat16 = "mixed_bfloat16"


class Pixels(StrEnum):
    """The keys of `training.export.adoption.PIXELS`."""

    raw = "0..255"
    unit = "0..1"
    symmetric = "-1..1"


RUN_OPTIONS = {"--run", "--data-dir", "--classes", "--images", "--size"}
MODEL_OPTIONS = {"--model", "--classes", "--calibrate", "--pixels"}

DataDir = Annotated[Path | None, typer.Option(help="Folder with the four IDX files; by default they are looked for.")]
ClassesFile = Annotated[Path | None, typer.Option("--classes", help="Text file with one class name a line, in index order.")]
Images = Annotated[
    Path | None,
    typer.Option(
        help="Folder of folders of images, named after their classes, instead of IDX files; or of such train and test."
    ),
]
Size = Annotated[
    int | None,
    typer.Option(min=8, help="Side in pixels that --images are brought to; by default their median longer side, 64 at most."),
]
Out = Annotated[Path, typer.Option(file_okay=False, help="Folder the artifact is written to.")]
Name = Annotated[str | None, typer.Option(help="Of the model, as documents will state it; by default the data set's.")]
Artifact = Annotated[Path, typer.Option(help="Folder of the artifact; by default the bundled one.")]
Pages = Annotated[Path, typer.Option(file_okay=False, help="Folder the pictures and their page, index.html, are written to.")]
Version = Annotated[str, typer.Option(help="Of the model, as documents will state it.")]


@app.callback()
def main() -> None:
    """Makes the artifact that the handler serves."""


@app.command("fit")
def fit_command(
    preset: Annotated[Preset, typer.Option(help="full makes a network of the size that ships, smoke takes seconds.")],
    out: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder the artifact is written to; without it, export does that later."),
    ] = None,
    data_dir: DataDir = None,
    classes: ClassesFile = None,
    images: Images = None,
    size: Size = None,
    work: Annotated[Path, typer.Option(help="Where the run is kept, as PRESET-SEED.")] = Path(".training"),
    *,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that was stopped, if there is one.")] = False,
    seed: Annotated[int, typer.Option(help="Of the weights and the batches.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="In one cycle, instead of the preset's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, help="The peak, instead of the preset's.")] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="Folder of an artifact whose probabilities are learnt beside the labels.")
    ] = None,
    precision: Annotated[
        Precision, typer.Option(help="mixed_bfloat16 is faster on GPUs, and on CPUs with bfloat16 arithmetic.")
    ] = Precision.float32,
    name: Name = None,
    version: Version = "1.0.0",
) -> None:
    """Trains a classifier, and exports it as an artifact."""
    from training.artifact import load_artifact
    from training.network.fit import fit

    config = dataclasses.replace(PRESETS[preset.value], seed=seed, precision=precision.value)
    if epochs:
        config = dataclasses.replace(config, cycles=(epochs,))
    if learning_rate:
        config = dataclasses.replace(config, learning_rate=learning_rate)
    run = work / f"{config.preset}-{config.seed}"
    try:
        dataset = load_source(images, size, data_dir, classes)
        fit(config, dataset, run, teacher=load_artifact(teacher) if teacher else None, resume=resume)
    except TrainingError as error:
        raise SystemExit(f"error: {error}") from error
    if not out:
        return
    # A process of its own, because a backend cannot be changed once Keras is imported.
    command = [sys.executable, "-m", "training", "export", "--run", str(run), "--out", str(out)]
    command += ["--version", version, *source_options(dataset, images, classes), *(["--name", name] if name else [])]
    raise SystemExit(subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "tensorflow"}, check=False).returncode)


@app.command("export")
def export_command(
    out: Out,
    runs: Annotated[
        list[Path] | None,
        typer.Option("--run", help="Folder of a finished run, for example .training/full-0; of several, the mean is exported."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Or any Keras image classifier, as a .keras file; needs --classes.")
    ] = None,
    data_dir: DataDir = None,
    classes: ClassesFile = None,
    images: Images = None,
    size: Size = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(help="With --model: folder of folders of images named after the classes, for temperature and figures."),
    ] = None,
    pixels: Annotated[
        Pixels | None,
        typer.Option(help="With --model: the range that it expects pixels in; 0..255, the default, if it scales them itself."),
    ] = None,
    name: Name = None,
    version: Version = "1.0.0",
) -> None:
    """Exports finished runs, or any Keras image classifier: quantises, calibrates and measures it."""
    options = {"run": runs, "data-dir": data_dir, "images": images, "size": size, "model": model, "calibrate": calibrate}
    given = {f"--{option}" for option, value in (options | {"pixels": pixels, "classes": classes}).items() if value}
    try:
        if runs and given <= RUN_OPTIONS:
            from training.export.runs import export_runs

            served = export_runs(runs, load_source(images, size, data_dir, classes), out, name=name, version=version)
        elif model and classes and given <= MODEL_OPTIONS:
            from training.export.adoption import adopt

            scale = (pixels or Pixels.raw).value
            served = adopt(model, read_classes(classes), calibrate, out, pixels=scale, name=name, version=version)
        else:
            raise TrainingError(
                f"Expected --run, with options out of {_listed(RUN_OPTIONS)}, or --model and --classes, with options out of "
                f"{_listed(MODEL_OPTIONS)}. Received: {_listed(given) or 'none of them'}."
            )
    except (TrainingError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    print_summary(served.manifest, out)


@app.command("explore")
def explore_command(out: Pages, artifact: Artifact = BUNDLED_ARTIFACT, images: Images = None, data_dir: DataDir = None) -> None:
    """Shows the data: images of each class, their number, and an embedding that moves from pixels to the model's output."""
    from training.report.explore import explore

    _show(explore, artifact, images, data_dir, out)


@app.command("report")
def report_command(out: Pages, artifact: Artifact = BUNDLED_ARTIFACT, images: Images = None, data_dir: DataDir = None) -> None:
    """Shows the model: learning curves, confusion, calibration, coverage, mistakes, each class."""
    from training.report.report import report

    _show(report, artifact, images, data_dir, out)


@app.command("samples")
def samples_command(
    out: Annotated[Path, typer.Option(help="Folder the images are written to.")] = Path("events/images"),
    data_dir: DataDir = None,
) -> None:
    """Writes the sample images of the tests and the demo: the first ten test images of each class."""
    from training.data.samples import write_samples

    try:
        count = write_samples(load_dataset(data_dir), out)
    except TrainingError as error:
        raise SystemExit(f"error: {error}") from error
    Console().print(f"wrote {count} images to {out}")


@app.command("convert")
def convert_command(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder the sheet of pictures is written to.")],
    pictures: Annotated[list[Path] | None, typer.Argument(help="PNG, JPEG or WebP files.")] = None,
    artifact: Artifact = BUNDLED_ARTIFACT,
    *,
    garments: Annotated[bool, typer.Option("--garments", help="Show drawn garments as well.")] = False,
    fit: Annotated[Fit | None, typer.Option(help="Show this conversion beside the artifact's own.")] = None,
) -> None:
    """Shows what the model gets to see of pictures, and what it says of them."""
    from training.artifact import load_artifact
    from training.report.garments import draw_garments
    from training.report.preview import SHEET_FILE, read_pictures, render_sheet, view

    try:
        model = load_artifact(artifact)
        shown = read_pictures(pictures or []) + (list(draw_garments()) if garments else [])
        if not shown:
            raise TrainingError("Expected at least one picture. Received: none; name some files, or add --garments.")
        conversions = [model.manifest.conversion] + ([Conversion(fit=fit.value)] if fit else [])
        rows = [[view(name, picture, model, conversion) for conversion in conversions] for name, picture in shown]
        out.mkdir(parents=True, exist_ok=True)
        render_sheet(rows).save(out / SHEET_FILE)
    except (TrainingError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    table = Table("picture", *(f"by {conversion.fit}" for conversion in conversions))
    for views in rows:
        table.add_row(views[0].name, *(it.verdict for it in views))
    Console().print(table)
    Console().print(f"wrote {out / SHEET_FILE}", soft_wrap=True)


def _show(
    show: Callable[[Model, Dataset, Path], list[Path]], artifact: Path, images: Path | None, data_dir: Path | None, out: Path
) -> None:
    from training.data.sources import load_labelled

    try:
        paths = show(*load_labelled(artifact, images, data_dir), out)
    except (TrainingError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    for path in paths:
        typer.echo(path)


def _listed(options: set[str]) -> str:
    return ", ".join(sorted(options))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    app()
