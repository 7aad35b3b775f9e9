"""Does what the messages of one event ask for, so that no message suffers from the others of its batch. No AWS here.

    received for the first time    all objects together, in batches of the model
    received before                one message at a time, in another order each time, each deleted as soon as it is done
    not finished for want of time  sent again as a new message, if other objects used up the time
    failed                         hidden for seconds, then minutes, before it comes again

A queue gives up a message after some deliveries, so a delivery must not be used up by what another message did. A message that
kills the process (by using up its memory, say) takes the answer for its whole batch with it, and all of them come again. From
then on each message is finished, and deleted from the queue, before the next one is begun, so that only those behind the
killer come again, and the next delivery begins at the other end. Messages of sources that cannot say how often they were
received are done together.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from handler.deadline import TimeBudget
from handler.errors import DeadLetter, TransientError
from handler.jobs import MAX_MESSAGES, Queue, Sweep, SweepReport
from handler.objects import ObjectRef
from handler.outcomes import Outcome, Record, Report
from handler.scoring import Scorer
from handler.sweeping import Sweeper
from handler.triggers.request import Message, Request, Results

FIRST_RETRY_S, RETRY_FACTOR, MAX_RETRY_S = 5, 4, 900  # 5, 20, 80, 320, 900, 900, 900 s: an outage of 50 minutes costs nothing

# A message that failed so often is not sent again as a new one any more, so that the queue gives it up at last. It is what the
# template gives to maxReceiveCount.
MAX_FAILURES = 8

# Messages are kept hidden by a lease that is renewed, so that they come again soon after the process was killed.
LEASE_S = 180
RENEW_S = 60
FIRST_LEASE_S = 5  # most batches are done by then, and need no lease

_MAX_SENT_BYTES = 200_000  # in one call, which SQS limits to 256 KiB

T = TypeVar("T")

_jitter = random.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What one invocation was asked for, and the parts of the function that do it.

    `queue` is the function's own queue, or None. `record` takes each report, and `warn` each error of the queue that delays a
    message and does no other harm.
    """

    request: Request
    scorer: Scorer
    sweeper: Sweeper
    queue: Queue | None
    budget: TimeBudget
    record: Record
    warn: Callable[[Exception], None]
    reports: dict[ObjectRef, Report] = field(default_factory=dict)
    sweeps: dict[Sweep, SweepReport] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)  # handles

    def run(self) -> Results:
        """Does everything that the event asks for, and returns the results."""
        messages = self.request.messages
        first = [message for message in messages if message.receive_count == 1]
        again = in_turn([message for message in messages if message.receive_count > 1])
        with self._leased(messages, at_once=bool(again)):
            self._do(first)
            if again:
                self._delete_finished(first)
            for message in again:
                self._do([message])
                self._delete_finished([message])
            self._postpone(messages)
        self._hide_failed(messages)
        return self._results

    @property
    def _results(self) -> Results:
        return Results(self.reports, self.sweeps)

    def _do(self, messages: Sequence[Message]) -> None:
        """Scores the objects of some messages, and then does their sweeps, unless another message asked for the same."""
        part = Request(self.request.trigger, tuple(messages), self.request.answer)
        asked = [one for one in part.asked if one.ref not in self.reports]
        self.reports.update(self.scorer.score(asked, self.budget, self._record))
        for sweep in part.sweeps:
            if sweep not in self.sweeps:
                self.sweeps[sweep] = self.sweeper.sweep(sweep, self.budget, self.record)

    def _record(self, named: ObjectRef, report: Report) -> None:
        if not report.can_be_postponed:  # otherwise it is recorded once it is known whether it was
            self.record(named, report)

    def _postpone(self, messages: Iterable[Message]) -> None:
        """Sends messages again whose objects had to wait for other objects for too long, and records their reports."""
        late = [message for message in messages if self._can_be_postponed(message)]
        sent = {ref for batch in batches_of(late) if self._send(batch) for message in batch for ref in message.objects}
        for ref, report in self.reports.items():
            if report.can_be_postponed:
                if ref in sent:
                    self.reports[ref] = dataclasses.replace(report, outcome=Outcome.POSTPONED, error=None)
                self.record(ref, self.reports[ref])

    def _can_be_postponed(self, message: Message) -> bool:
        unfinished = [result for asked in message.asked if not (result := self._results.of(asked)).is_finished]
        late = [result for result in unfinished if isinstance(result, Report) and result.can_be_postponed]
        may_be_sent = self.queue and message.body and not message.problem and message.receive_count <= MAX_FAILURES
        return bool(may_be_sent and unfinished and len(late) == len(unfinished))

    def _send(self, batch: Sequence[Message]) -> bool:
        """Sends the content of some messages as new messages; returns whether the queue took all of them."""
        contents = [
            {"postponed": True, "message": message.body, "failures": message.receive_count - 1}  # see handler.triggers.sqs
            for message in batch
        ]
        return self.queue is not None and self._call(partial(self.queue.send, contents))

    def _hide_failed(self, messages: Iterable[Message]) -> None:
        """Has failed messages come again after a time that grows with every delivery."""
        failed = [message for message in self._own(messages) if not message.is_finished(self._results)]
        self._hide({it.receipt_handle or "": retry_after_s(it, self._results, _jitter.random()) for it in failed})

    def _delete_finished(self, messages: Iterable[Message]) -> None:
        """Deletes finished messages from the queue, before a later message may kill the process."""
        done = [it.receipt_handle or "" for it in self._own(messages) if it.is_finished(self._results)]
        self.deleted.update(done)
        if self.queue:
            for handles in _parts(done):
                self._call(partial(self.queue.delete, handles))

    @contextmanager
    def _leased(self, messages: Sequence[Message], *, at_once: bool) -> Iterator[None]:
        """Keeps messages hidden while they are done, by a lease that is renewed on another thread."""
        handles = [message.receipt_handle or "" for message in self._own(messages)]
        is_over = threading.Event()

        def renew() -> None:
            wait_s = 0 if at_once else FIRST_LEASE_S
            while not is_over.wait(wait_s):
                self._hide({handle: LEASE_S for handle in handles if handle not in self.deleted})
                wait_s = RENEW_S

        thread = threading.Thread(target=renew, daemon=True)
        if handles:
            thread.start()
        try:
            yield
        finally:
            is_over.set()
            if handles:
                thread.join()

    def _hide(self, seconds: dict[str, int]) -> None:
        if self.queue:
            for part in _parts(list(seconds.items())):
                self._call(partial(self.queue.hide, dict(part)))

    def _own(self, messages: Iterable[Message]) -> list[Message]:
        """Returns the messages that the function's own queue delivered, and which it may therefore manage."""
        queue = self.queue
        return [it for it in messages if queue and it.receipt_handle and it.queue_name == queue.name]

    def _call(self, call: Callable[..., None]) -> bool:
        """Makes a call of the queue, and returns whether it succeeded."""
        try:
            call(deadline=self.budget.finish_by)
        except TransientError as error:
            self.warn(error)
            return False
        return True


def in_turn(messages: Sequence[Message]) -> list[Message]:
    """Returns messages that were received before in the order in which they are done.

    The order is random, and in every second delivery it is the reverse of the order before: whatever stands behind a message
    that kills the process in one of the two stands ahead of it in the other.
    """
    deliveries = max((message.receive_count for message in messages), default=0)

    def position(message: Message) -> bytes:
        return hashlib.sha256(f"{deliveries // 2} {message.id}".encode()).digest()

    return sorted(messages, key=position, reverse=bool(deliveries % 2))


def retry_after_s(message: Message, results: Results, jitter: float) -> int:
    """Returns the seconds after which a failed message is to come again; `jitter`, 0..1, adds up to a quarter.

    A message that no retry helps comes again at once, so that it reaches the dead letters soon.
    """
    errors = [results.of(asked).error for asked in message.asked if not results.of(asked).is_finished]
    if all(isinstance(error, DeadLetter) for error in errors):
        return 0
    seconds = min(MAX_RETRY_S, FIRST_RETRY_S * RETRY_FACTOR ** min(message.receive_count - 1, 10))
    return int(seconds * (1 + jitter / 4))


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
