"""Reads objects by obstore, block by block, and makes calls of it that end by a deadline.

A call on a thread of its own can be given up at any moment, but the hand-over costs as much processor time as the call itself.
obstore's own time-outs end a small request too, with all of its answer, within `MAX_REQUEST_S`. So a request is made on the
caller's thread while the deadline is further away than that, and on a thread of its own only near the deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from obstore.exceptions import BaseError

from handler.aws import MAX_CALL_S, NoAnswer, call_by
from handler.deadline import Deadline
from handler.objects import ObjectRef, Prefix
from handler.s3_answers import BLOCK_BYTES, unavailable

if TYPE_CHECKING:
    from obstore import GetResult

T = TypeVar("T")

# The longest that a request of a `brief` store takes: attempts begin for 3 s, pause for 1 s, and take 8 s. After that there is
# time left of MAX_CALL_S for boto3.
MAX_REQUEST_S = 16.0

# Every error that obstore raises: its own family, and FileNotFoundError and ValueError, which it uses besides.
OBSTORE_ERRORS = (BaseError, OSError, ValueError)


class Reading:
    """One GET of obstore, whose body is read block by block; `get` makes the call, which `open` does first."""

    def __init__(self, get: Callable[[], GetResult]) -> None:
        self._get = get
        self._chunks: Iterator[bytes] = iter(())
        self._rest = b""
        self._was_given_up = False

    def open(self) -> None:
        """Makes the call, and reads the first piece of the body; raises `OBSTORE_ERRORS`."""
        # As the pieces come, so that a read can be given up at any of them.
        chunks: Iterable[Any] = self._get().stream(min_chunk_size=1)
        self._chunks = iter(chunks)
        self._rest = bytes(next(self._chunks, b""))

    def block(self) -> bytes:
        """Reads `BLOCK_BYTES` bytes, fewer only if they are the last ones; raises `OBSTORE_ERRORS`."""
        parts: list[bytes] = [self._rest]
        missing = BLOCK_BYTES - len(self._rest)
        while missing > 0 and not self._was_given_up and (chunk := next(self._chunks, None)) is not None:
            parts.append(chunk)
            missing -= len(chunk)
        block = b"".join(parts)
        self._rest = block[BLOCK_BYTES:]
        return block[:BLOCK_BYTES] if self._rest else block

    def give_up(self, reading: Future[T]) -> None:
        """Ends a read in which another thread is waiting, at the next piece of the body or after obstore's time-out of 5 s."""
        self._was_given_up = True
        reading.add_done_callback(lambda _: self.close())

    def close(self) -> None:
        """Closes the connection, unless the body was read to its end; a read that was given up closes it itself."""
        self._chunks = iter(())


def call(
    operation: str,
    ref: ObjectRef | Prefix,
    deadline: Deadline,
    function: Callable[[], T],
    when_late: Callable[[Future[T]], None] | None = None,
    max_s: float = MAX_CALL_S,
    *,
    is_request: bool = False,
) -> T:
    """Returns what `function` returns, if it ends by `deadline`; the errors of `function` pass through.

    `is_request` says that it ends within `MAX_REQUEST_S` by itself.

    Raises:
        StorageUnavailable: there was no answer within `max_s` seconds.
        OutOfTime: the call was not begun, or did not end by `deadline`; `when_late` lets go of what it holds.
    """
    if is_request and deadline.left_s > MAX_REQUEST_S:
        return function()
    try:
        return call_by(deadline, f"{operation} of {ref}", function, when_late, max_s)
    except NoAnswer as error:
        raise unavailable(operation, ref, type(error).__name__, error) from error
