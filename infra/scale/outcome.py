"""Holds what a simulation is asked, and what it finds; counts what AWS charges for. Pure but for what a simulation adds up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec
import simpy

from infra.cost.prices import Prices
from infra.cost.steps import ceil_of
from infra.cost.times import Times

CONCURRENCY = {"uploads": "MaximumConcurrency", "backlog": "BacklogConcurrency"}
ACCOUNT, RAMP, S3_GETS, S3_PUTS = "account concurrency", "Lambda's pollers", "S3's GETs", "S3's PUTs"
PLANNING, WORKFLOWS, FEW_SHARDS, ARRIVALS = "planning", "starts of workflows", "too few shards", "too few messages"


_MAX_SAMPLES = 400
_MIN_SHARE = 0.05  # of the time, for which a limit must hold a run up to be named as the first one
_NO_LIMITS = {PLANNING, ARRIVALS, FEW_SHARDS}  # they leave workers idle, where a limit keeps work waiting

MILLION = 1_000_000


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What comes: `objects` of `images` each and `object_bytes`, all at once, or `rate` of them each second.

    `killed` is the share of invocations that end in the middle, as when a processor fails; nobody hears of what they did.
    """

    objects: int
    images: int = 1
    object_bytes: int = 500
    rate: float | None = None
    killed: float = 0.0
    seed: int = 26


class Sample(msgspec.Struct, frozen=True):
    """What a moment looked like: objects `done`, and invocations that were `active`."""

    at_s: float
    done: int
    active: int


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What AWS charges for. Requests that S3 refuses are free."""

    gets: int = 0
    puts: int = 0
    lists: int = 0
    sqs: int = 0
    invocations: int = 0
    transitions: int = 0
    lambda_s: float = 0.0
    log_bytes: float = 0.0

    def dollars(self, prices: Prices, memory_mb: int) -> float:
        """Returns what all of it costs, on a function of some memory."""
        millions = (
            self.gets * prices.s3_get_dollars_per_million
            + self.puts * prices.s3_put_dollars_per_million
            + self.lists * prices.s3_list_dollars_per_million
            + self.sqs * prices.sqs_dollars_per_million
            + self.invocations * prices.lambda_dollars_per_million
            + self.transitions * prices.step_functions_dollars_per_million
        )
        return (
            millions / MILLION
            + self.lambda_s * memory_mb / 1024 * prices.lambda_dollars_per_gb_second
            + self.log_bytes / 1e9 * prices.logs_dollars_per_gb
        )


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a load, on one `way`: "uploads" or "backlog".

    `seconds` is the time until all was done, and `first_s` until the first results were there. `busy_s` adds up the times of
    all invocations. Each object is `done`, `failed` for good, or `left` by a run that was stopped; `repeated` counts objects
    that were tried once more. `present_s` adds up, over all objects, the seconds from arrival to end. `bounds` says for which
    shares of the time what held the run up, and `first_bound` which limit did so first, for at least a twentieth of the time;
    it is empty if none did. `partitions` is how many S3 had at the
    end.
    """

    way: str
    seconds: float
    first_s: float
    peak: int
    oldest_s: float
    busy_s: float
    present_s: float
    done: int
    failed: int
    left: int
    repeated: int
    partitions: int
    counts: Counts
    bounds: dict[str, float]
    first_bound: str
    samples: tuple[Sample, ...]

    @property
    def bound(self) -> str:
        """What held the run up for the longest time."""
        return max(self.bounds, key=self.bounds.__getitem__, default="")


class Tally:
    """Adds up what a simulation sees; `bound` tells at any moment what holds it up."""

    def __init__(self, env: simpy.Environment, bound: Callable[[], str]) -> None:
        self._env = env
        self._bound = bound
        self._bounds: Counter[str] = Counter()
        self._samples: list[Sample] = []
        self.sums: Counter[str] = Counter()
        self.amounts = {"busy_s": 0.0, "present_s": 0.0, "log_bytes": 0.0, "oldest_s": 0.0}
        self.active = self.peak = 0
        self.first_s = float("inf")

    def begin(self) -> None:
        """Notes that an invocation begins."""
        self.active += 1
        self.peak = max(self.peak, self.active)
        self.sums["invocations"] += 1

    def end(self, seconds: float, log_bytes: float) -> None:
        """Notes that an invocation of some seconds ends, and what it logged."""
        self.active -= 1
        self.amounts["busy_s"] += seconds
        self.amounts["log_bytes"] += log_bytes

    def finish(self, objects: int, present_s: float) -> None:
        """Notes that objects are done, which together were there for some seconds."""
        if objects:
            self.first_s = min(self.first_s, self._env.now)
        self.sums["done"] += objects
        self.amounts["present_s"] += present_s

    def sample(self, step_s: float) -> simpy.events.ProcessGenerator:
        """Looks at the simulation in steps, as a process of it."""
        while True:
            bound = self._bound()
            self._bounds[bound] += 1
            self._samples.append(Sample(self._env.now, self.sums["done"], self.active))
            yield self._env.timeout(step_s)

    def outcome(self, way: str, partitions: int, objects: int) -> Outcome:
        """Returns what has come of it."""
        sums, amounts = self.sums, self.amounts
        sampled = self._bounds.total()
        return Outcome(
            way=way,
            seconds=self._env.now,
            first_s=self.first_s,
            peak=self.peak,
            oldest_s=amounts["oldest_s"],
            busy_s=amounts["busy_s"],
            present_s=amounts["present_s"],
            done=sums["done"],
            failed=sums["failed"],
            left=objects - sums["done"] - sums["failed"],
            repeated=sums["repeated"],
            partitions=partitions,
            counts=Counts(
                gets=sums["gets"],
                puts=sums["puts"],
                lists=sums["lists"],
                sqs=sums["sqs"],
                invocations=sums["invocations"],
                transitions=sums["transitions"],
                lambda_s=amounts["busy_s"],
                log_bytes=amounts["log_bytes"],
            ),
            bounds={name: count / sampled for name, count in self._bounds.most_common()},
            first_bound=next((name for name, count in self._bounds.items() if _is_limit(name, count / sampled)), ""),
            samples=(
                *self._samples[:: ceil_of(len(self._samples), _MAX_SAMPLES)],
                Sample(self._env.now, sums["done"], self.active),
            ),
        )


def _is_limit(bound: str, share: float) -> bool:
    return bound not in _NO_LIMITS and share >= _MIN_SHARE


def log_bytes(objects: int, object_bytes: float, times: Times) -> float:
    """Returns the bytes that an invocation logs, of which each of some objects has its share."""
    return max(times.log_bytes_least, objects * object_bytes)
