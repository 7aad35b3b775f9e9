"""Does what the messages of one event ask for, so that no message suffers from the others of its batch. No AWS here.

    sweeps, received before        one at a time: a sweep that has a queue reads no object, and so kills no process
    received twice before          a single message; the others are sent again as new messages before it is begun
    received for the first time    all objects together, in batches of the model
    received once before           one message at a time, in random order, each deleted as soon as it is done
    not finished for want of time  sent again as a new message, if other objects used up the time
    failed                         hidden for seconds, then minutes, before it comes again

A queue gives up a message after some deliveries, so a delivery must not be used up by what another message did. A message that
kills the process (by using up its memory, say) takes the answer for its whole batch with it, and all of them come again. From
then on each message is finished, and deleted from the queue, before the next one is begun, so that only those behind the
killer come again, and if they do, each is begun where it can take none of the others along, and where nothing that is new can
take it along. Messages of sources that cannot say how often they were received are done together.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Sequence

import msgspec

from handler.custody import Custody
from handler.deadline import TimeBudget
from handler.errors import DeadLetter
from handler.jobs import Asked, Sweep, SweepReport
from handler.objects import ObjectRef
from handler.outcomes import Outcome, Record, Report
from handler.scoring import Scorer
from handler.sweeping import Sweeper
from handler.triggers.request import Message, Request, Results

FIRST_RETRY_S, RETRY_FACTOR, MAX_RETRY_S = 5, 4, 900  # 5, 20, 80, 320, 900, 900, 900 s: an outage of 50 minutes costs nothing

_jitter = random.SystemRandom()


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What one invocation was asked for, and the parts of the function that do it; `record` takes each report.

    `jitter` returns a number from 0 to 1, by which failed messages come again at different times.
    """

    request: Request
    scorer: Scorer
    sweeper: Sweeper
    custody: Custody
    budget: TimeBudget
    record: Record
    jitter: Callable[[], float] = _jitter.random
    reports: dict[ObjectRef, Report] = msgspec.field(default_factory=dict)
    sweeps: dict[Sweep, SweepReport] = msgspec.field(default_factory=dict)

    def run(self) -> Results:
        """Does everything that the event asks for, and returns the results."""
        messages = self.request.messages
        first = [message for message in messages if message.receive_count == 1]
        again = in_turn([message for message in messages if message.receive_count > 1])
        with self.custody.leased(messages, at_once=bool(again)):
            left = self._set_aside(again)
            ahead = [message for message in left if message.sweeps or _is_begun_alone(message)]
            self._do_one_by_one(ahead)
            self._do(first)
            if again:
                self._delete_finished(first)
            self._do_one_by_one(message for message in left if message not in ahead)
            self._postpone(messages)
        self._hide_failed(messages)
        return self._results

    @property
    def _results(self) -> Results:
        return Results(self.reports, self.sweeps)

    def _do_one_by_one(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._do([message])
            self._delete_finished([message])

    def _do(self, messages: Sequence[Message]) -> None:
        """Scores the objects of some messages, and then does their sweeps, unless another message asked for the same."""
        part = Request(self.request.trigger, tuple(messages), self.request.answer)
        asked = [one for one in part.asked if self._is_left(one)]
        self.reports.update(self.scorer.score(asked, self.budget, self._record))
        for sweep in part.sweeps:
            if sweep not in self.sweeps:
                self.sweeps[sweep] = self.sweeper.sweep(sweep, self.budget, self.record)

    def _is_left(self, one: Asked) -> bool:
        """Returns whether an object is still to be scored: a message that knows an alternative has another question."""
        report = self.reports.get(one.ref)
        return report is None or (one.alternative is not None and report.outcome in {Outcome.GONE, Outcome.POSTPONED})

    def _record(self, named: ObjectRef, report: Report) -> None:
        if not report.can_be_postponed:  # otherwise it is recorded once it is known whether it was
            self.record(named, report)

    def _delete_finished(self, messages: Iterable[Message]) -> None:
        """Deletes finished messages, before a later message may kill the process."""
        self.custody.delete(message for message in messages if message.is_finished(self._results))

    def _set_aside(self, again: Sequence[Message]) -> list[Message]:
        """Sends all of some messages but one again as new messages if they may not be begun together.

        Returns the messages that are left to be done now. Messages that ask for sweeps stay, and come first.
        """
        sweeps = [message for message in again if message.sweeps]
        others = sorted((message for message in again if not message.sweeps), key=_is_begun_alone, reverse=True)
        custody = self.custody
        sent = custody.send(it for it in others[1:] if _is_begun_alone(it) and custody.owns(it) and custody.may_send(it))
        for ref in dict.fromkeys(ref for message in sent for ref in message.objects):
            if ref not in self.reports:
                self.reports[ref] = Report(ref, Outcome.POSTPONED)
                self.record(ref, self.reports[ref])
        custody.delete(sent)
        return [*sweeps, *(message for message in others if message not in sent)]

    def _postpone(self, messages: Iterable[Message]) -> None:
        """Sends messages again whose objects had to wait for other objects for too long, and records their reports.

        If no other object came to an end, whichever that is, nobody's time was used up by others: it was too short for all.
        Then the messages have failed, since they could be sent again for ever.
        """
        has_others = any(not (it.can_be_postponed or it.outcome is Outcome.POSTPONED) for it in self.reports.values())
        late = [message for message in messages if self._can_be_postponed(message)]
        sent = self.custody.send(late if has_others or self.sweeps else ())
        refs = {ref for message in sent for ref in message.objects}
        for ref, report in self.reports.items():
            if report.can_be_postponed:
                if ref in refs:
                    self.reports[ref] = msgspec.structs.replace(report, outcome=Outcome.POSTPONED, error=None)
                self.record(ref, self.reports[ref])

    def _can_be_postponed(self, message: Message) -> bool:
        unfinished = [result for asked in message.asked if not (result := self._results.of(asked)).is_finished]
        late = [result for result in unfinished if isinstance(result, Report) and result.can_be_postponed]
        return self.custody.may_send(message) and bool(unfinished) and len(late) == len(unfinished)

    def _hide_failed(self, messages: Iterable[Message]) -> None:
        """Has failed messages come again after a time that grows with every delivery."""
        failed = [it for it in messages if self.custody.owns(it) and not it.is_finished(self._results)]
        self.custody.hide({it.receipt_handle or "": retry_after_s(it, self._results, self.jitter()) for it in failed})


def _is_begun_alone(message: Message) -> bool:
    """Returns whether a message may be one that kills the process: it was received twice before, and asks for no sweep."""
    return message.receive_count > 2 and not message.sweeps


def in_turn(messages: Sequence[Message]) -> list[Message]:
    """Returns messages that were received before in the order in which they are done, another one in each delivery."""
    return sorted(messages, key=lambda it: hashlib.sha256(f"{it.receive_count} {it.id}".encode()).digest())


def retry_after_s(message: Message, results: Results, jitter: float) -> int:
    """Returns the seconds after which a failed message is to come again; `jitter`, 0..1, adds up to a quarter.

    A message that no retry helps comes again at once, so that it reaches the dead letters soon.
    """
    errors = [results.of(asked).error for asked in message.asked if not results.of(asked).is_finished]
    if all(isinstance(error, DeadLetter) for error in errors):
        return 0
    seconds = min(MAX_RETRY_S, FIRST_RETRY_S * RETRY_FACTOR ** min(message.receive_count - 1, 10))
    return int(seconds * (1 + jitter / 4))
