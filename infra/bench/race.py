"""Lets contenders take turns in front of the stub of S3, and gathers what each turn took.

Turns are interleaved, A B C A B C, so that whatever else the machine does falls on all contenders alike.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.bench.contenders import PEERS, Contender, Running, Stub, Turn, batch_size, running, start_ms
from infra.bench.figures import LOGGED
from infra.bench.results import Series
from infra.bench.samples import PACKED_KEY, single_key
from infra.package import find_interpreter

OWN, PEER = "infra.bench.own", "infra.bench.peers"
DELAYS_MS = (0, 30, 100)  # S3 answers a GET in some 20 to 30 ms, and a PUT in some 40 to 100
FUNCTIONS = tuple(Contender(f"function, {client}", client, f"{OWN}.function") for client in ("boto3", "obstore"))
PEERS_THREADED = tuple(
    Contender(
        f"{client} and {label}",
        client,
        f"{PEER}.{client}_{module}",
        PEERS,
        is_trained=module != "keras",
        is_quick=module == "litert",
    )
    for client, label, module in (
        ("boto3", "Keras", "keras"),
        ("boto3", "LiteRT", "litert"),
        ("obstore", "LiteRT", "litert"),
        ("obstore", "OpenVINO", "openvino"),
        ("obstore", "ONNX Runtime", "onnx"),
    )
)
BARE = tuple(Contender(f"bare {client}", client, f"{OWN}.bare") for client in ("boto3", "obstore"))
MODEL = Contender("bare model", "boto3", f"{OWN}.model")


def packaged(package: Path) -> tuple[Contender, ...]:
    """Returns the function with the libraries of the built package, by each client; none if it is not there or cannot run."""
    python = find_interpreter()
    if python is None or not package.is_dir():
        return ()
    return tuple(
        dataclasses.replace(each, name=f"{each.name}, packaged", python=Path(python), libraries=package) for each in FUNCTIONS
    )


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured: turns of each contender, events in a turn, starts of processes, and images in the packed object."""

    turns: int
    events: int
    starts: int
    packed_images: int
    delays_ms: tuple[int, ...] = DELAYS_MS


FULL = Extent(turns=7, events=3, starts=10, packed_images=10_000)
QUICK = Extent(turns=1, events=1, starts=1, packed_images=1_000, delays_ms=(30,))


@dataclass(slots=True)
class Gathered:
    """The values of each series so far, by name and unit."""

    values: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def add(self, name: str, unit: str, value: float) -> None:
        """Adds one value."""
        self.values.setdefault((name, unit), []).append(value)

    def series(self) -> tuple[Series, ...]:
        """Returns all series."""
        return tuple(Series(name, unit, tuple(values)) for (name, unit), values in self.values.items())


def keys_in_batches(events: int, size: int) -> list[list[str]]:
    """Returns the keys of `events` events, each of `size` different objects."""
    return [[single_key(event * size + number) for number in range(size)] for event in range(events)]


def measure_throughput(stub: Stub, contenders: Sequence[Contender], extent: Extent, found: Gathered) -> None:
    """Measures objects per second, and what an object takes, of each contender at each delay."""
    batches = keys_in_batches(extent.events, batch_size())
    objects = sum(map(len, batches))
    with running(contenders, stub.url) as processes:
        for one in processes:
            stub.reset()
            one.take_turn(batches[:1])  # to warm up
        for delay_ms in extent.delays_ms:
            for one, turn in _turns(stub, processes, batches, delay_ms, extent.turns):
                name = f"{one.contender.name}, {delay_ms} ms"
                found.add(f"{name}, rate", "objects/s", objects / turn.wall_s)
                found.add(f"{name}, time of an object", "ms", turn.wall_s * 1000 / objects)
                found.add(f"{name}, processor time of an object", "ms", turn.cpu_s * 1000 / objects)


def _turns(
    stub: Stub, processes: Sequence[Running], batches: list[list[str]], delay_ms: int, turns: int
) -> Iterator[tuple[Running, Turn]]:
    for _ in range(turns):
        for one in processes:
            stub.reset(delay_ms)
            yield one, one.take_turn(batches)


def measure_starts(stub: Stub, contenders: Sequence[Contender], extent: Extent, found: Gathered) -> None:
    """Measures the time from the start of a process to its first document, and the peak memory of that process."""
    for number in range(extent.starts + 1):
        for contender in contenders:
            stub.reset()
            took_ms, turn = start_ms(contender, stub.url, single_key(0))
            if number:  # the first start compiles whatever bytecode there was none of
                found.add(f"{contender.name}, start to first document", "ms", took_ms)
                found.add(f"{contender.name}, peak memory of a cold invocation", "MiB", turn.peak_mib)


def measure_packed(stub: Stub, functions: Sequence[Contender], extent: Extent, found: Gathered) -> None:
    """Measures images per second out of one packed object, and those of the bare model.

    Each turn is a process of its own, since the places at which a process happens to have its memory change its speed by more
    than what is measured, for as long as it lives.
    """
    images = extent.packed_images
    for _ in range(extent.turns):
        for contender in (*functions, MODEL):
            with running([contender], stub.url) as [one]:
                stub.reset()
                one.take_turn([[single_key(0)]])  # to warm up
                turn = one.take_turn([[str(image) for image in range(images)]] if contender is MODEL else [[PACKED_KEY]])
            found.add(f"{contender.name}, packed images", "images/s", images / turn.wall_s)
            found.add(f"{contender.name}, time of a packed image", "ms", turn.wall_s * 1000 / images)


def measure_parts(stub: Stub, functions: Sequence[Contender], extent: Extent, found: Gathered) -> None:
    """Measures the processor time of an object by the function, by the bare client and by the bare model, without delay."""
    clients = {function.client for function in functions}
    contenders = [*functions, *(bare for bare in BARE if bare.client in clients), MODEL]
    batches = keys_in_batches(extent.events, batch_size())
    objects = sum(map(len, batches))
    with running(contenders, stub.url) as processes:
        for one in processes:
            stub.reset()
            one.take_turn(batches[:1])
        for one, turn in _turns(stub, processes, batches, 0, extent.turns):
            found.add(f"{one.contender.name}, alone, processor time of an object", "ms", turn.cpu_s * 1000 / objects)


def measure_log(stub: Stub, functions: Sequence[Contender], found: Gathered) -> None:
    """Measures the bytes that the function writes into its log for an event of 25 objects, and for a full one."""
    with running(functions, stub.url) as processes:
        for one in processes:
            stub.reset()
            one.take_turn(keys_in_batches(1, 1))  # a cold start
            for size in (LOGGED, batch_size()):
                stub.reset()
                turn = one.take_turn(keys_in_batches(1, size))
                found.add(f"{one.contender.name}, log of {size} objects", "bytes", turn.logged_bytes)


def say(text: str) -> None:
    """Tells the progress on the terminal."""
    sys.stderr.write(f"{text}\n")


def package_bytes(folder: Path) -> int | None:
    """Returns the unzipped size of the package in `folder`, or None if there is none."""
    if not folder.is_dir():
        return None
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
