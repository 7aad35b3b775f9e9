"""Names what docs/scale.md simulates: loads on the deployed stack, and the same with one parameter turned."""

from __future__ import annotations

import msgspec

from infra.bench.results import load_results
from infra.cost.times import load_times
from infra.scale.backlog import simulate_backlog
from infra.scale.deployment import Deployment, read_deployment
from infra.scale.instance import read_costs
from infra.scale.limits import LIMITS, Limits
from infra.scale.outcome import MILLION, Load, Outcome
from infra.scale.stack import Stack
from infra.scale.uploads import simulate_uploads

PACKED_IMAGES = 1_000
PACKED_BYTES = 16 + PACKED_IMAGES * 28 * 28  # an IDX file
SWEPT = (1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 200, 400)  # numbers of workers


class Scenario(msgspec.Struct, frozen=True):
    """A load on one way, with the parameters that are `turned` from what the template says."""

    name: str
    way: str
    load: Load
    turned: dict[str, int | str] = {}
    limits: Limits = LIMITS


def deployed_stack(deployment: Deployment | None = None, limits: Limits = LIMITS) -> Stack:
    """Returns the stack that the template deploys, or another deployment, with the measured times."""
    deployment = deployment or read_deployment()
    times = load_times()
    return Stack(deployment, read_costs(load_results(), times, deployment.client), times, limits)


def simulate(scenario: Scenario) -> Outcome:
    """Returns what becomes of a scenario."""
    deployment = msgspec.convert(msgspec.to_builtins(read_deployment()) | scenario.turned, Deployment)
    stack = deployed_stack(deployment, scenario.limits)
    return (simulate_uploads if scenario.way == "uploads" else simulate_backlog)(scenario.load, stack)


def load_of(images: int, *, is_packed: bool) -> Load:
    """Returns so many images, single or in objects of a thousand."""
    if is_packed:
        return Load(objects=images // PACKED_IMAGES, images=PACKED_IMAGES, object_bytes=PACKED_BYTES)
    return Load(objects=images)


def deployed_scenarios() -> list[Scenario]:
    """Returns a million and a hundred million images, single and packed, on both ways, as the template deploys them."""
    return [
        Scenario(f"{images // MILLION}M {'packed' if is_packed else 'single'} {way}", way, load_of(images, is_packed=is_packed))
        for images in (MILLION, 100 * MILLION)
        for is_packed in (False, True)
        for way in ("uploads", "backlog")
    ]
