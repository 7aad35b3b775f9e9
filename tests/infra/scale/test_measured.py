"""Measured runs beside their simulations."""

import msgspec
import pytest

from infra.errors import InfraError
from infra.scale.measured import Measured, Run, compare, load_measured
from infra.scale.shards import plan_shards

ONE = Run(
    way="uploads",
    workers=1,
    objects=1_000,
    images=1_000,
    bytes=500_000,
    invocations=10,
    seconds=12.0,
    busy_s=10.0,
    outside_s=0.1,
)
TWO = Run(
    way="uploads",
    workers=2,
    objects=1_000,
    images=1_000,
    bytes=500_000,
    invocations=10,
    seconds=8.0,
    busy_s=12.0,
    outside_s=0.2,
)


def test_uploads_are_simulated_with_their_own_times_and_with_those_of_one_worker(stack):
    """Ten batches of 1 s and 0.1 s by one worker; five each of 1.2 s and 0.2 s by two, who were told to take 1.1 s."""
    one, two = compare([ONE, TWO], stack)

    assert (one.own_s, one.foretold_s) == pytest.approx((11.0, 11.0))
    assert one.own_error == pytest.approx(11 / 12 - 1)
    assert (two.own_s, two.foretold_s) == pytest.approx((5 * 1.4, 5 * 1.1))
    assert two.foretold_error == pytest.approx(5.5 / 8 - 1)


def test_a_backlog_is_simulated_shard_by_shard(stack):
    """124, 249, 374 and 253 objects at 10 ms: with two workers one does 124 and 374, the other 249 and 253."""
    sizes = plan_shards(1_000, 500)
    run = Run(
        way="backlog",
        workers=2,
        objects=1_000,
        images=1_000,
        bytes=500_000,
        invocations=4,
        seconds=6.0,
        busy_s=10.0,
        outside_s=0.1,
    )
    (found,) = compare([run], stack)

    assert sizes == [124, 249, 374, 253]
    assert found.own_s == pytest.approx(2 * 0.1 + (249 + 253) * 0.01)


def test_nothing_is_compared_before_something_was_measured(tmp_path):
    assert load_measured(tmp_path / "measured.json") is None


def test_measured_runs_are_read_as_they_were_written(tmp_path):
    measured = Measured(machine="a machine", measured="2026-11-29", latency_ms=0.0, runs=(ONE, TWO))
    (tmp_path / "measured.json").write_bytes(msgspec.json.encode(measured))

    assert load_measured(tmp_path / "measured.json") == measured


def test_what_is_no_measured_run_is_refused(tmp_path):
    (tmp_path / "measured.json").write_text("{}")

    with pytest.raises(InfraError, match="measure"):
        load_measured(tmp_path / "measured.json")
