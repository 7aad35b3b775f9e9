"""Runs the benchmark in front of a stub of S3, and writes what it found: JSON, a page and pictures.

The contenders are the function by each client of S3, the bare client and the bare model, and the peers of `.venv-peers`.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from handler.settings import DEFAULTS
from infra.bench.contenders import Contender, Stub, available, batch_size, start_ms
from infra.bench.figures import make_figures
from infra.bench.parts import processor
from infra.bench.plots import draw
from infra.bench.processes import measure_large_object
from infra.bench.race import (
    FULL,
    FUNCTIONS,
    PEERS_THREADED,
    QUICK,
    Extent,
    Gathered,
    measure_log,
    measure_packed,
    measure_parts,
    measure_starts,
    measure_throughput,
    package_bytes,
    packaged,
    say,
)
from infra.bench.results import Machine, Results, save_results
from infra.bench.samples import single_key
from infra.bench.tables import figure_row, render_page
from infra.errors import InfraError
from infra.paths import BUILD, ROOT

FOLDER = ROOT / "docs" / "bench"
PACKAGE = BUILD / "ScoringFunction"
TOLERANCE = 0.02  # of a probability, between the kernels of two runtimes

_LIBRARIES = ("ai-edge-litert", "numpy", "pillow", "boto3", "obstore", "msgspec")


def run(out: Path | None, *, quick: bool) -> Results:
    """Runs every measurement, prints the figures, and writes the results into the folder `out`, if there is one.

    Raises:
        InfraError: the function itself cannot take part, or a peer gives other probabilities.
    """
    peers = [each for each in PEERS_THREADED if each.is_quick] if quick else PEERS_THREADED
    results = measure(QUICK if quick else FULL, peers, quick=quick)
    sys.stdout.write("\n".join([*map(figure_row, results.figures), ""]))
    for name, reason in results.skipped.items():
        sys.stdout.write(f"skipped: {name}: {reason}\n")
    if out:
        write(results, out)
    return results


def write(results: Results, folder: Path) -> None:
    """Writes the results into `folder`: for programs, for readers, and for `coatcheck cost`."""
    folder.mkdir(parents=True, exist_ok=True)
    save_results(results, folder / "results.json")
    (folder / "results.md").write_text(render_page(results), encoding="utf-8")
    draw(results, folder)
    if times := make_times(results):
        (folder / "times.json").write_text(json.dumps(times, indent=2) + "\n", encoding="utf-8")


def measure(extent: Extent, peers: Sequence[Contender], *, quick: bool) -> Results:
    """Lets the function and those of `peers` that can run here take turns, and returns what was found."""
    load = os.getloadavg()[0]
    found = Gathered()
    with Stub(extent.packed_images) as stub:
        able, skipped = available(stub, [*FUNCTIONS, *peers], single_key(0))
        functions = [each for each in able if each in FUNCTIONS]
        if not functions:
            raise InfraError(f"Expected the function to score an object. Received: {skipped}.")
        for each in filter(lambda one: one.is_trained, able):
            require_same(stub, functions[0], each)
        say("measuring throughput")
        measure_throughput(stub, able, extent, found)
        say("measuring the parts of an object")
        measure_parts(stub, functions, extent, found)
        say("measuring starts")
        measure_starts(stub, [*able, *available(stub, packaged(PACKAGE), single_key(0))[0]], extent, found)
        say("measuring packed objects, and the log")
        measure_packed(stub, functions, extent, found)
        measure_log(stub, functions, found)
    if not quick:
        say("measuring the memory of an object of 1 GB")
        found.add("1 GB object, peak memory", "MiB", measure_large_object())
    series = found.series()
    return Results(
        machine=describe_machine(load),
        quick=quick,
        settings={
            **{name: DEFAULTS[name] for name in ("S3_CONCURRENCY", "MODEL_BATCH_IMAGES")},
            "BatchSize": batch_size(),
        },
        series=series,
        figures=make_figures(series, package_bytes(PACKAGE)),
        skipped=dict(skipped),
    )


def require_same(stub: Stub, function: Contender, other: Contender) -> None:
    """Requires that another contender finds the probabilities that the function finds.

    Raises:
        InfraError: it does not; so it runs another network, or feeds it other pixels.
    """
    found = [_probabilities(stub, contender, single_key(7)) for contender in (function, other)]
    difference = float(np.abs(found[0] - found[1]).max())
    if difference > TOLERANCE:
        raise InfraError(f"Expected {other.name} to find the function's probabilities. Received: {difference=:.3f}.")


def _probabilities(stub: Stub, contender: Contender, key: str) -> np.ndarray:
    """Returns the probabilities, `(classes,)` float32, of the document that a contender writes of one object."""
    stub.reset()
    start_ms(contender, stub.url, key)
    document = msgspec.json.decode(stub.document(key))
    row = document["predictions"][0] if "predictions" in document else document
    found = row["probabilities"]
    return np.array(list(found.values()) if isinstance(found, dict) else found, np.float32)


def describe_machine(load: float) -> Machine:
    """Describes this machine, and the versions of what the function uses."""
    return Machine(
        processor=processor(),
        cores=os.cpu_count() or 1,
        python=platform.python_version(),
        versions={name: importlib.metadata.version(name) for name in _LIBRARIES},
        measured=datetime.now(UTC).date().isoformat(),
        load_before=load,
    )


def make_times(results: Results) -> Mapping[str, object]:
    """Returns what `coatcheck cost` reads, or nothing if one of its figures was not measured."""
    names = {
        "lambda_ms_single_boto3": ("function, boto3, 30 ms, time of an object", 1),
        "lambda_ms_single_obstore": ("function, obstore, 30 ms, time of an object", 1),
        "lambda_ms_packed_image": ("function, boto3, time of a packed image", 1),
        "log_bytes_object": (f"function, boto3, log of {results.settings['BatchSize']} objects", results.settings["BatchSize"]),
    }
    found = {key: (results.find(name), share) for key, (name, share) in names.items()}
    times = {key: round(series.median / share, 3) for key, (series, share) in found.items() if series}
    if len(times) < len(names):
        return {}
    machine = f"{results.machine.cores} cores of {results.machine.processor}"
    return {**times, "machine": machine, "measured": results.machine.measured}
