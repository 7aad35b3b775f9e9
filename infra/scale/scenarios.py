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
SWEPT = (1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 75, 100)  # numbers of workers

_ALONE = msgspec.structs.replace(LIMITS, partitions=1_024)  # S3 refuses nothing


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


SINGLE, PACKED = load_of(MILLION, is_packed=False), load_of(MILLION, is_packed=True)
MANY_SINGLE, MANY_PACKED = load_of(100 * MILLION, is_packed=False), load_of(100 * MILLION, is_packed=True)


def deployed_scenarios() -> list[Scenario]:
    """Returns a million and a hundred million images, single and packed, on both ways, as the template deploys them."""
    loads = {
        "1 million, single": SINGLE,
        "1 million, packed": PACKED,
        "100 million, single": MANY_SINGLE,
        "100 million, packed": MANY_PACKED,
    }
    return [Scenario(f"{name}, {way}", way, load) for name, load in loads.items() for way in ("uploads", "backlog")]


def turned_uploads() -> list[Scenario]:
    """Returns a million uploads with one parameter turned in each."""

    def turned(name: str, load: Load = SINGLE, limits: Limits = LIMITS, **parameters: int | str) -> Scenario:
        return Scenario(name, "uploads", load, parameters, limits)

    split = msgspec.structs.replace(LIMITS, partitions=4)
    return [
        turned("as deployed"),
        turned("`MaximumConcurrency` 5", max_concurrency=5),
        turned("`MaximumConcurrency` 16", max_concurrency=16),
        turned("`MaximumConcurrency` 50", max_concurrency=50),
        turned("`MaximumConcurrency` 50, documents in four partitions", limits=split, max_concurrency=50),
        turned("`BatchSize` 10", batch_objects=10),
        turned("`MemorySize` 885", memory_mb=885),
        turned("`S3_CONCURRENCY` 8", s3_concurrency=8),
        turned("`S3Client` obstore", client="obstore"),
        turned("1,000 uploads a second", msgspec.structs.replace(SINGLE, rate=1_000.0)),
        turned("3,000 uploads a second", msgspec.structs.replace(SINGLE, rate=3_000.0)),
        turned("one of 1,000 invocations is killed", msgspec.structs.replace(SINGLE, killed=0.001)),
        turned("packed", PACKED),
        turned("packed, `BatchSize` 10, `MaximumConcurrency` 100", PACKED, batch_objects=10, max_concurrency=100),
    ]


def turned_backlogs() -> list[Scenario]:
    """Returns backlogs of a million and a hundred million images with one parameter turned in each."""

    def turned(name: str, load: Load = SINGLE, limits: Limits = LIMITS, **parameters: int | str) -> Scenario:
        return Scenario(name, "backlog", load, parameters, limits)

    split = msgspec.structs.replace(LIMITS, partitions=4)
    return [
        turned("as deployed"),
        turned("`BacklogConcurrency` 25", backlog_concurrency=25),
        turned("`BacklogConcurrency` 50", backlog_concurrency=50),
        turned("`BacklogConcurrency` 100", backlog_concurrency=100),
        turned("`BacklogConcurrency` 50, inputs in four partitions", limits=split, backlog_concurrency=50),
        turned("`MemorySize` 885", memory_mb=885),
        turned("`S3Client` obstore, `BacklogConcurrency` 8", client="obstore", backlog_concurrency=8),
        turned("one of 100 invocations is killed", msgspec.structs.replace(SINGLE, killed=0.01)),
        turned("packed", PACKED),
        turned("100 million", MANY_SINGLE),
        turned("100 million, packed", MANY_PACKED),
        turned("100 million, `BacklogConcurrency` 200, S3 refuses nothing", MANY_SINGLE, _ALONE, backlog_concurrency=200),
        turned("100 million, packed, `BacklogConcurrency` 200", MANY_PACKED, backlog_concurrency=200),
    ]


def swept_scenarios() -> list[Scenario]:
    """Returns a million single and a hundred million packed images, on both ways, for many numbers of workers."""
    return [
        Scenario(f"{name}, {count}", way, load, {parameter: count})
        for name, way, load, parameter in (
            (SWEPT_NAMES[0], "uploads", SINGLE, "max_concurrency"),
            (SWEPT_NAMES[1], "backlog", SINGLE, "backlog_concurrency"),
            (SWEPT_NAMES[2], "uploads", MANY_PACKED, "max_concurrency"),
            (SWEPT_NAMES[3], "backlog", MANY_PACKED, "backlog_concurrency"),
        )
        for count in SWEPT
    ]


SWEPT_NAMES = ("single uploads", "single backlog", "packed uploads", "packed backlog")
