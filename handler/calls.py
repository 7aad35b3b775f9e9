"""Makes calls on other threads, and hands out their results as they come. No AWS here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class Calls(Generic[R]):
    """The calls that were begun on the threads of `pool`, and whose results were not taken yet."""

    pool: ThreadPoolExecutor
    _under_way: list[Future[R]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._under_way)

    def begin(self, function: Callable[[T], R], argument: T) -> None:
        """Begins a call of `function`, as soon as a thread is free."""
        self._under_way.append(self.pool.submit(function, argument))

    def take(self, wait_s: float | None) -> list[R]:
        """Returns the results of the calls that have ended, so that one call that hangs holds up no other.

        Waits up to `wait_s` seconds for one call to end, or as long as it takes if that is None. The results are in the order
        in which their calls were begun.
        """
        ended = [call for call in self._under_way if call.done()]
        if self._under_way and not ended and wait_s != 0:
            wait(self._under_way, wait_s, FIRST_COMPLETED)
            ended = [call for call in self._under_way if call.done()]
        self._under_way = [call for call in self._under_way if call not in ended]
        return [call.result() for call in ended]
