"""A process that lives for many invocations, failures among them, holds no more files, threads and bytes than before."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEED = 27

# Between two looks, each after all garbage was collected. What Python and msgspec keep for later, and what the counts of this
# test take, varies by some kilobytes; an object that is kept for each invocation takes 100 bytes or more.
MAX_GROWTH_BYTES = 24 * 2**10
MAX_RSS_GROWTH_BYTES = 16 * 2**20


def live(folder, invocations, looks):
    command = [sys.executable, "-W", "error", "-m", "tests.handler.living", *map(str, (invocations, looks, SEED))]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {"TMPDIR": str(folder)}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("invocations", "looks"), [(300, 3), pytest.param(10_000, 10, marks=pytest.mark.soak)], ids=["300 of 10,000", "10,000"]
)
def test_files_threads_memory_and_temporary_files_stay_as_they_are(tmp_path, invocations, looks):
    told = live(tmp_path, invocations, looks)

    warm, last = told[-2], told[-1]
    assert {one["files"] for one in told} == {last["files"]}
    assert all(one["temporary"] == [] for one in told)
    for one in told:
        assert one["threads"].pop("objects") <= 4  # S3_CONCURRENCY
        assert one["threads"].pop("aws", 1) <= 4  # a call that was given up may still end when the next is begun
        assert one["threads"].pop("ThreadPoolExecutor", 1) <= 4  # those of the dispatcher, S3_CONCURRENCY
        assert one["threads"] == {"MainThread": 1}
    assert last["traced_bytes"] - warm["traced_bytes"] < MAX_GROWTH_BYTES
    assert last["rss_bytes"] - warm["rss_bytes"] < MAX_RSS_GROWTH_BYTES
    assert last["spooled"] > warm["spooled"] > 0
    ends = {f"{kind}: {end}" for end, kinds in ENDS.items() for kind in kinds}
    assert set(last["seen"]) == ends


ENDS = {
    "answered": ("scored", "rejected", "gone", "spooled", "large", "list", "sqs", "unreadable"),
    "InvocationFailed": ("unavailable", "unwritable", "hangs", "late"),
    "UnrecognisedEvent": ("unrecognised",),
    "RuntimeError": ("bug",),
}
