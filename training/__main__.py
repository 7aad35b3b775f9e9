"""The command line of training.

    python -m training fit --preset full --out handler/artifact      makes the artifact that ships (about 25 min, two cores)
    python -m training fit --preset smoke --out /tmp/artifact        shows that everything works (seconds)
    python -m training export --run .training/full --out DIR         exports a finished run again

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

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow loads: its start-up chatter hides the progress bar

import typer

from training.config import PRESETS
from training.data import DataError, load_dataset

app = typer.Typer(help=__doc__.splitlines()[0], no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)

Preset = StrEnum("Preset", list(PRESETS))
DataDir = Annotated[Path | None, typer.Option(help="Folder with the four IDX files; by default they are looked for.")]
ClassesFile = Annotated[Path | None, typer.Option("--classes", help="Text file with one class name a line, in index order.")]
Out = Annotated[Path, typer.Option(help="Folder the artifact is written to.")]


@app.callback()
def main() -> None:
    """Makes the artifact that the handler serves."""


@app.command("fit")
def fit_command(
    preset: Annotated[Preset, typer.Option(help="full makes the artifact that ships, smoke takes seconds.")],
    out: Out,
    data_dir: DataDir = None,
    classes: ClassesFile = None,
    work: Annotated[Path, typer.Option(help="Where the finished run is kept.")] = Path(".training"),
    seed: Annotated[int, typer.Option(help="Of the weights, the batches and the held-out slice.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the preset's.")] = None,
) -> None:
    """Trains a classifier and exports it as an artifact."""
    from training.fit import TrainingError, fit
    from training.runs import save_run

    config = dataclasses.replace(PRESETS[preset.value], seed=seed)
    if epochs:
        config = dataclasses.replace(config, epochs=epochs)
    try:
        dataset = load_dataset(data_dir, _read_classes(classes))
        trained = fit(config, dataset)
    except (DataError, TrainingError) as error:
        raise SystemExit(f"error: {error}") from error
    save_run(work / config.preset, trained, config, dataset.name, dataset.checksums)
    # A process of its own, because a backend cannot be changed once Keras is imported.
    command = [sys.executable, "-m", "training", "export", "--run", str(work / config.preset), "--out", str(out)]
    command += ["--data-dir", str(dataset.directory)] + (["--classes", str(classes)] if classes else [])
    raise SystemExit(subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "tensorflow"}, check=False).returncode)


def _read_classes(path: Path | None) -> tuple[str, ...] | None:
    if path is None:
        return None
    names = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    if len(names) < 2 or len(set(names)) < len(names):
        raise DataError(f"Expected at least two different class names, one a line. Received: {len(names)} in {path}.")
    return names


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    app()
