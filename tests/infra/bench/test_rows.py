"""A shard and batches of the same objects take turns in front of the stub; no figure is a time here."""

import pytest

from infra.bench.contenders import Contender, Stub, running
from infra.bench.race import OWN, keys_in_batches
from infra.bench.rows import measure_pairs


@pytest.fixture(scope="module")
def stub():
    with Stub(packed_images=3) as stub:
        yield stub


@pytest.mark.parametrize(
    ("client", "asked_again"),
    [("boto3", 0), ("obstore", 2)],  # obstore leaves an index and a note that are not there to boto3, which asks again
)
def test_a_shard_reads_each_object_and_writes_three_files_for_all(stub, client, asked_again):
    """Its plan and its keys are read by the shard, and written for it; it writes a note, rows and their index."""
    with running([Contender("shard", client, f"{OWN}.shard")], stub.url) as [one]:
        one.take_turn([])  # which only prepares the work
        stub.reset()
        one.take_turn(keys_in_batches(1, 12))

    calls = stub.calls()
    assert calls["GET"] == 12 + 4 + asked_again
    assert calls["PUT"] == 2 + 3


def test_a_pair_tells_what_a_shard_took_of_what_batches_took(stub):
    (pair,) = measure_pairs(stub, "boto3", 20, 1)

    assert pair.share == pair.shard.cpu_s / pair.batches.cpu_s > 0
    assert 20 < pair.logged_bytes < pair.batches.logged_bytes
