"""Prepares a run: sorts what lists name, chooses the run that a command means, and has the function plan it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from handler.backlog.runs import Order
from infra.backlog.asked import Listed, examine, write_asked
from infra.backlog.deployed import Stale
from infra.backlog.entries import Entry
from infra.backlog.naming import default_name
from infra.backlog.planning import Planned, Sofar, find_plan, plan, require_same
from infra.backlog.runs import Runs
from infra.backlog.sorting import Sorted
from infra.backlog.sources import Sources
from infra.errors import WrongUse

_TOLD_ENTRIES = 10_000

Advance = Callable[[str, Sofar], None]  # is told what is done now, and how far that is


@dataclass(frozen=True, slots=True)
class _Preparation:
    """The parts of one preparation; `entries` are what the lists name, and `listed` counts them."""

    runs: Runs
    order: Order
    entries: Sorted
    listed: Listed
    advance: Advance

    def plan(self, run: str) -> Planned:
        """Has a run planned that was asked for the same before, if it was asked for anything."""
        self.advance("planning", Sofar())
        store, deployed = self.runs.store, self.runs.deployed
        known = find_plan(store, deployed, run)
        if known:
            require_same(run, known, self.order)
        if self.order.listed:
            write_asked(store, deployed.places, run, self.entries, self.listed)
        return plan(deployed, run, self.order, lambda sofar: self.advance("planning", sofar))


def prepare(runs: Runs, sources: Sources, order: Order, name: str | None, advance: Advance) -> tuple[str, Planned]:
    """Has a run planned, and returns its name and its plan; without a `name`, it is the run that the command means.

    Raises:
        WrongUse: lists name nothing, a run of the name was asked for something else, or the function may not read the sources.
        Stale: the run of the name was planned for another model than the deployed one.
        InfraError: the function cannot be invoked, or cannot plan.
        StorageUnavailable: S3 failed.
    """
    with Sorted(_told(sources.entries(), advance)) as entries:
        listed = examine(entries, lambda count: advance("sorting", Sofar(count)))
        if order.listed and not listed.objects:
            raise WrongUse(
                f"Expected a list that names objects. Received: {sources.title}, without any; write an address a line."
            )
        preparation = _Preparation(runs, order, entries, listed, advance)
        if name:
            return name, preparation.plan(name)
        base = default_name(sources.name, order, listed.digest if order.listed else "")
        run = runs.choose(base)
        try:
            return run, preparation.plan(run)
        except Stale:  # its plan is over too: the deployed model has other answers
            run = runs.following(base)
            return run, preparation.plan(run)


def _told(entries: Iterable[Entry], advance: Advance) -> Iterator[Entry]:
    """Yields entries, and tells how many of them were read."""
    for number, entry in enumerate(entries, 1):
        if number % _TOLD_ENTRIES == 0:
            advance("reading", Sofar(number))
        yield entry
