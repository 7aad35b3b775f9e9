"""Configures the timeouts and retries of all AWS clients, and makes calls that end by a deadline.

botocore limits each wait for the network, but not a whole call: retries add up, a body may trickle in for hours, and resolving
a host name may never end. So each call is made on a thread of its own, and abandoned at its deadline, or earlier if it takes so
long that the other objects of the batch would have to wait for it. An abandoned thread ends when its network call ends; until
then it only holds up the end of the process.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from handler.deadline import Deadline
from handler.errors import OutOfTime

if TYPE_CHECKING:
    from botocore.config import Config

T = TypeVar("T")

MAX_CALL_S = 20.0  # of a call with all its attempts, and of a block of a body, so of at least 13 KB a second; S3 needs 0.2
MAX_WRITE_S = 60.0  # of a call that sends a document, which may have tens of megabytes

MAX_THREADS = 512  # made as they are needed; Lambda allows 1,024, and few besides those of abandoned calls are ever busy


class NoAnswer(Exception):
    """A call that took longer than one call may, although the invocation has time left."""


def client_config(concurrency: int) -> Config:
    """Returns the configuration of every client.

    Waits are bounded, there are up to `concurrency` connections, and the user agent, which access logs show, names Coatcheck.
    """
    from botocore.config import Config  # late, since not every process calls AWS by botocore

    return Config(
        connect_timeout=2,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 4},
        max_pool_connections=concurrency,
        user_agent_extra="coatcheck",
    )


def call_by(
    deadline: Deadline,
    what: str,
    function: Callable[[], T],
    when_late: Callable[[Future[T]], None] | None = None,
    max_s: float = MAX_CALL_S,
) -> T:
    """Calls `function` and returns its result, if it ends by `deadline`; errors that it raises pass through.

    Args:
        deadline: the moment at which the call is abandoned.
        what: the name of the call in error messages.
        function: makes the call, on another thread.
        when_late: releases the resources of a call when it is abandoned, given the future of the call.
        max_s: the seconds after which the call is abandoned, even if the deadline is further away.

    Raises:
        NoAnswer: the call did not end within `max_s` seconds; it may still take effect.
        OutOfTime: the call was not begun, since the deadline had passed, or did not end by the deadline; it may still take
            effect.
    """
    if deadline.is_over:
        raise out_of_time(what, "not begun")
    future = _threads().submit(function)
    try:
        return future.result(min(deadline.left_s, max_s))
    except TimeoutError as error:
        if future.done():  # it ended in the last moment, or raised a TimeoutError of its own
            return future.result()
        if not future.cancel() and when_late:
            when_late(future)
        if deadline.left_s <= max_s and deadline.is_over:
            raise out_of_time(what, "no answer in time") from error
        raise NoAnswer(f"no answer within {max_s:g} s") from error


def out_of_time(what: str, received: str) -> OutOfTime:
    """Returns the error of something that was to end by the end of the invocation."""
    return OutOfTime(f"Expected {what} to end before the end of the invocation. Received: {received}; it is to be tried again.")


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="aws")
