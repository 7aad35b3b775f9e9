"""Finds the inputs that have no document of the present model, and has them scored, by the queue if there is one.

    list inputs --> look at each one's document (threads) --> missing, or of another state or model --> send, or score in place

Nothing is remembered between sweeps: the bucket is listed as it is now, so a sweep finds every input that a lost message, an
outage or a new model left without a document. A sweep that runs out of time sends the rest of itself to the queue, as a job of
its own. No AWS and no clock here: the store, the queue and the time are passed in.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum, auto

from handler.deadline import Deadline, TimeBudget
from handler.dispatch import Dispatcher, chunks_of
from handler.documents import Documents, belongs_to_another_bucket
from handler.errors import InvocationFailed, OutOfTime, StorageUnavailable, UnacceptedObject
from handler.inputs import Inputs
from handler.jobs import Sweep, SweepReport
from handler.objects import ObjectRef
from handler.outcomes import Record
from handler.scoring import Scorer
from handler.store import StoredObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """Sweeps the inputs. Without a queue, `dispatcher` is None, and `scorer` scores the inputs that are found, in place."""

    inputs: Inputs
    documents: Documents
    dispatcher: Dispatcher | None
    scorer: Scorer
    concurrency: int

    def sweep(self, sweep: Sweep, budget: TimeBudget, record: Record) -> SweepReport:
        """Sweeps until the time is over, but one chunk at least, and returns a report.

        `record` is called with the report on each object that is scored in place. An error is not raised, but is in the report.
        """
        tally = _Tally()
        try:
            self._sweep(sweep, budget, record, tally)
        except Exception as error:  # the other messages of the batch must not fail with the sweep
            tally.error = error
        return SweepReport(
            sweep,
            examined=tally.examined,
            refused=tally.refused,
            missing=tally.missing,
            sent=tally.sent,
            outcomes=tally.outcomes,
            handed_on=tally.handed_on,
            error=tally.error,
        )

    def _sweep(self, sweep: Sweep, budget: TimeBudget, record: Record, tally: _Tally) -> None:
        if sweep.prefix:
            self.inputs.require_accepted_prefix(sweep.prefix)
        prefixes = [sweep.prefix] if sweep.prefix else self.inputs.outermost()
        waiting = deque((prefix, sweep.after) for prefix in prefixes)
        # A sweep that comes when little time is left gets somewhere all the same, so it may use the time for finishing.
        reading = budget.finish_by if budget.begin_by.is_over else budget.begin_by
        while waiting:
            prefix, after = waiting.popleft()
            try:
                for chunk in chunks_of(self.inputs.list_under(prefix, after, reading)):
                    if tally.examined and budget.begin_by.is_over:
                        break
                    self._do(self._examine(chunk, reading, tally), budget, record, tally)
                    after = chunk[-1].ref.key
                else:
                    continue
            except OutOfTime:  # of a listing that hangs, say
                if not tally.examined:
                    raise
            rest = [(prefix, after), *waiting]
            self._hand_on([Sweep(*part, sweep.scheduled_time) for part in rest], budget, tally)
            return

    def _examine(self, chunk: Sequence[StoredObject], deadline: Deadline, tally: _Tally) -> list[ObjectRef]:
        """Returns the inputs of a chunk that lack a document of the present model."""
        with ThreadPoolExecutor(self.concurrency) as pool:
            states = list(pool.map(lambda source: self._look_at(source, deadline), chunk))
        missing = [source.ref for source, state in zip(chunk, states, strict=True) if state is _State.MISSING]
        tally.examined += len(chunk)
        tally.refused += states.count(_State.REFUSED)
        tally.missing += len(missing)
        return missing

    def _do(self, missing: Sequence[ObjectRef], budget: TimeBudget, record: Record, tally: _Tally) -> None:
        """Sends objects without a document to the queue, or scores them in place."""
        if self.dispatcher:
            self.dispatcher.send(missing, budget.finish_by)
            tally.sent += len(missing)
            return
        for report in self.scorer.score(missing, budget, record).values():
            tally.outcomes[report.outcome.value] += 1
            if not report.is_finished:
                tally.error = InvocationFailed(
                    f"Not every object that was swept is finished. The last: {report.ref}: {report.error}"
                )

    def _look_at(self, source: StoredObject, deadline: Deadline) -> _State:
        """Returns the state of the document of an input.

        An object whose document has no place is refused: it would go to the dead letters at every sweep, and its own event took
        it there before. A document that cannot be looked at counts as missing, because the object's own message will report the
        error.
        """
        try:
            self.inputs.require_accepted(source.ref)
            document = self.documents.find(source.ref, deadline)
        except UnacceptedObject:
            return _State.REFUSED
        except (StorageUnavailable, OutOfTime):
            return _State.MISSING
        if document and belongs_to_another_bucket(document, source):
            return _State.REFUSED
        return _State.DONE if document and self.documents.is_finished(document, source) else _State.MISSING

    def _hand_on(self, rest: Sequence[Sweep], budget: TimeBudget, tally: _Tally) -> None:
        if self.dispatcher is None:
            raise OutOfTime(
                f"Expected to sweep it all in one invocation. Received: {tally.examined} inputs until the time was up, "
                f"the next one in the {rest[0]}. Sweep again to go on, sweep smaller prefixes, or set QUEUE_URL."
            )
        self.dispatcher.send(rest, budget.finish_by)
        tally.handed_on = tuple(rest)


@dataclass(slots=True)
class _Tally:
    """The counts of a sweep so far."""

    examined: int = 0
    refused: int = 0
    missing: int = 0
    sent: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    handed_on: tuple[Sweep, ...] = ()
    error: Exception | None = None


class _State(Enum):
    """The state of the document of an input."""

    DONE = auto()
    MISSING = auto()
    REFUSED = auto()  # there is no place for the document
