"""Measures parts of the function, one after the other: starts, the model, decoders, and scoring without S3.

    python -m infra.bench.parts       takes a quarter of an hour; `make bench` does without it

S3 is left out (objects come from memory), so that the figures are the function's own. Each figure is a median with its
quartiles over the stated number of runs.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.table import Table

from handler.model import BUNDLED_ARTIFACT, directory_reader, load_model
from infra.bench.decoders import measure_decoders
from infra.bench.function import measure_function
from infra.bench.measurement import Measurement
from infra.bench.model import measure_model
from infra.bench.processes import measure_memory, measure_starts

_LIBRARIES = ("ai-edge-litert", "numpy", "pillow", "boto3", "msgspec")


def main() -> None:
    """Runs every measurement and prints one table.

    Raises:
        InfraError: a measurement needs something that this machine lacks.
    """
    console = Console(width=110)
    model = load_model(directory_reader(BUNDLED_ARTIFACT))
    table = Table("what", "median", "quartiles", "runs", title=f"Coatcheck on {processor()}, {os.cpu_count()} cores")
    if metrics := model.manifest.metrics:
        table.add_row("test accuracy, from the manifest", f"{metrics.accuracy:.2%}", "", f"{metrics.images:,} images")
    table.add_row("artifact", f"{model.manifest.model.size_bytes / 2**20:.2f} MiB", "", "")
    for measurement in chain(
        measure_starts(), measure_model(model), measure_function(), measure_decoders(model.manifest), measure_memory()
    ):
        table.add_row(*render_row(measurement))
    console.print(table)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES)
    console.print(f"Python {platform.python_version()}, {versions}")


def render_row(measurement: Measurement) -> tuple[str, str, str, str]:
    """Returns the label, the median, the quartiles and the number of runs; a single run has no quartiles."""
    values = measurement.values
    low, median, high = statistics.quantiles(values, n=4) if len(values) > 1 else (values * 3)
    quartiles = f"{low:,.0f} to {high:,.0f}" if len(values) > 1 else ""
    return measurement.label, f"{median:,.0f} {measurement.unit}", quartiles, str(len(values))


def processor() -> str:
    """Returns the name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
