"""Holds the messages of the simulated queue in lots: many that were sent at the same time are one entry."""

from __future__ import annotations

from collections import deque

import msgspec
import simpy


class Lot(msgspec.Struct, frozen=True):
    """`count` messages that were sent at the second `sent_at` and delivered `receives` times so far."""

    sent_at: float
    count: int
    receives: int = 0


class Queue:
    """Gives out messages, the first sent first. As long as there are any, the poller that has waited longest is woken."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._lots: deque[Lot] = deque()
        self._waiting: deque[simpy.Event] = deque()
        self.visible = 0

    def put(self, lot: Lot) -> None:
        """Adds messages, which can be received at once."""
        self._lots.append(lot)
        self.visible += lot.count
        self._wake()

    def take(self, count: int) -> list[Lot]:
        """Returns up to `count` messages, each as delivered once more."""
        taken = []
        while count and self._lots:
            lot = self._lots.popleft()
            part = min(count, lot.count)
            taken.append(Lot(lot.sent_at, part, lot.receives + 1))
            if lot.count > part:
                self._lots.appendleft(Lot(lot.sent_at, lot.count - part, lot.receives))
            count -= part
            self.visible -= part
        self._wake()
        return taken

    def wait(self) -> simpy.Event:
        """Returns an event that comes when there are messages for this poller."""
        event = self._env.event()
        self._waiting.append(event)
        return event

    def stop_waiting(self, event: simpy.Event) -> None:
        """Takes an event back, if it has not come."""
        if not event.triggered:
            self._waiting.remove(event)

    def wake_all(self) -> None:
        """Wakes every poller."""
        while self._waiting:
            self._waiting.popleft().succeed()

    def _wake(self) -> None:
        """Wakes one poller, which wakes the next one if it leaves messages."""
        if self.visible and self._waiting:
            self._waiting.popleft().succeed()
