"""A plan's calls and memory over generated objects, of which the module measures a million by hand."""

import tracemalloc

import pytest

from infra.bench.plans import plan
from infra.bench.sweeps import Generated


@pytest.mark.parametrize(("share", "shards", "pages"), [(0.0, 50, 101), (0.5, 30, 151), (1.0, 0, 201)])
def test_a_plan_lists_each_page_once_and_writes_a_file_for_each_shard(share, shards, pages):
    store = Generated(100_000, share)

    made = plan(store)["plan"]

    left_out = {"done": 100_000 * share} if share else {}
    assert (made["objects"], made["shards"], made["left_out"]) == (100_000 * (1 - share), shards, left_out)
    # Listed are also covered objects and parts; written a part, a note of looking into objects, shards.json and plan.json.
    others = {"list": 2, "create": shards + (4 if shards else 3)}
    assert store.calls["list"] <= pages + others["list"]
    assert store.calls["create"] == others["create"]
    assert store.calls["head"] + store.calls["open"] <= 25  # marks, the plan's own files, and some objects to look into
    assert store.calls.total() <= 2.1 * 100 + 30  # so that a million keys take 2,100 calls and some thirty


def test_the_memory_of_a_plan_does_not_grow_with_the_objects():
    """Five times the objects: the list of the shards alone grows, and each has a line of it."""
    peaks = []
    for count in (20_000, 100_000):
        store = Generated(count, 0.0)
        tracemalloc.start()
        plan(store)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 1.5 * peaks[0]
