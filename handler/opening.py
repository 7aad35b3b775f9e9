"""Opens objects ahead of their turn, and decides whose turn it is, so that no object waits for a slow one. No AWS here.

A small object is read whole when it is opened, by several threads, and its turn comes as soon as it is there. A larger object
is opened ahead of its turn too, but read only when its turn has come, which may take long. So the larger objects come last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from handler.calls import Calls
from handler.deadline import TimeBudget
from handler.documents import Documents
from handler.errors import ArchivedObject, OutOfTime
from handler.inputs import Inputs
from handler.work import Work, isolated

MAX_WAIT_S = 0.2  # for the next object, before the images that wait for a full batch are classified without it
MAX_IDLE_S = 10  # for which an open body may wait: stores reset connections that nobody reads from


class Opener(msgspec.Struct, frozen=True):
    """Opens up to `concurrency` objects at the same time."""

    inputs: Inputs
    documents: Documents
    concurrency: int

    def open(self, works: Iterable[Work], opening: Calls[Work], budget: TimeBudget) -> Iterator[Work | None]:
        """Opens the objects of `works` by calls of `opening`, and yields each work when its turn has come.

        None is yielded whenever the next work may take long to come, or long to be read.
        """
        others: deque[Work] = deque()
        for work in self._opened(works, opening, budget):
            if work is None or work.body is None or work.is_whole:
                yield work
                continue
            others.append(work)
            if len(others) == self.concurrency:
                yield from (None, others.popleft())
        for work in others:
            yield from (None, work)

    def reopen_if_idle(self, work: Work, budget: TimeBudget) -> None:
        """Opens an object again, in its present state, if its body has waited for too long."""
        if work.body and not work.is_whole and work.idle_until and work.idle_until.is_over:
            with isolated(work):
                work.close_body()
            self._open(work, budget)

    def _opened(self, works: Iterable[Work], opening: Calls[Work], budget: TimeBudget) -> Iterator[Work | None]:
        """Yields each work once its object is open, and None whenever none has been opened for some time."""
        waiting = iter(works)
        ready: deque[Work] = deque()
        while True:
            for work in islice(waiting, self.concurrency - len(opening) - len(ready)):
                if budget.begin_by.is_over:  # no call is made, and there may be tens of thousands of them
                    ready.append(self._open(work, budget))
                else:
                    opening.begin(lambda work: self._open(work, budget), work)
            if not opening and not ready:
                return
            if not ready:
                ready.extend(opening.take(MAX_WAIT_S))
            yield ready.popleft() if ready else None

    def _open(self, work: Work, budget: TimeBudget) -> Work:
        """Opens one object in its present state, unless it is archived or done."""
        work.is_early = budget.is_early
        with isolated(work):
            require_time(budget)
            opened = self.inputs.open_either(work.asked.ref, work.asked.alternative, budget.begin_by)
            work.idle_until = budget.begin_by.from_now(MAX_IDLE_S)
            work.source, work.body = (opened.source, opened.body) if opened else (None, None)
            if opened and opened.is_archived:
                raise ArchivedObject(
                    "Expected an object that can be read. Received: an archived one, of the storage class "
                    f"{opened.source.storage_class}. Restore it: then the next sweep, or any event that names it, scores it."
                )
            if work.asked.unless_done and opened:
                existing = self.documents.find(opened.source.ref, budget.begin_by)
                work.is_done = existing is not None and self.documents.is_finished(existing, opened.source)
        return work


def require_time(budget: TimeBudget) -> None:
    """Requires that there is time to begin or to read more.

    Raises:
        OutOfTime: there is none.
    """
    if budget.begin_by.is_over:
        raise OutOfTime(
            "Expected time to score the object. Received: the end of the invocation is near; its event is to come again."
        )
