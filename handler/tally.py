"""Counts what a sweep finds and does, and how much of it the sweep may still do. No AWS here."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from handler.errors import InvocationFailed
from handler.examining import Examined, State
from handler.jobs import Chain, Sweep, SweepReport
from handler.marks import Settled
from handler.objects import Prefix
from handler.outcomes import Report
from handler.prices import estimate_dollars


class Tally(msgspec.Struct):
    """The counts of one invocation of a sweep; `chain` is the state of the sweep when the invocation began.

    `taken` is the number of objects that were sent or scored in place. `is_clean` is True as long as a later sweep may take
    every document that was there for right, from the beginning of the present prefix on.
    """

    sweep: Sweep
    chain: Chain
    is_clean: bool = True
    states: Counter[State] = msgspec.field(default_factory=Counter)
    looked_at: int = 0
    taken: int = 0
    sent: int = 0
    unsent: int = 0
    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    handed_on: tuple[Sweep, ...] = ()
    stopped: str | None = None
    error: Exception | None = None

    @property
    def examined(self) -> int:
        """The number of inputs that were examined."""
        return self.states.total()

    @property
    def room(self) -> int:
        """The number of objects that the sweep may still have scored."""
        return sys.maxsize if self.sweep.rescore else max(0, self.chain.may_send - self.taken)

    def add(self, examined: Iterable[Examined]) -> None:
        """Counts some inputs that were examined."""
        soon_settled = Settled(swept_since=self.chain.began)
        for source, document, state, was_looked_at in examined:
            self.states[state] += 1
            self.looked_at += was_looked_at
            is_wrong = state in {State.MISSING, State.OUTDATED}
            # Of a document that was only looked at, no time is known, so it may come to pass for a settled one.
            may_pass = soon_settled.holds(source, document) if document else was_looked_at
            if state is State.DOUBTFUL or (is_wrong and may_pass):
                self.is_clean = False

    def add_score(self, report: Report) -> None:
        """Counts an object that was scored in place."""
        self.outcomes[report.outcome.value] += 1
        if not report.is_finished:
            self.error = InvocationFailed(
                f"Not every object that was swept is finished. The last: {report.ref}: {report.error}"
            )

    def rest(self, parts: Sequence[tuple[Prefix, str]]) -> tuple[Sweep, ...]:
        """Returns the sweeps of the `parts` that are left, each a prefix and the key that was reached in it.

        They share the number of objects that may be scored, and the first one goes on with the counts.
        """
        left = max(0, self.chain.may_send - self.taken)
        share = left // len(parts)
        began, maker = self.chain.began, self.chain.maker
        chains = [Chain(began, share, maker=maker) for _ in parts]
        chains[0] = Chain(began, left - share * (len(parts) - 1), *self._left_behind, is_clean=self.is_clean, maker=maker)
        sweep = self.sweep
        return tuple(
            Sweep(prefix, after, sweep.scheduled_time, sweep.rescore, sweep.verify, chain)
            for (prefix, after), chain in zip(parts, chains, strict=True)
        )

    def report(self) -> SweepReport:
        """Returns the result so far."""
        return SweepReport(
            self.sweep,
            examined=self.examined,
            archived=self.states[State.ARCHIVED],
            refused=self.states[State.REFUSED],
            missing=self.states[State.MISSING],
            outdated=self.states[State.OUTDATED],
            unseen=self.states[State.DOUBTFUL],
            looked_at=self.looked_at,
            sent=self.sent,
            unsent=self.unsent,
            dollars=estimate_dollars(self.states[State.MISSING], self.states[State.OUTDATED]),
            outcomes=self.outcomes,
            handed_on=self.handed_on,
            stopped=self.stopped or self._limit_reached(),
            error=self.error,
        )

    def _limit_reached(self) -> str | None:
        unsent, unseen = self._left_behind
        if not unsent and not unseen:
            return None
        return (
            f"Expected no more objects to score than MAX_SWEEP_OBJECTS. Received: {unsent} more so far, and {unseen} whose "
            f"documents were not looked at any more. To score all of these costs about ${estimate_dollars(unsent, unseen)}: "
            'sweep with "rescore": true. Or sweep again for the next ones.'
        )

    @property
    def _left_behind(self) -> tuple[int, int]:
        """The numbers of objects that were left since the chain may send no more: unsent, and not even looked at."""
        return self.chain.unsent + self.unsent, self.chain.unseen + self.states[State.DOUBTFUL]
