"""How every client of AWS waits and tries again, and calls that end by a deadline.

botocore bounds each wait for the network, but not a call: attempts add up, a body may trickle in for hours, and a name may take
for ever to be resolved. So each call is made on a thread of its own, and given up when its time is over. The thread ends when
the network lets go of it; until then it holds nothing up.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import botocore.config

from handler.deadline import Deadline
from handler.errors import OutOfTime

T = TypeVar("T")

MAX_THREADS = 512  # made as they are needed; Lambda allows 1,024, and few but those that were given up are ever busy


def client_config(concurrency: int) -> botocore.config.Config:
    """Returns the settings of every client: bounded waits, `concurrency` connections, and its name in access logs."""
    return botocore.config.Config(
        connect_timeout=2,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 4},
        max_pool_connections=concurrency,
        user_agent_extra="coatcheck",
    )


def call_by(
    deadline: Deadline, what: str, function: Callable[[], T], when_late: Callable[[Future[T]], None] | None = None
) -> T:
    """Returns what `function` returns, and raises what it raises, if it ends by `deadline`.

    Args:
        deadline: the moment at which the call is given up.
        what: the call, as errors name it.
        function: makes the call, on another thread.
        when_late: lets go of what a call that was given up holds; it gets the call's future at that moment.

    Raises:
        OutOfTime: the call was not begun, since the deadline was over, or did not end by it; it may still take effect.
    """
    if deadline.is_over:
        raise _out_of_time(what, "not begun")
    future = _threads().submit(function)
    try:
        return future.result(deadline.left_s)
    except TimeoutError as error:
        if future.done():  # in the last moment, or with an error of this kind of its own
            return future.result()
        if when_late and not future.cancel():
            when_late(future)
        raise _out_of_time(what, "no answer in time") from error


def _out_of_time(what: str, received: str) -> OutOfTime:
    return OutOfTime(f"Expected {what} to end before the end of the invocation. Received: {received}; it is to be tried again.")


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="aws")
