"""Estimates how long a planned run takes, and what it costs, from measured times and the table of prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from handler.backlog.runs import Order
from handler.prices import estimate_backlog_dollars
from infra.backlog.planning import Planned
from infra.cost.command import deployed_load, find_routes
from infra.cost.steps import Lots
from infra.cost.sums import time_of
from infra.cost.times import Client, load_times
from infra.paths import TEMPLATE
from infra.template import read_template

_ROUTE = "distributed-map"
_CONCURRENCY = "BacklogConcurrency"
_DEFAULT_CONCURRENCY = 50


@dataclass(frozen=True, slots=True)
class Estimate:
    """About how many `images` a run has, how many `seconds` it takes with so many `workers`, and what it costs in `dollars`."""

    images: int
    workers: int
    seconds: float
    dollars: float


def estimate(planned: Planned, order: Order, parameters: Mapping[str, str]) -> Estimate:
    """Returns what to expect of a run on a stack with these parameters.

    Raises:
        InfraError: the measured times cannot be read.
    """
    sampled = planned.sampled
    images = round(planned.objects * sampled.images / sampled.objects) if sampled.objects else planned.objects
    workers = max(1, min(_concurrency(parameters), planned.shards))
    worked_s = _worked_s(planned.objects, max(images, planned.objects), Client(parameters.get("S3Client") or Client.boto3))
    dollars = estimate_backlog_dollars(planned.objects, planned.shards, worked_s, writes_documents=order.writes_documents)
    return Estimate(images, workers, worked_s / workers, dollars)


def _worked_s(objects: int, images: int, client: Client) -> float:
    """Returns the seconds that all workers take together."""
    if not objects:
        return 0.0
    (route,) = find_routes(_ROUTE)
    packed = msgspec.structs.replace(route, images_per_object=max(1, round(images / objects)))
    load = deployed_load(images, client=client)
    lots = Lots(images, packed.images_per_object, packed.batch or load.batch)
    return time_of(packed, lots, load, load_times()).amount / 1000


def _concurrency(parameters: Mapping[str, str]) -> int:
    default = read_template(TEMPLATE.read_text(encoding="utf-8"))["Parameters"].get(_CONCURRENCY, {}).get("Default")
    text = str(parameters.get(_CONCURRENCY) or default or _DEFAULT_CONCURRENCY)
    return int(text) if text.isascii() and text.isdecimal() else _DEFAULT_CONCURRENCY
