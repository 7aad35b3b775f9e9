"""Manages the messages of a batch in the queue that delivered them: sends again, deletes, hides and leases them. No AWS here.

Only messages of the function's own queue are touched. An error of the queue delays a message and does no other harm, so it is
told and not raised.
"""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import msgspec

from handler.deadline import Deadline
from handler.errors import TransientError
from handler.jobs import MAX_MESSAGES, Queue
from handler.triggers.request import Message

# A message that failed so often is not sent again as a new one any more, so that the queue gives it up at last. It is what the
# template gives to maxReceiveCount.
MAX_FAILURES = 8

# Messages are kept hidden by a lease that is renewed, so that they come again soon after the process was killed.
LEASE_S = 180
RENEW_S = 60
FIRST_LEASE_S = 5  # most batches are done by then, and need no lease

_MAX_SENT_BYTES = 200_000  # in one call, which SQS limits to 256 KiB

T = TypeVar("T")


class Custody(msgspec.Struct, frozen=True):
    """The function's own queue, or None if it has none; each call ends by `deadline`, and `warn` takes the errors."""

    queue: Queue | None
    deadline: Deadline
    warn: Callable[[Exception], None]
    _deleted: set[str] = msgspec.field(default_factory=set)  # handles

    def owns(self, message: Message) -> bool:
        """Returns whether the function's own queue delivered a message, so that it may be managed."""
        return self.queue is not None and message.receipt_handle is not None and message.queue_name == self.queue.name

    def may_send(self, message: Message) -> bool:
        """Returns whether a message may be sent again, as a new message with a count of deliveries of its own."""
        is_sound = message.body is not None and not message.problem
        return self.queue is not None and is_sound and message.receive_count <= MAX_FAILURES

    def send(self, messages: Iterable[Message]) -> list[Message]:
        """Sends messages again as new messages, which know their earlier failures; returns those that the queue took."""
        queue = self.queue
        return [
            it for batch in batches_of(messages) if queue and self._call(partial(queue.send, envelopes(batch))) for it in batch
        ]

    def delete(self, messages: Iterable[Message]) -> None:
        """Deletes messages from the queue, so that they do not come again whatever becomes of the process."""
        handles = self._handles(messages)
        self._deleted.update(handles)
        if self.queue:
            for part in _parts(handles):
                self._call(partial(self.queue.delete, part))

    def hide(self, seconds: Mapping[str, int]) -> None:
        """Has messages come again after some seconds from now, each named by its receipt handle."""
        if self.queue:
            for part in _parts(list(seconds.items())):
                self._call(partial(self.queue.hide, dict(part)))

    @contextmanager
    def leased(self, messages: Iterable[Message], *, at_once: bool) -> Iterator[None]:
        """Keeps messages hidden while they are worked on, by a lease that another thread renews."""
        handles = self._handles(messages)
        is_over = threading.Event()

        def renew() -> None:
            wait_s = 0 if at_once else FIRST_LEASE_S
            while not is_over.wait(wait_s):
                self.hide({handle: LEASE_S for handle in handles if handle not in self._deleted})
                wait_s = RENEW_S

        thread = threading.Thread(target=contextvars.copy_context().run, args=(renew,), daemon=True)
        if handles:
            thread.start()
        try:
            yield
        finally:
            is_over.set()
            if handles:
                thread.join()

    def _handles(self, messages: Iterable[Message]) -> list[str]:
        return [message.receipt_handle for message in messages if self.owns(message) and message.receipt_handle]

    def _call(self, call: Callable[..., None]) -> bool:
        """Makes a call of the queue, and returns whether it succeeded."""
        try:
            call(deadline=self.deadline)
        except TransientError as error:
            self.warn(error)
            return False
        return True


def envelopes(messages: Iterable[Message]) -> list[dict[str, object]]:
    """Returns the content of the new message for each message, as `handler.triggers.sqs` reads it."""
    return [{"postponed": True, "message": it.body, "failures": it.receive_count - 1} for it in messages]


def batches_of(messages: Iterable[Message]) -> Iterator[list[Message]]:
    """Yields messages in batches that one call may send, by their number and their size."""
    batch: list[Message] = []
    for message in messages:
        size = sum(len(json.dumps(it.body)) for it in [*batch, message])
        if batch and (len(batch) == MAX_MESSAGES or size > _MAX_SENT_BYTES):
            yield batch
            batch = []
        batch.append(message)
    if batch:
        yield batch


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yields `items` in parts that one call of the queue may have."""
    return (items[start : start + MAX_MESSAGES] for start in range(0, len(items), MAX_MESSAGES))
