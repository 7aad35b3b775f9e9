"""Random histories of backlogs leave each object one answer, about its present state, and change nothing that is finished."""

import itertools
import time

import pytest

from handler.backlog.collecting import Collector
from handler.backlog.covering import Covered
from handler.backlog.grouping import Group
from handler.backlog.shards import ShardScorer
from infra.stores.memory import MemoryStore
from tests.handler.histories.backlogs import Backlogs
from tests.handler.histories.machine import run

HISTORIES, STEPS, SEED = 40, 30, 27
SOAK_S = 60


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Shards of one to a few objects, plans of many parts, and no waiting."""
    monkeypatch.setattr("handler.backlog.grouping.MAX_OBJECTS", 30)
    monkeypatch.setattr("handler.dispatch.CHUNK_OBJECTS", 2)
    monkeypatch.setattr("handler.backlog.shards.RETRY_AFTER_S", (0.0, 0.0))


def test_histories_of_backlogs_leave_each_object_one_answer():
    run(Backlogs, HISTORIES, SEED, steps=STEPS)


@pytest.mark.soak
def test_long_histories_of_backlogs_leave_each_object_one_answer():
    until_s = time.monotonic() + SOAK_S
    for number in itertools.count(1000):
        run(Backlogs, HISTORIES, number, steps=60)
        if time.monotonic() > until_s:
            break


# --- teeth -------------------------------------------------------------------------------------------------------------------


class Unconditional(MemoryStore):
    """A store that replaces whatever stands there."""

    def put(self, ref, content, *, replacing, deadline, **options):
        there = self.head(ref, deadline=deadline)
        return super().put(ref, content, replacing=there.etag if there else None, deadline=deadline, **options)


def write_over_what_is_there(monkeypatch):
    monkeypatch.setattr("tests.handler.histories.backlogs.MemoryStore", Unconditional)


def trust_the_own_rows(monkeypatch):
    put = ShardScorer._put_rows
    monkeypatch.setattr(ShardScorer, "_put_rows", lambda *parts: put(*parts) and None)


def give_a_row_to_what_has_a_document(monkeypatch):
    add = Group.add
    monkeypatch.setattr(Group, "add", lambda group, key, size, *, has_document: add(group, key, size, has_document=False))


def let_the_earliest_run_count(monkeypatch):
    monkeypatch.setattr(Covered, "_latest_first", property(lambda it: sorted(it.runs, key=lambda run: run.planned_at)))


def let_a_shard_lie_in_two_prefixes(monkeypatch):
    monkeypatch.setattr(Collector, "end_prefix", lambda collector: None)


@pytest.mark.parametrize(
    "take_away",
    [
        write_over_what_is_there,
        trust_the_own_rows,
        give_a_row_to_what_has_a_document,
        let_the_earliest_run_count,
        let_a_shard_lie_in_two_prefixes,
    ],
)
def test_histories_of_backlogs_find_each_guard_that_is_taken_away(take_away, monkeypatch):
    take_away(monkeypatch)

    with pytest.raises(AssertionError):
        run(Backlogs, 5 * HISTORIES, SEED, steps=STEPS, shrinks=False)
