"""Simulates runs that were measured on the embedded cloud, with their measured times put in, and says by how much it errs.

What is put in are times of single steps: of the function for an object, and of everything else for an invocation. What is
simulated is how invocations share workers, wait for each other and come to an end, which gives the time of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from infra.errors import InfraError
from infra.paths import ROOT
from infra.scale.backlog import simulate_backlog
from infra.scale.instance import Costs
from infra.scale.limits import Limits
from infra.scale.outcome import Load
from infra.scale.stack import Stack
from infra.scale.uploads import simulate_uploads

MEASURED = ROOT / "docs" / "scale-measured.json"

_NO_LIMIT = 1e12


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run on one `way`, "uploads" or "backlog", by some `workers`, as it was measured.

    It took `seconds`: with uploads until the last message was deleted, with a backlog from when the plan was there, which took
    `plan_s`, until the run had ended. Its `invocations`, which are its shards in a backlog, took the function `busy_s`
    together, and `outside_s` each besides: to receive and delete messages, and to reach the function. With a backlog the latter
    is what the run of one worker leaves for it. `bytes` are those of all objects.
    """

    way: str
    workers: int
    objects: int
    images: int
    bytes: int
    invocations: int
    seconds: float
    busy_s: float
    outside_s: float
    plan_s: float = 0.0

    @property
    def object_s(self) -> float:
        """The seconds of the function for an object."""
        return self.busy_s / self.objects


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Runs that were measured one after the other on one machine, on the day `measured`, where S3 waited `latency_ms`."""

    machine: str
    measured: str
    latency_ms: float
    runs: tuple[Run, ...]


class Comparison(msgspec.Struct, frozen=True):
    """A measured run beside two simulations of it: with its own times, and with those of the run of one worker."""

    run: Run
    own_s: float
    foretold_s: float

    @property
    def own_error(self) -> float:
        """The share by which the simulation with the run's own times is longer than the run."""
        return self.own_s / self.run.seconds - 1

    @property
    def foretold_error(self) -> float:
        """The share by which the simulation with the times of one worker is longer than the run."""
        return self.foretold_s / self.run.seconds - 1


def load_measured(path: Path = MEASURED) -> Measured | None:
    """Returns the measured runs; None if nothing was measured yet.

    Raises:
        InfraError: the file is none that `infra.scale.measure` writes.
    """
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Measured)
    except msgspec.DecodeError as error:
        raise InfraError(f"Expected runs as `python -m infra.scale.measure` writes them. Received: {path}, {error}.") from error


def compare(runs: Sequence[Run], stack: Stack) -> list[Comparison]:
    """Returns each run beside its simulations; runs of one worker come first on each way."""
    first = {run.way: run for run in reversed(runs) if run.workers == 1}
    return [Comparison(run, simulated_s(run, run, stack), simulated_s(run, first.get(run.way, run), stack)) for run in runs]


def simulated_s(run: Run, times: Run, stack: Stack) -> float:
    """Returns the seconds that the simulation says for a run, with the measured times of a run put in."""
    load = Load(objects=run.objects, object_bytes=run.bytes // run.objects)
    return (_uploads_s if run.way == "uploads" else _backlog_s)(run, times, load, stack)


def _uploads_s(run: Run, times: Run, load: Load, stack: Stack) -> float:
    batch = stack.deployment.batch_objects
    limits = replace(
        _FREE, pollers_at_start=run.workers, receive_messages=batch, receive_s=times.outside_s
    )  # one call receives a batch
    deployment = replace(stack.deployment, max_concurrency=run.workers, window_s=0.0)
    return simulate_uploads(load, Stack(deployment, _costs(times), stack.times, limits)).seconds


def _backlog_s(run: Run, times: Run, load: Load, stack: Stack) -> float:
    limits = replace(_FREE, workflow_s=times.outside_s)
    deployment = replace(stack.deployment, backlog_concurrency=run.workers)
    outcome = simulate_backlog(load, Stack(deployment, _costs(times), stack.times, limits))
    return outcome.seconds - times.outside_s  # without the summary, which takes no more than that here; the plan takes nothing


def _costs(times: Run) -> Costs:
    return Costs(get_s=0.0, put_s=0.0, rest_s=times.object_s, packed_image_s=0.0, start_s=0.0)


_FREE = Limits(
    gets_per_second=_NO_LIMIT,
    puts_per_second=_NO_LIMIT,
    s3_s=0.0,
    list_s=0.0,
    notify_s=0.0,
    receive_s=0.0,
    workflows_per_second=_NO_LIMIT,
    environment_s=0.0,
)
