"""Processes that are killed: whatever kills them fails alone, and everything else is done once more."""

import multiprocessing
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from handler.outcomes import Outcome
from infra.score.processes import KILLED, Processes
from infra.score.sources import LocalFile
from infra.score.tally import Tally
from tests.infra.score import killers


def chunks(*names, size=3):
    items = [LocalFile(Path("/photos"), name) for name in names]
    return [tuple(items[start : start + size]) for start in range(0, len(items), size)]


def run(given, work=killers.kill_for_bombs, count=2):
    outcomes, total = {}, Tally()
    for scored, tally in Processes(None, count, work).score(given):
        outcomes.update({one.item.key: one.outcome for one in scored})
        total.add(tally)
    return outcomes, total


@pytest.mark.parametrize("bombs", [(), (0,), (4,), (0, 1, 29), (3, 4, 5, 6, 7)])
def test_an_object_that_kills_fails_alone_and_the_order_is_kept(bombs):
    names = [f"bomb {number}" if number in bombs else f"{number}" for number in range(30)]

    outcomes, tally = run(chunks(*names))

    assert list(outcomes) == names
    assert {name for name, outcome in outcomes.items() if outcome is Outcome.FAILED} == {f"bomb {number}" for number in bombs}
    assert (tally.objects, tally.failed[KILLED]) == (30, len(bombs))


@pytest.mark.parametrize("bomb", [0, 7, 14])
def test_a_process_that_dies_while_the_next_chunk_is_looked_for_loses_nothing(bomb):
    names = [f"bomb {number}" if number == bomb else f"{number}" for number in range(30)]

    def slow():
        for number, chunk in enumerate(chunks(*names)):
            if number == 5:  # as a slow listing does
                for process in multiprocessing.active_children():
                    wait([process.sentinel])
            yield chunk

    outcomes, tally = run(slow())

    assert list(outcomes) == names
    assert [name for name, outcome in outcomes.items() if outcome is Outcome.FAILED] == [f"bomb {bomb}"]
    assert (tally.objects, tally.failed[KILLED]) == (30, 1)


def test_a_bug_ends_the_run_and_leaves_no_process():
    with pytest.raises(ValueError, match="a bug"):
        run(chunks("a", "b"), killers.fail)

    assert multiprocessing.active_children() == []


def test_chunks_are_taken_as_they_are_needed_and_no_process_is_left_if_the_caller_leaves():
    taken = []

    def endless():
        while True:
            taken.append(len(taken))
            yield chunks("a")[0]

    processes = Processes(None, 1, killers.kill_for_bombs)
    results = processes.score(endless())
    for _ in range(10):
        next(results)
    results.close()

    assert len(taken) <= 10 + 32 + 1
    assert multiprocessing.active_children() == []
