"""Reads objects by obstore, block by block, and makes calls of it that end by a deadline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from obstore.exceptions import BaseError

from handler.aws import MAX_CALL_S, NoAnswer, call_by
from handler.deadline import Deadline
from handler.objects import ObjectRef
from handler.s3_answers import BLOCK_BYTES, unavailable

if TYPE_CHECKING:
    from obstore import GetResult

T = TypeVar("T")

# Every error that obstore raises: its own family, and FileNotFoundError and ValueError, which it uses besides.
OBSTORE_ERRORS = (BaseError, OSError, ValueError)


class Reading:
    """One GET of obstore. `get` makes the call; nothing is called before `open`."""

    def __init__(self, get: Callable[[], GetResult]) -> None:
        self._get = get
        self._chunks: Iterator[bytes] = iter(())
        self._rest = b""
        self._was_given_up = False

    def open(self) -> tuple[GetResult, bytes]:
        """Makes the call, and returns the state of the object with the first block of its body; raises `OBSTORE_ERRORS`."""
        result = self._get()
        chunks: Iterable[Any] = result.stream(min_chunk_size=1)  # as they come, so that a read can be given up at any of them
        self._chunks = iter(chunks)
        return result, self.block()

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
    ref: ObjectRef,
    deadline: Deadline,
    function: Callable[[], T],
    when_late: Callable[[Future[T]], None] | None = None,
    max_s: float = MAX_CALL_S,
) -> T:
    """Returns what `function` returns, if it ends by `deadline`; the errors of `function` pass through.

    Raises:
        StorageUnavailable: there was no answer within `max_s` seconds.
        OutOfTime: the call was not begun, or did not end by `deadline`; `when_late` lets go of what it holds.
    """
    try:
        return call_by(deadline, f"{operation} of {ref}", function, when_late, max_s)
    except NoAnswer as error:
        raise unavailable(operation, ref, type(error).__name__, error) from error
