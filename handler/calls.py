"""Makes calls on other threads, and hands out their results as they come. No AWS here."""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")

Threads = Callable[[int], Executor]  # makes an executor of some threads; tests pass one that makes every call at once


class Calls(Generic[R]):
    """The calls that were begun on the threads of `pool`, and whose results were not taken yet; its end waits for all of them.

    Each call costs the same, however many others are under way.
    """

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._ended: SimpleQueue[Future[R]] = SimpleQueue()
        self._under_way = 0

    def __len__(self) -> int:
        return self._under_way

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        while self._under_way:
            self._ended.get()
            self._under_way -= 1

    def begin(self, function: Callable[[T], R], argument: T) -> None:
        """Begins a call of `function`, as soon as a thread is free."""
        self._pool.submit(function, argument).add_done_callback(self._ended.put)
        self._under_way += 1

    def take(self, wait_s: float | None) -> list[R]:
        """Returns the results of the calls that have ended, so that one call that hangs holds up no other.

        Waits up to `wait_s` seconds for one call to end, or as long as it takes if that is None. The results are in the order
        in which their calls ended.
        """
        results: list[R] = []
        while self._under_way:
            try:
                call = self._ended.get(timeout=0 if results else wait_s)
            except Empty:
                break
            self._under_way -= 1
            results.append(call.result())
        return results


@functools.cache
def threads(count: int) -> ThreadPoolExecutor:
    """Returns `count` threads, which are made as they are needed, and then stay for the later invocations of the process."""
    return ThreadPoolExecutor(count, thread_name_prefix="objects")


@contextmanager
def repeated(call: Callable[[], None], first_s: float, then_s: float) -> Iterator[None]:
    """Makes a call on another thread after `first_s` seconds, and again every `then_s` seconds, until the end of the block."""
    is_over = threading.Event()

    def repeat() -> None:
        wait_s = first_s
        while not is_over.wait(wait_s):
            call()
            wait_s = then_s

    thread = threading.Thread(target=contextvars.copy_context().run, args=(repeat,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
