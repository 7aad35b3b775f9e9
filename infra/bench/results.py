"""What a run of the benchmark has found: every value of every series, and the figures that are made of them."""

from __future__ import annotations

import statistics
from pathlib import Path

import msgspec

from infra.errors import InfraError
from infra.paths import ROOT

RESULTS = ROOT / "docs" / "bench" / "results.json"


class Series(msgspec.Struct, frozen=True):
    """The values that one thing had in the runs of the benchmark, in their order."""

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the values."""
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The lower and the upper quartile, which are the value itself where there is one alone."""
        if len(self.values) == 1:
            return self.values[0], self.values[0]
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high


class Figure(msgspec.Struct, frozen=True):
    """A figure that has a target: its value, and whether the target is a limit `at_most` or one `at_least`."""

    name: str
    unit: str
    value: float | None
    at_most: float | None = None
    at_least: float | None = None
    missing: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the target is reached, or None if the figure was not measured or has no target."""
        if self.value is None or self.at_most is self.at_least:
            return None
        return (self.at_most is None or self.value <= self.at_most) and (self.at_least is None or self.value >= self.at_least)


class Machine(msgspec.Struct, frozen=True):
    """What the benchmark ran on, and when."""

    processor: str
    cores: int
    python: str
    versions: dict[str, str]
    measured: str
    load_before: float


class Results(msgspec.Struct, frozen=True):
    """A run of the benchmark. Contenders that could not take part are in `skipped`, with the reason."""

    machine: Machine
    quick: bool
    settings: dict[str, int]
    series: tuple[Series, ...]
    figures: tuple[Figure, ...]
    skipped: dict[str, str]

    def find(self, name: str) -> Series | None:
        """Returns the series of this name, or None if it was not measured."""
        return next((series for series in self.series if series.name == name), None)


def load_results(path: Path = RESULTS) -> Results:
    """Returns the results of an earlier run.

    Raises:
        InfraError: the file is none that the benchmark writes.
        OSError: the file cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Results)
    except msgspec.DecodeError as error:
        raise InfraError(f"Expected results as `make bench` writes them. Received: {path}, {error}.") from error


def save_results(results: Results, path: Path) -> None:
    """Writes the results as indented JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
