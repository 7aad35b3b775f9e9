"""Defines what a measurement is, and measures rates."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

RUNS = 10


@dataclass(frozen=True, slots=True)
class Measurement:
    """Holds one line of the report: the value of each run, in `unit`."""

    label: str
    values: list[float]
    unit: str


def measure_rates(work: Callable[[], object], images: int) -> list[float]:
    """Returns the images per second of each of RUNS calls of `work`, which handles `images` images."""
    work()  # once to warm up
    rates = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        rates.append(images / (time.perf_counter() - began))
    return rates
