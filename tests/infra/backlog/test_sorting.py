"""Sorting in bounded memory: any entries come out in their order, each object once."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.backlog.entries import Entry
from infra.backlog.sorting import Sorted
from infra.paths import ROOT

ENTRIES = st.builds(
    Entry,
    st.sampled_from(["one", "two"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3),
    st.none() | st.integers(0, 9),
)


@given(st.lists(ENTRIES), st.integers(1, 3), st.integers(2, 3))
def test_entries_come_in_the_order_of_utf_8_each_once_with_its_largest_size(entries, run_entries, max_runs):
    expected = {}
    for bucket, key, size in entries:
        before = expected.get((bucket, key))
        expected[bucket, key] = size if before is None else before if size is None else max(before, size)
    with Sorted(iter(entries), run_entries=run_entries, max_runs=max_runs) as found:
        once, again = list(found), list(found)

    order = sorted(expected, key=lambda one: (one[0], one[1].encode()))
    assert once == again == [Entry(*one, expected[one]) for one in order]


def test_a_fault_of_the_entries_is_raised():
    with pytest.raises(ZeroDivisionError):
        Sorted(Entry("one", str(1 // number)) for number in (1, 0))


PROGRAM = """
import resource, sys
from infra.backlog.asked import examine
from infra.backlog.entries import Entry
from infra.backlog.sorting import Sorted
keys = (f"uploads/photos/{number * 7919 % 200_003:09d}/a-name-of-usual-length.jpg" for number in range(200_000))
entries = (Entry("bucket", key) for key in keys)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with Sorted(entries, run_entries=20_000) as found:
    listed = examine(found, lambda count: None)
print(listed.objects, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_depends_on_the_size_of_a_run_and_not_on_the_list():
    """200,000 entries in a list take 70 MB."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, cwd=ROOT)

    objects, grown = map(int, done.stdout.split())
    assert objects == 200_000
    assert grown * (1 if sys.platform == "darwin" else 1024) < 30_000_000
