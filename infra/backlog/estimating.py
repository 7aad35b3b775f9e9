"""Estimates how long a planned run takes, and what it costs, from measured times and the table of prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from handler.backlog.runs import Order
from infra.backlog.planning import Planned
from infra.cost.command import deployed_load, find_routes
from infra.cost.prices import load_prices
from infra.cost.steps import Lots, Route, ceil_of
from infra.cost.sums import MILLION, make_bill, time_of
from infra.cost.times import Client, load_times
from infra.paths import TEMPLATE
from infra.template import read_template

_SINGLE, _PACKED = "backlog", "backlog-packed"
_CONCURRENCY = "BacklogConcurrency"


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
    images, workers = _count_images(planned), max(1, min(_concurrency(parameters), planned.shards))
    if not planned.objects:
        return Estimate(images, workers, 0.0, 0.0)
    route = _route(planned, order, images)
    load = deployed_load(max(images, planned.objects), client=Client(parameters.get("S3Client") or Client.boto3))
    prices, times = load_prices(), load_times()
    lots = Lots(load.images, route.images_per_object, route.batch or load.batch)
    seconds = time_of(route, lots, load, times).amount / 1000 / workers
    documents = planned.objects * prices.s3_put_dollars_per_million / MILLION if order.writes_documents else 0.0
    return Estimate(images, workers, seconds, make_bill(route, load, prices, times).dollars + documents)


def _count_images(planned: Planned) -> int:
    sampled = planned.sampled
    return round(planned.objects * sampled.images / sampled.objects) if sampled.objects else planned.objects


def _route(planned: Planned, order: Order, images: int) -> Route:
    """Returns the route of a backlog with as many images in an object, and objects in a shard, as the run has."""
    images_per_object = max(1, round(images / planned.objects))
    (route,) = find_routes(_SINGLE if images_per_object == 1 else _PACKED)
    return msgspec.structs.replace(
        route,
        images_per_object=images_per_object,
        batch=ceil_of(planned.objects, max(1, planned.shards)),
        writes_rows=not order.writes_documents,
    )


def _concurrency(parameters: Mapping[str, str]) -> int:
    default: str = read_template(TEMPLATE.read_text(encoding="utf-8"))["Parameters"][_CONCURRENCY]["Default"]
    return int(parameters.get(_CONCURRENCY) or default)
