"""A backlog whose workers are killed again and again: at the end each object has one row, and none is missing."""

from collections import Counter

import pytest

from handler.backlog import grouping
from infra.stores.memory import MemoryStore
from tests.handler.backlog.killing import kill_until_done
from tests.handler.backlog.world import World
from tests.handler.conftest import LIMITS

IMAGES, KILLS = 3000, 100


@pytest.fixture
def small_shards(monkeypatch):
    """Shards that are finished between two kills, most of the time."""
    monkeypatch.setattr(grouping, "MAX_OBJECTS", 100)


@pytest.mark.usefixtures("small_shards")
def test_killed_at_a_hundred_random_points_each_object_has_one_row(model):
    store = MemoryStore()
    keys = World(model, LIMITS, another=model, store=store).put_many(IMAGES)
    undisturbed = World(model, LIMITS, another=model)
    undisturbed.put_many(IMAGES)
    undisturbed.run()
    worlds = []

    def make_world(mortal):
        worlds.append(World(model, LIMITS, another=model, store=mortal))
        return worlds[-1]

    summary = kill_until_done(store, make_world, KILLS, 250, seed=26)

    # Who is hit twice in a row while it is scored alone passes for an object that kills; the next run has it.
    finished = make_world(store)
    finished.run("second")
    assert sum(world.scorer.documents.store.is_dead for world in worlds[:-2]) > KILLS * 0.9
    assert Counter(finished.row_keys()) + Counter(finished.row_keys("second")) == Counter(keys)
    assert sorted(finished.rows() + finished.rows("second")) == sorted(undisturbed.rows())
    assert summary["images"] + summary["failed"] == IMAGES
    assert summary["failed"] == len(finished.rows("second")) < 0.01 * IMAGES
    finished.settle()
    assert finished.sweep().missing == 0
