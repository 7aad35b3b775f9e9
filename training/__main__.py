"""The command line of training.

    python -m training fit --preset full --out handler/artifact      makes the artifact that ships (about half an hour)
    python -m training fit --preset smoke --out /tmp/artifact        shows that everything works (seconds)
    python -m training export --run .training/full --out DIR         exports a finished run again
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
from enum import StrEnum
from pathlib import Path
from typing import Annotated

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow loads: most of its start-up chatter

import typer
from rich.console import Console
from rich.table import Table

from handler.contract import Conversion, Manifest
from handler.model import BUNDLED_ARTIFACT, BadArtifact, directory_reader, load_model
from training.config import PRESETS
from training.data import DataError, load_dataset
from training.errors import TrainingError

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


DataDir = Annotated[Path | None, typer.Option(help="Folder with the four IDX files; by default they are looked for.")]
ClassesFile = Annotated[Path | None, typer.Option("--classes", help="Text file with one class name a line, in index order.")]
Out = Annotated[Path, typer.Option(file_okay=False, help="Folder the artifact is written to.")]
Name = Annotated[str | None, typer.Option(help="Of the model, as documents will state it; by default the data set's.")]
Version = Annotated[str, typer.Option(help="Of the model, as documents will state it.")]


@app.callback()
def main() -> None:
    """Makes the artifact that the handler serves."""


@app.command("fit")
def fit_command(
    preset: Annotated[Preset, typer.Option(help="full makes the artifact that ships, smoke takes seconds.")],
    out: Out,
    data_dir: DataDir = None,
    classes: ClassesFile = None,
    work: Annotated[Path, typer.Option(help="Where the run is kept, under the preset's name.")] = Path(".training"),
    *,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that was stopped, if there is one.")] = False,
    seed: Annotated[int, typer.Option(help="Of the weights, the batches and the held-out slice.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="In one cycle, instead of the preset's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, help="The peak, instead of the preset's.")] = None,
    precision: Annotated[
        Precision, typer.Option(help="mixed_bfloat16 is faster on GPUs and CPUs with AMX.")
    ] = Precision.float32,
    name: Name = None,
    version: Version = "1.0.0",
) -> None:
    """Trains a classifier and exports it as an artifact."""
    from training.fit import fit

    config = dataclasses.replace(PRESETS[preset.value], seed=seed, precision=precision.value)
    if epochs:
        config = dataclasses.replace(config, cycles=(epochs,))
    if learning_rate:
        config = dataclasses.replace(config, learning_rate=learning_rate)
    try:
        dataset = load_dataset(data_dir, _read_classes(classes))
        fit(config, dataset, work / config.preset, resume=resume)
    except TrainingError as error:
        raise SystemExit(f"error: {error}") from error
    # A process of its own, because a backend cannot be changed once Keras is imported.
    command = [sys.executable, "-m", "training", "export", "--run", str(work / config.preset), "--out", str(out)]
    command += ["--version", version, "--data-dir", str(dataset.directory)]
    command += (["--name", name] if name else []) + (["--classes", str(classes)] if classes else [])
    raise SystemExit(subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "tensorflow"}, check=False).returncode)


@app.command("export")
def export_command(
    run: Annotated[Path, typer.Option(help="Folder of a finished run, for example .training/full.")],
    out: Out,
    data_dir: DataDir = None,
    classes: ClassesFile = None,
    name: Name = None,
    version: Version = "1.0.0",
) -> None:
    """Exports a finished run: quantises, calibrates and measures it."""
    from training.export import export_run

    try:
        dataset = load_dataset(data_dir, _read_classes(classes))
        model = export_run(run, dataset, out, name=name, version=version)
    except (TrainingError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    _print_summary(model.manifest, out)


@app.command("samples")
def samples_command(
    out: Annotated[Path, typer.Option(help="Folder the images are written to.")] = Path("events/images"),
    data_dir: DataDir = None,
) -> None:
    """Writes the sample images of the tests and the demo: the first ten test images of each class."""
    from training.samples import write_samples

    try:
        count = write_samples(load_dataset(data_dir), out)
    except TrainingError as error:
        raise SystemExit(f"error: {error}") from error
    Console().print(f"wrote {count} images to {out}")


@app.command("convert")
def convert_command(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder the sheet of pictures is written to.")],
    pictures: Annotated[list[Path] | None, typer.Argument(help="PNG, JPEG or WebP files.")] = None,
    artifact: Annotated[Path, typer.Option(help="Folder of the artifact; by default the bundled one.")] = BUNDLED_ARTIFACT,
    *,
    garments: Annotated[bool, typer.Option("--garments", help="Show drawn garments as well.")] = False,
    fit: Annotated[Fit | None, typer.Option(help="Show this conversion beside the artifact's own.")] = None,
) -> None:
    """Shows what the model gets to see of pictures, and what it says of them."""
    from training.garments import draw_garments
    from training.preview import SHEET_FILE, read_pictures, render_sheet, view

    try:
        model = load_model(directory_reader(artifact))
        shown = read_pictures(pictures or []) + (list(draw_garments()) if garments else [])
        if not shown:
            raise TrainingError("Expected at least one picture. Received: none; name some files, or add --garments.")
        conversions = [model.manifest.conversion] + ([Conversion(fit=fit.value)] if fit else [])
        rows = [[view(name, picture, model, conversion) for conversion in conversions] for name, picture in shown]
        out.mkdir(parents=True, exist_ok=True)
        render_sheet(rows).save(out / SHEET_FILE)
    except (TrainingError, BadArtifact, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    table = Table("picture", *(f"by {conversion.fit}" for conversion in conversions))
    for views in rows:
        table.add_row(views[0].name, *(it.verdict for it in views))
    Console().print(table)
    Console().print(f"wrote {out / SHEET_FILE}", soft_wrap=True)


def _print_summary(manifest: Manifest, out: Path) -> None:
    metrics, before, in_float = manifest.metrics, manifest.metrics_before_scaling, manifest.metrics_in_float
    table = Table("figure", "value", title=f"{manifest.name} {manifest.version}, through the LiteRT file")
    if metrics and before and in_float:
        table.add_row("test accuracy", f"{metrics.accuracy:.2%} of {metrics.images:,} images")
        table.add_row("the same in float", f"{in_float.accuracy:.2%}, {manifest.agreement_with_float:.2%} the same predictions")
        table.add_row(
            "negative log-likelihood",
            f"{metrics.negative_log_likelihood:.4f} nats ({before.negative_log_likelihood:.4f} before)",
        )
        table.add_row(
            "expected calibration error",
            f"{metrics.expected_calibration_error:.4f} ({before.expected_calibration_error:.4f} before)",
        )
    table.add_row("temperature", f"{manifest.temperature:.3f}")
    table.add_row("unsure below", "never sure" if manifest.unsure_below is None else f"{manifest.unsure_below:.3f}")
    table.add_row("model file", f"{manifest.model.size_bytes / 2**20:.2f} MiB")
    Console().print(table)
    Console().print(f"artifact: {out}", soft_wrap=True)


def _read_classes(path: Path | None) -> tuple[str, ...] | None:
    if path is None:
        return None
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Expected a UTF-8 text file with one class name a line. Received: {path} ({error}).") from error
    repeated = sorted({name for name in names if names.count(name) > 1})
    if len(names) < 2 or repeated:
        raise DataError(f"Expected at least two different class names. Received: {len(names)} in {path}, repeated: {repeated}.")
    return names


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    app()
