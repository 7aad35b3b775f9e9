"""Puts together what both simulations need: the deployment, the limits, and the pace of instances that share S3. Pure."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from infra.cost.sums import PROCESSOR_MB
from infra.cost.times import Times
from infra.scale.deployment import Deployment
from infra.scale.instance import Costs, Invocation, duration_s
from infra.scale.limits import Limits
from infra.scale.outcome import S3_GETS, S3_PUTS
from infra.scale.refusals import Demand, Pace, solve_pace

_GRID_OBJECTS = 125


class Stack(msgspec.Struct, frozen=True):
    """A deployment, on a function of measured costs and times, within AWS's limits."""

    deployment: Deployment
    costs: Costs
    times: Times
    limits: Limits

    @property
    def slowness(self) -> float:
        """How many times slower the function's processor is than the measured one."""
        return max(1.0, PROCESSOR_MB / self.deployment.memory_mb)

    @property
    def start_s(self) -> float:
        """The seconds of a cold start: those that Lambda takes, and those of the process."""
        return self.limits.environment_s + self.costs.start_s * self.slowness

    def duration_s(self, invocation: Invocation) -> float:
        """Returns the seconds of an invocation while S3 refuses nothing.

        Between multiples of 125 objects, the numbers of many objects are on a straight line, since each takes a simulation.
        """
        objects = invocation.objects
        low = objects - objects % _GRID_OBJECTS
        if objects < _GRID_OBJECTS or low == objects:
            return self._exact_s(invocation)
        low_s = self._exact_s(replace(invocation, objects=low))
        high_s = self._exact_s(replace(invocation, objects=low + _GRID_OBJECTS))
        return low_s + (high_s - low_s) * (objects - low) / _GRID_OBJECTS

    def _exact_s(self, invocation: Invocation) -> float:
        connections = self.deployment.s3_concurrency
        return duration_s(invocation, self.costs, connections, self.limits.s3_s, self.slowness)

    def tightest(self, invocation: Invocation) -> tuple[str, float]:
        """Returns which requests S3 limits most, and how many of them one partition answers each second."""
        if invocation.writes and self.limits.puts_per_second < self.limits.gets_per_second:
            return S3_PUTS, self.limits.puts_per_second
        return S3_GETS, self.limits.gets_per_second

    def demand(self, invocation: Invocation) -> Demand:
        """Returns what an instance asks of S3 while it does such an invocation."""
        kind, _ = self.tightest(invocation)
        saved_s = 0.0 if kind == S3_PUTS else self.costs.work_s(invocation.images) + self.costs.put_s * invocation.writes
        return Demand(
            objects_per_s=invocation.objects / self.duration_s(invocation),
            request_s=self.costs.get_s * self.slowness,
            saved_s=min(saved_s * self.slowness, 0.9 * self.duration_s(invocation) / invocation.objects),
            connections=self.deployment.s3_concurrency,
            waits_s=self.limits.s3_s * (1 + invocation.writes),
        )

    def pace(self, invocation: Invocation, instances: int, partitions: int) -> Pace:
        """Returns the pace of instances that do such invocations at the same time."""
        return solve_pace(self.demand(invocation), instances, self.tightest(invocation)[1] * partitions)
