"""Does what `coatcheck cost` is asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from infra.cost.prices import load_prices
from infra.cost.routes import ROUTES
from infra.cost.steps import Route
from infra.cost.sums import Load, make_bill
from infra.cost.telling import json_text, show
from infra.cost.times import Client, load_times
from infra.errors import WrongUse
from infra.paths import TEMPLATE
from infra.template import read_template


class Asked(msgspec.Struct, frozen=True):
    """What the command line was asked for; None stands for all routes, the template's values, and the prices that ship."""

    images: int
    route: str | None
    batch: int | None
    client: Client
    memory_mb: int | None
    prices: Path | None


def deployed_load(images: int, batch: int | None = None, memory_mb: int | None = None, client: Client = Client.boto3) -> Load:
    """Returns a load on the function as the template deploys it, where nothing else is given."""
    function = read_template(TEMPLATE.read_text(encoding="utf-8"))["Resources"]["ScoringFunction"]["Properties"]
    batch_size = function["Events"]["Uploads"]["Properties"]["BatchSize"]
    return Load(images, batch or batch_size, memory_mb or function["MemorySize"], client)


def find_routes(name: str | None, *, has_batch: bool = False) -> tuple[Route, ...]:
    """Returns the route of a name, or all of them.

    Raises:
        WrongUse: no route has the name, or it has batches of its own, which nobody may set.
    """
    if name is None:
        return ROUTES
    routes = tuple(route for route in ROUTES if route.name == name)
    if not routes:
        raise WrongUse(
            f"Expected one of the routes {', '.join(route.name for route in ROUTES)}. Received: {name}; name one of these."
        )
    if has_batch and routes[0].batch:
        raise WrongUse(
            f"Expected --batch for a route that the queue brings. Received: {name}, whose invocations have "
            f"{routes[0].batch} each; leave it out."
        )
    return routes


def run(asked: Asked, *, as_json: bool) -> None:
    """Prints what images cost, as tables or as JSON.

    Raises:
        WrongUse: there is no such route, or the file of prices holds what is no price.
        InfraError: the measured times cannot be read.
    """
    routes = find_routes(asked.route, has_batch=asked.batch is not None)
    load = deployed_load(asked.images, asked.batch, asked.memory_mb, asked.client)
    prices, times = load_prices(asked.prices), load_times()
    bills = [make_bill(route, load, prices, times) for route in routes]
    if as_json:
        sys.stdout.write(f"{json_text(bills, load, prices, times)}\n")
    else:
        show(bills, load, prices, times)
