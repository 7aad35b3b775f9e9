"""Every call of a mixed batch is struck by every fault, and no promise is broken. A sample here, all pairs by `make soak`."""

import pytest

from infra.cloud.faults import Fault
from tests.infra.sweeping.pairs import Pair, Sweep, all_pairs, replay, sample, told
from tests.infra.sweeping.table import FILES, REASONS, STORAGES, reason

SEED = 27


def sweep_pairs(sweep, client, record_property, choose):
    """Runs the pairs that are chosen, and fails with the lines that replay those which broke a promise."""
    everything = all_pairs(sweep.storage, client, sweep.calls(client))
    pairs = choose(everything)
    broken = [line for pair, outcome in sweep.run(pairs) for line in told(sweep.storage, pair, outcome)]

    record_property("told", f"{len(pairs)} of {len(everything)} pairs of a call and a fault on {sweep.storage} by {client}")
    assert not broken, "\n".join(broken)


@pytest.fixture(scope="module")
def on_moto():
    with Sweep("moto") as sweep:
        yield sweep


@pytest.mark.slow
def test_no_promise_is_broken_by_a_fault_of_every_kind_and_at_every_operation(on_moto, record_property):
    sweep_pairs(on_moto, "boto3", record_property, lambda pairs: sample(pairs, SEED))


@pytest.mark.slow
def test_no_promise_is_broken_by_the_other_client(on_moto, record_property):
    sweep_pairs(on_moto, "obstore", record_property, lambda pairs: sample(pairs, SEED, 3))


@pytest.mark.slow
def test_no_promise_is_broken_on_another_emulator(record_property):
    with Sweep("ministack") as sweep:
        sweep_pairs(sweep, "boto3", record_property, lambda pairs: sample(pairs, SEED, 3))


@pytest.mark.slow
def test_no_promise_is_broken_on_the_store_of_files(record_property):
    with Sweep("files") as sweep:
        sweep_pairs(sweep, "none", record_property, lambda pairs: sample(pairs, SEED))


@pytest.mark.soak
@pytest.mark.parametrize(("storage", "client"), [("moto", "boto3"), ("moto", "obstore"), ("ministack", "boto3")])
def test_no_promise_is_broken_by_any_fault_at_any_call(storage, client, record_property):
    with Sweep(storage, processes=4) as sweep:
        sweep_pairs(sweep, client, record_property, list)


@pytest.mark.soak
def test_no_promise_is_broken_by_the_other_client_on_another_emulator(record_property):
    """A larger sample: each of the two was swept in full with the other's counterpart."""
    with Sweep("ministack", processes=4) as sweep:
        sweep_pairs(sweep, "obstore", record_property, lambda pairs: sample(pairs, SEED, 150))


@pytest.mark.soak
def test_no_promise_is_broken_by_any_fault_at_any_call_of_the_store_of_files(record_property):
    with Sweep("files", processes=2) as sweep:
        sweep_pairs(sweep, "none", record_property, list)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("fault", Fault)
def test_every_fault_strikes_every_operation_of_a_storage_or_has_a_reason_not_to(storage, fault):
    for operation in ("GET", "HEAD", "PUT", "LIST"):
        strikes = [pair.fault for pair in all_pairs(storage, "c", [f"{operation} key#1"])].count(fault)

        assert strikes == (0 if reason(storage, operation, fault) else 1)
        assert strikes or len(reason(storage, operation, fault)) > 20


def test_there_is_no_reason_without_a_case():
    assert {
        fault for fault in Fault for operation in ("GET", "HEAD", "PUT", "LIST") if reason("files", operation, fault)
    } == set(REASONS)
    assert set(FILES) | set(REASONS) == set(Fault)


def test_a_sample_leaves_no_fault_and_no_operation_out_and_is_the_same_for_the_same_seed():
    calls = ["GET a#1", "GET a#2", "HEAD a#1", "PUT b#1", "LIST uploads/#1", "SendMessageBatch#1", "DeleteMessageBatch#3"]
    everything = all_pairs("moto", "boto3", calls)

    chosen = sample(everything, SEED)

    assert len(everything) == len(calls) * len(Fault)
    assert {pair.fault for pair in chosen} == set(Fault)
    assert {pair.operation for pair in chosen} == {pair.operation for pair in everything}
    assert chosen == sample(reversed(everything), SEED) != sample(everything, SEED + 1)


def test_a_violation_is_told_with_the_line_that_replays_it():
    pair = Pair("obstore", "PUT predictions/uploads/a.png.json#1", Fault.HANG_AFTER)

    assert replay("ministack", pair) == (
        "python -m tests.infra.sweeping --storage ministack --client obstore "
        "--call 'PUT predictions/uploads/a.png.json#1' --fault hang-after"
    )
