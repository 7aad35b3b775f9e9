"""Simulates uploads: S3 tells the queue of each object, and Lambda's pollers hand batches of messages to the function.

An entity is a batch, not an object. Pollers take messages in the order in which they were sent.
"""

from __future__ import annotations

import functools

import numpy as np
import simpy

from handler.delivery import FIRST_RETRY_S, MAX_RETRY_S, RETRY_FACTOR
from infra.cost.steps import ceil_of
from infra.scale.instance import Invocation
from infra.scale.outcome import ACCOUNT, ARRIVALS, CONCURRENCY, RAMP, Load, Outcome, Tally, log_bytes
from infra.scale.queue import Lot, Queue
from infra.scale.stack import Stack
from infra.scale.station import Station

_MOST_LOTS = 50_000  # of a steady rate; messages that arrive within a shorter time than 0.05 s are one lot


def simulate_uploads(load: Load, stack: Stack) -> Outcome:
    """Returns what becomes of objects that are uploaded."""
    return _Uploads(load, stack).run()


class _Uploads:
    """One run of the simulation."""

    def __init__(self, load: Load, stack: Stack) -> None:
        self._load, self._stack = load, stack
        self._env = simpy.Environment()
        self._random = np.random.default_rng(load.seed)
        deployment, limits = stack.deployment, stack.limits
        self._batch = deployment.batch_objects
        self._full = Invocation(min(self._batch, load.objects), load.images, writes=True)
        self._slots = min(deployment.max_concurrency, limits.max_pollers, limits.account_concurrency)
        self._taken = self._ready = 0
        self._queue = Queue(self._env)
        pace_of = functools.partial(stack.pace, self._full)
        self._station = Station(self._env, pace_of, limits.partitions, limits.split_s)
        self._tally = Tally(self._env, self._bound)
        self._ended = self._env.event()

    def run(self) -> Outcome:
        env, slots = self._env, self._slots
        env.process(self._arrive())
        for number in range(slots):
            env.process(self._poll(number))
        alone_s = ceil_of(self._load.objects, self._batch) * self._stack.duration_s(self._full)
        arriving_s = self._load.objects / self._load.rate if self._load.rate else 0.0
        env.process(self._tally.sample(max(0.05, alone_s / slots / 400, arriving_s / 400)))
        env.run(self._ended)
        return self._tally.outcome("uploads", self._station.partitions, self._load.objects)

    def _bound(self) -> str:
        if self._station.pace.is_refused:
            return self._stack.tightest(self._full)[0]
        if self._taken < self._slots:
            return RAMP if self._queue.visible else ARRIVALS
        is_account = self._stack.limits.account_concurrency < self._stack.deployment.max_concurrency
        return ACCOUNT if is_account else CONCURRENCY["uploads"]

    def _arrive(self) -> simpy.events.ProcessGenerator:
        load = self._load
        yield self._env.timeout(self._stack.limits.notify_s)
        if load.rate is None:
            self._send(load.objects)
            return
        each = max(1, round(load.rate * 0.05), ceil_of(load.objects, _MOST_LOTS))
        left = load.objects
        while left:
            self._send(min(each, left))
            left -= min(each, left)
            yield self._env.timeout(each / load.rate)

    def _send(self, count: int) -> None:
        self._tally.sums["sqs"] += count
        self._queue.put(Lot(self._env.now, count))

    def _poll(self, number: int) -> simpy.events.ProcessGenerator:
        """Takes batches, as one of Lambda's pollers with an instance of its own; the first ones are there from the start."""
        limits, env = self._stack.limits, self._env
        later = max(0, number + 1 - limits.pollers_at_start)
        yield env.timeout(limits.notify_s + later * 60 / limits.pollers_per_minute)
        is_cold = True
        while not self._ended.triggered:
            if not self._queue.visible:
                yield self._queue.wait()
                continue
            self._taken += 1
            lots = yield from self._collect()
            yield from self._invoke(lots, is_cold)
            self._taken -= 1
            is_cold = False

    def _collect(self) -> simpy.events.ProcessGenerator:
        """Takes messages until a batch is full or the window is over, since Lambda cannot know that no more come."""
        env, limits = self._env, self._stack.limits
        until = env.now + self._stack.deployment.window_s
        lots = self._queue.take(self._batch)
        count = sum(lot.count for lot in lots)
        while count < self._batch and env.now < until:
            arrival = self._queue.wait()
            yield arrival | env.timeout(until - env.now)
            self._queue.stop_waiting(arrival)
            more = self._queue.take(self._batch - count)
            lots += more
            count += sum(lot.count for lot in more)
        yield env.timeout(ceil_of(count, limits.receive_messages) * limits.receive_s)
        return lots

    def _invoke(self, lots: list[Lot], is_cold: bool) -> simpy.events.ProcessGenerator:
        env, tally, stack = self._env, self._tally, self._stack
        count = sum(lot.count for lot in lots)
        tally.amounts["oldest_s"] = max(tally.amounts["oldest_s"], *(env.now - lot.sent_at for lot in lots))
        began = env.now
        tally.begin()
        if is_cold:
            yield env.timeout(stack.start_s)
        invocation = Invocation(count, self._load.images, writes=True)
        served = yield self._station.enter(stack.duration_s(invocation)).event
        is_killed = self._load.killed > 0 and self._random.random() < self._load.killed
        calls = 2 * ceil_of(count, stack.limits.receive_messages)  # receives, and deletes
        tally.sums.update(gets=count, sqs=calls)
        for lot in lots:
            refused = int(self._random.binomial(lot.count, served.failed)) if served.failed else 0
            failed = lot.count if is_killed else refused
            tally.sums["puts"] += lot.count - refused
            tally.finish(lot.count - failed, (lot.count - failed) * (env.now - lot.sent_at))
            self._return(Lot(lot.sent_at, failed, lot.receives), hidden_since=began if is_killed else None)
        tally.end(env.now - began, log_bytes(count, stack.times.log_bytes_object, stack.times))
        if tally.sums["done"] + tally.sums["failed"] == self._load.objects and not self._ended.triggered:
            self._ended.succeed()
            self._queue.wake_all()

    def _return(self, lot: Lot, hidden_since: float | None) -> None:
        """Has failed messages come again after their wait, or makes them dead letters."""
        if not lot.count:
            return
        if lot.receives >= self._stack.deployment.max_receives:
            self._tally.sums["failed"] += lot.count
            self._tally.amounts["present_s"] += lot.count * (self._env.now - lot.sent_at)
            return
        self._tally.sums["repeated"] += lot.count
        wait_s = min(MAX_RETRY_S, FIRST_RETRY_S * RETRY_FACTOR ** (lot.receives - 1)) * (1 + self._random.random() / 4)
        if hidden_since is not None:
            wait_s = hidden_since + self._stack.deployment.visibility_s - self._env.now
        self._env.timeout(wait_s).callbacks.append(lambda _event: self._queue.put(lot))
