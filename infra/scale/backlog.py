"""Simulates a backlog: the function plans shards, and Step Functions' Distributed Map has each scored by an invocation.

An entity is a shard, not an object.
"""

from __future__ import annotations

import functools
from collections import deque

import msgspec
import numpy as np
import simpy

from handler.backlog.shards import RETRY_AFTER_S, TOLERATED_PERCENT
from infra.cost.steps import ceil_of
from infra.scale.instance import Invocation
from infra.scale.outcome import ACCOUNT, CONCURRENCY, FEW_SHARDS, PLANNING, WORKFLOWS, Load, Outcome, Tally, log_bytes
from infra.scale.shards import plan_shards
from infra.scale.stack import Stack
from infra.scale.station import Station

_SUMMARY_STEPS = 2  # of the state machine, after the map
_SHARD_GETS = 3  # the plan, its index, which is not there yet, and its keys
_SHARD_PUTS = 2  # its rows and their index


def simulate_backlog(load: Load, stack: Stack) -> Outcome:
    """Returns what becomes of objects that lie in a bucket, and of which a run of the backlog is started.

    `seconds` are those of the whole run, with its plan. Objects that failed in a shard that was finished are `failed`: the
    run lists them.
    """
    return _Backlog(load, stack).run()


class Shard(msgspec.Struct, frozen=True):
    """The number and the objects of one shard."""

    number: int
    objects: int


class _Backlog:
    """One run of the simulation."""

    def __init__(self, load: Load, stack: Stack) -> None:
        self._load, self._stack = load, stack
        self._env = simpy.Environment()
        self._random = np.random.default_rng(load.seed)
        limits = stack.limits
        sizes = plan_shards(load.objects, load.object_bytes)
        self._shards = deque(Shard(number, size) for number, size in enumerate(sizes, 1))
        self._left = self._planned = len(sizes)
        self._failed_shards = 0
        self._full = Invocation(max(sizes), load.images, writes=False)
        self._slots = min(stack.deployment.backlog_concurrency, limits.map_concurrency, limits.account_concurrency)
        self._taken = 0
        self._is_planned = False
        pace_of = functools.partial(stack.pace, self._full)
        self._station = Station(self._env, pace_of, limits.partitions, limits.split_s)
        self._tally = Tally(self._env, self._bound)
        self._ended = self._env.event()

    def run(self) -> Outcome:
        env = self._env
        done = env.process(self._run())
        alone_s = self._planned * self._stack.duration_s(self._full) / self._slots + self._listing_s()
        env.process(self._tally.sample(max(0.05, alone_s / 400)))
        env.run(done)
        return self._tally.outcome("backlog", self._station.partitions, self._load.objects)

    def _bound(self) -> str:
        if not self._is_planned:
            return PLANNING
        if self._station.pace.is_refused:
            return self._stack.tightest(self._full)[0]
        if self._taken < self._slots:
            return WORKFLOWS if self._shards else FEW_SHARDS
        is_account = self._stack.limits.account_concurrency < self._stack.deployment.backlog_concurrency
        return ACCOUNT if is_account else CONCURRENCY["backlog"]

    def _run(self) -> simpy.events.ProcessGenerator:
        yield from self._plan()
        self._is_planned = True
        for number in range(min(self._slots, self._planned)):
            self._env.process(self._slot(number))
        yield self._ended
        yield from self._invoke_alone(self._planned * self._stack.limits.s3_s / self._stack.deployment.s3_concurrency)
        self._tally.sums.update(transitions=_SUMMARY_STEPS, gets=self._planned, puts=1)

    def _listing_s(self) -> float:
        return ceil_of(self._load.objects, self._stack.limits.page_objects) * self._stack.limits.list_s

    def _plan(self) -> simpy.events.ProcessGenerator:
        """Lists the inputs, in as many invocations as it takes, one after the other; there are no documents yet."""
        deployment = self._stack.deployment
        left_s = self._listing_s()
        self._tally.sums.update(lists=ceil_of(self._load.objects, self._stack.limits.page_objects) + 1)
        while left_s > 0:
            part_s = min(left_s, deployment.timeout_s - deployment.reserve_s)
            self._tally.sums.update(transitions=2)
            yield from self._invoke_alone(part_s)
            left_s -= part_s
        self._tally.sums.update(puts=self._planned + 2)  # the keys of each shard, the list of shards, and the plan

    def _invoke_alone(self, seconds: float) -> simpy.events.ProcessGenerator:
        yield self._env.timeout(self._stack.limits.workflow_s)
        self._tally.begin()
        yield self._env.timeout(self._stack.start_s + seconds)
        self._tally.end(self._stack.start_s + seconds, self._stack.times.log_bytes_least)

    def _slot(self, number: int) -> simpy.events.ProcessGenerator:
        """Has one shard after the other scored, in an environment of its own."""
        limits = self._stack.limits
        beyond = max(0, number - limits.new_environments)
        yield self._env.timeout(max(number / limits.workflows_per_second, beyond * 10 / limits.new_environments))
        is_cold = True
        while self._shards and not self._ended.triggered:
            self._taken += 1
            shard = self._shards.popleft()
            yield self._env.timeout(limits.workflow_s)
            self._tally.sums.update(transitions=2)
            yield from self._score(shard, is_cold=is_cold)
            self._taken -= 1
            is_cold = False

    def _score(self, shard: Shard, *, is_cold: bool) -> simpy.events.ProcessGenerator:
        """Scores a shard, and repeats it if it fails."""
        repetition = self._stack.deployment.repetition
        for repeated in range(repetition.attempts + 1):
            is_done = yield from self._attempt(shard, is_cold=is_cold and not repeated)
            if is_done or self._ended.triggered:
                break
            if repeated < repetition.attempts:
                self._tally.sums.update(repeated=shard.objects, transitions=1)
                yield self._env.timeout(self._random.random() * repetition.longest_s(repeated))
        else:
            self._failed_shards += 1
        self._left -= 1
        is_stopped = self._failed_shards * 100 > self._stack.deployment.tolerated_percent * self._planned
        if (not self._left or is_stopped) and not self._ended.triggered:
            self._ended.succeed()

    def _attempt(self, shard: Shard, *, is_cold: bool) -> simpy.events.ProcessGenerator:
        """Returns whether an invocation scored a shard; if so, its objects are done or listed as failed."""
        env, tally, stack = self._env, self._tally, self._stack
        began = env.now
        tally.begin()
        if is_cold:
            yield env.timeout(stack.start_s)
        failed, late = yield from self._passes(shard.objects, began + stack.deployment.timeout_s - stack.deployment.reserve_s)
        if self._load.killed and self._random.random() < self._load.killed:
            failed, late = shard.objects, 0
        tally.sums["gets"] += _SHARD_GETS
        is_done = failed * 100 <= TOLERATED_PERCENT * shard.objects and failed + late < shard.objects
        if is_done and not self._ended.triggered:
            done = shard.objects - failed - late
            tally.finish(done, done * env.now)
            tally.sums.update(failed=failed + late, puts=_SHARD_PUTS)
        tally.end(env.now - began, log_bytes(shard.objects, stack.times.log_bytes_row, stack.times))
        return is_done

    def _passes(self, objects: int, until: float) -> simpy.events.ProcessGenerator:
        """Scores objects, and then those that failed, as the function does; returns how many failed, and were too late."""
        env, left = self._env, objects
        for pause_s in (0.0, *RETRY_AFTER_S):
            if not left or env.now + pause_s >= until:
                break
            yield env.timeout(pause_s)
            self._tally.sums["repeated"] += left if pause_s else 0
            visit = self._station.enter(self._stack.duration_s(Invocation(left, self._load.images, writes=False)))
            found = yield visit.event | env.timeout(until - env.now)
            if visit.event not in found:
                return 0, round(left * self._station.leave(visit))
            failed = int(self._random.binomial(left, found[visit.event].failed))
            self._tally.sums["gets"] += left - failed
            left = failed
        return left, 0
