"""Defines the commands that train networks and export them."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from training import options
from training.config import PRESETS, Config
from training.data.dataset import Dataset
from training.data.sources import load_source, refuse_two_sources, source_options
from training.export.summary import print_summary
from training.startup import load_keras

commands = typer.Typer()


@commands.command("fit")
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
    changed: Annotated[
        float | None, typer.Option(help="Share of the images that are changed, 0 to 1, instead of the preset's.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Learn no changed images, and none of other things.")] = False,
    precision: Annotated[options.Precision, typer.Option(help=options.PRECISION_HELP)] = options.Precision.float32,
    name: options.Name = None,
    version: options.Version = "1.0.0",
) -> None:
    """Trains a classifier, and exports it as an artifact."""
    if learning_rate is not None and not 0 < learning_rate < math.inf:
        raise typer.BadParameter(f"Expected a finite --learning-rate above 0. Received: {learning_rate}.")
    if changed is not None and (plain or not 0 <= changed <= 1):
        received = "both" if plain else changed
        raise typer.BadParameter(f"Expected --changed from 0 to 1, without --plain. Received: {received}.")
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
    config = PRESETS[preset.value].plain() if plain else PRESETS[preset.value]
    config = dataclasses.replace(
        config,
        seed=seed,
        precision=precision.value,
        cycles=(epochs,) if epochs else config.cycles,
        learning_rate=learning_rate or config.learning_rate,
        change_probability=config.change_probability if changed is None else changed,
    )
    dataset = load_source(images, size, data_dir, classes, labels)
    run = work / f"{config.preset}-{config.seed}"
    _train(config, dataset, run, teacher, resume=resume)
    if out:
        named = ["--version", version, *(["--name", name] if name else [])]
        _export(run, out, [*named, *source_options(dataset, images, classes, labels)])


def _train(config: Config, dataset: Dataset, run: Path, teacher: Path | None, *, resume: bool) -> None:
    from training.artifact import load_artifact
    from training.network.fit import fit

    fit(config, dataset, run, teacher=load_artifact(teacher) if teacher else None, resume=resume)


def _export(run: Path, out: Path, more: list[str]) -> None:
    """Exports a run in a process of its own, because the backend cannot be changed once Keras is imported."""
    command = [sys.executable, "-m", "training", "export", "--run", str(run), "--out", str(out), *more]
    raise SystemExit(subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "tensorflow"}, check=False).returncode)


@commands.command("export")
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
