"""Simulates one instance of the function: its connections wait for S3 at the same time, and share one processor.

The processor's times are measured where S3 answers at once; what waiting adds to them is simulated, and `docs/scale.md` shows
it beside what was measured where S3 waits.
"""

from __future__ import annotations

import functools
from collections.abc import Generator

import msgspec
import simpy

from infra.bench.results import Results, Series
from infra.cost.times import Client, Times
from infra.errors import InfraError


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """The seconds of one processor that an object takes: for its GET, for its PUT, and for all the rest.

    An object of `images` packed images takes `packed_image_s` for each in place of `rest_s`. A process starts in `start_s`.
    """

    get_s: float
    put_s: float
    rest_s: float
    packed_image_s: float
    start_s: float

    def work_s(self, images: int) -> float:
        """Returns the seconds of an object besides its GET and its PUT."""
        return self.rest_s if images == 1 else images * self.packed_image_s


class Invocation(msgspec.Struct, frozen=True):
    """What an instance does in one invocation: `objects` of `images` each, with a document for each if it `writes` them."""

    objects: int
    images: int
    writes: bool


def read_costs(results: Results, times: Times, client: Client) -> Costs:
    """Returns what the benchmark has measured of a function with one client.

    It measured a GET and a PUT together, so each is taken for a half. Parts were measured as processor time, of which a little
    runs beside the rest; they are made shorter alike, so that their sum is the time of an object where S3 answers at once.

    Raises:
        InfraError: the benchmark has not measured it.
    """
    whole_s = _find(results, f"function, {client}, 0 ms, time of an object").median / 1000
    busy_s = _find(results, f"function, {client}, alone, processor time of an object").median / 1000
    calls_s = _find(results, f"bare {client}, alone, processor time of an object").median / 1000
    calls_s *= whole_s / busy_s
    start = _find(results, f"function, {client}, packaged, start to first document")
    return Costs(
        get_s=calls_s / 2,
        put_s=calls_s / 2,
        rest_s=whole_s - calls_s,
        packed_image_s=times.lambda_ms_packed_image / 1000,
        start_s=start.median / 1000,
    )


def _find(results: Results, name: str) -> Series:
    if series := results.find(name):
        return series
    raise InfraError(f"Expected the series {name!r} among the results of `make bench`. Received: none; run it again.")


@functools.cache
def duration_s(invocation: Invocation, costs: Costs, connections: int, s3_s: float, slowness: float = 1.0) -> float:
    """Returns the seconds that an invocation takes, on a processor that is `slowness` times slower than the measured one.

    An invocation that writes no documents writes two files at its end, one after the other: its rows and their index.
    """
    env = simpy.Environment()
    processor = simpy.Resource(env)
    left = iter(range(invocation.objects))
    get_s, put_s = costs.get_s * slowness, costs.put_s * slowness
    work_s = costs.work_s(invocation.images) * slowness

    def compute(seconds: float) -> Generator[simpy.Event, None, None]:
        with processor.request() as turn:
            yield turn
            yield env.timeout(seconds)

    def call(seconds: float) -> Generator[simpy.Event, None, None]:
        yield from compute(seconds / 2)
        yield env.timeout(s3_s)
        yield from compute(seconds / 2)

    def connection() -> Generator[simpy.Event, None, None]:
        for _ in left:
            yield from call(get_s)
            yield from compute(work_s)
            if invocation.writes:
                yield from call(put_s)

    def all_connections() -> Generator[simpy.Event, None, None]:
        yield env.all_of([env.process(connection()) for _ in range(min(connections, invocation.objects))])
        if not invocation.writes:
            yield from call(put_s)
            yield from call(put_s)

    env.run(env.process(all_connections()))
    return float(env.now)
