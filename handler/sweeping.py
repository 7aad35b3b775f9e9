"""Finds the inputs that have no document of the present maker, and has them scored, by the queue if there is one.

    inputs, documents, rows --listed together--> pairs --in doubt? look (threads)--> missing, outdated --> send, or score here

Buckets are listed as they are now, so a sweep finds every input that a lost message, an outage or a new model left without a
document. What the listings leave open is looked at, document by document; `handler.marks` says why that is little. A sweep that
runs out of time sends the rest of itself to the queue, as a job of its own. Such a chain has at most `max_objects` objects
scored unless its job says "rescore", so that after a new model, or in a new bucket of millions, somebody has to ask for it; it
goes on by the listings alone, to say how many are left. No AWS and no clock here: all of these are passed in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime

import msgspec

from handler.backlog.covering import Covered
from handler.calls import Threads
from handler.deadline import Deadline, TimeBudget
from handler.dispatch import Dispatcher, chunks_of
from handler.documents import Documents
from handler.errors import OutOfTime, StorageUnavailable
from handler.examining import Examined, Examiner, State
from handler.inputs import Inputs
from handler.jobs import Asked, Chain, Sweep, SweepReport
from handler.marks import Settled
from handler.objects import ObjectRef, Prefix
from handler.outcomes import Record
from handler.pairing import Pairing, RowRef, read_ahead
from handler.scoring import Scorer
from handler.store import StoredObject
from handler.tally import Tally


class _Run(msgspec.Struct, frozen=True):
    """One invocation of a sweep, whose last listing and look must end by `reading`.

    `covered` are the rows of backlogs. `readers` has a thread for each of three listings, and `lookers` one for each of several
    documents.
    """

    sweep: Sweep
    budget: TimeBudget
    record: Record
    reading: Deadline
    tally: Tally
    covered: Covered
    readers: Executor
    lookers: Executor


class Sweeper(msgspec.Struct, frozen=True, kw_only=True):
    """Sweeps the inputs. Without a queue, `dispatcher` is None, and `scorer` scores the inputs that are found, in place.

    A chain of sweeps has at most `max_objects` objects scored, and does not begin while more than `max_queue_messages` messages
    wait. `now` returns the time of day, and `threads` makes the threads that list and look.
    """

    inputs: Inputs
    documents: Documents
    dispatcher: Dispatcher | None
    scorer: Scorer
    concurrency: int
    max_objects: int
    max_queue_messages: int
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    threads: Threads = ThreadPoolExecutor

    def sweep(self, sweep: Sweep, budget: TimeBudget, record: Record) -> SweepReport:
        """Sweeps until the time is over, but one chunk at least, and returns a report.

        `record` is called with the report on each object that is scored in place. An error is not raised, but is in the report.
        """
        maker = self.documents.maker.rejections
        chain = sweep.chain or Chain(self.now(), self.max_objects, is_clean=not sweep.after, maker=maker)
        if chain.maker != maker:  # a new version was deployed since the chain began
            chain = msgspec.structs.replace(chain, is_clean=False, maker=maker)
        tally = Tally(sweep, chain, chain.is_clean)
        # A sweep that comes when little time is left gets somewhere all the same, so it may use the time for finishing.
        reading = budget.finish_by if budget.begin_by.is_over else budget.begin_by
        try:
            if sweep.prefix:
                self.inputs.require_accepted_prefix(sweep.prefix)
            if sweep.chain or not self._has_to_wait(tally, budget):
                covered = Covered.read(self.documents, reading, self.threads)
                with self.threads(3) as readers, self.threads(self.concurrency) as lookers:
                    self._sweep(_Run(sweep, budget, record, reading, tally, covered, readers, lookers))
        except Exception as error:  # the other messages of the batch must not fail with the sweep
            tally.error = error
        return tally.report()

    def _has_to_wait(self, tally: Tally, budget: TimeBudget) -> bool:
        """Returns whether too many messages wait, which a sweep would send once more; the tally says so.

        Only a beginning asks: what a chain hands on comes after the messages that it sent itself.
        """
        count = self.dispatcher.queue.count_waiting(deadline=budget.finish_by) if self.dispatcher else 0
        if count <= self.max_queue_messages:
            return False
        tally.stopped = (
            f"Expected at most {self.max_queue_messages} messages to wait in the queue. Received: about {count}; nothing was "
            "swept. Sweep again once they are done, or raise MAX_SWEEP_QUEUE_MESSAGES."
        )
        return True

    def _sweep(self, run: _Run) -> None:
        marks = self.documents.marks
        made_since = marks.made_since(run.reading) if marks else None
        prefixes = deque([run.sweep.prefix] if run.sweep.prefix else self.inputs.outermost())
        after = run.sweep.after
        while prefixes:
            prefix = prefixes.popleft()
            reached = self._sweep_prefix(prefix, after, made_since, run)
            if reached is not None:
                self._hand_on([(prefix, reached), *((other, "") for other in prefixes)], run)
                return
            if marks and run.tally.is_clean:
                marks.note_swept(prefix, run.tally.chain.began, run.budget.finish_by)
            after, run.tally.is_clean = "", True

    def _sweep_prefix(self, prefix: Prefix, after: str, made_since: datetime | None, run: _Run) -> str | None:
        """Sweeps a prefix from the key `after` on.

        Returns None at the end of it, or the key that was reached when the time was over: every input up to it is done.
        """
        if run.tally.examined and run.budget.begin_by.is_over:
            return after
        marks = None if run.sweep.verify else self.documents.marks
        settled = Settled(made_since, marks.swept_since(prefix, run.reading)) if marks else Settled()
        examiner = Examiner(self.inputs, self.documents, settled, run.lookers)
        reached = after
        waiting: Sequence[StoredObject] = ()
        try:
            pairing = self._pair(prefix, after, run)
            for chunk in chunks_of(pairing):
                if run.tally.examined and run.budget.begin_by.is_over:
                    break
                self._do(examiner.examine(chunk, run.reading, may_look=run.tally.room > 0), run)
                reached, waiting = pairing.after or after, pairing.waiting
            else:
                return None
        except OutOfTime:  # of a listing that hangs, say
            if not run.tally.examined:
                raise
        self._do(examiner.examine_unpaired(waiting, self._rows_of(waiting, run), run.budget.finish_by), run)
        return reached

    def _rows_of(self, sources: Sequence[StoredObject], run: _Run) -> Mapping[ObjectRef, RowRef]:
        """Returns the rows of some inputs, which are few.

        Rows that cannot be read count as none, like a document that cannot be looked at: what was reached is not lost for them.
        """
        try:
            return run.covered.find((source.ref for source in sources), run.budget.finish_by)
        except (StorageUnavailable, OutOfTime):
            return {}

    def _pair(self, prefix: Prefix, after: str, run: _Run) -> Pairing:
        sources = read_ahead(run.readers, self.inputs.list_under(prefix, after, run.reading))
        found = read_ahead(run.readers, self.documents.list_under(prefix, after, run.reading))
        rows = read_ahead(run.readers, run.covered.rows(prefix, after, run.reading))
        return Pairing(sources, found, rows, self.documents.output.prefix, self.documents.layout.suffix)

    def _do(self, examined: Sequence[Examined], run: _Run) -> None:
        """Sends the objects that need it to the queue, or scores them in place, as many as the sweep may."""
        tally = run.tally
        tally.add(examined)
        found = [Asked(one.source.ref, unless_done=True) for one in examined if one.state in {State.MISSING, State.OUTDATED}]
        chosen = found[: tally.room]
        tally.unsent += len(found) - len(chosen)
        tally.taken += len(chosen)
        if self.dispatcher:
            self.dispatcher.send(chosen, run.budget.finish_by)
            tally.sent += len(chosen)
            return
        for report in self.scorer.score(chosen, run.budget, run.record).values():
            tally.add_score(report)

    def _hand_on(self, parts: Sequence[tuple[Prefix, str]], run: _Run) -> None:
        """Sends the rest to the queue: one sweep for each prefix, which share what may still be sent."""
        if self.dispatcher is None:
            raise OutOfTime(
                f"Expected to sweep it all in one invocation. Received: {run.tally.examined} inputs until the time was up, the "
                f"next one in {parts[0][0]}. Sweep again to go on, sweep smaller prefixes, or set QUEUE_URL."
            )
        rest = run.tally.rest(parts)
        self.dispatcher.send(rest, run.budget.finish_by)
        run.tally.handed_on = rest
