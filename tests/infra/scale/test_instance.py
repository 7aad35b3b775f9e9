"""One instance: what waits together, what shares the processor, and how near that is to what was measured."""

import pytest

from infra.bench.results import load_results
from infra.cost.times import Client, load_times
from infra.errors import InfraError
from infra.scale.instance import Costs, Invocation, duration_s, read_costs

COSTS = Costs(get_s=0.004, put_s=0.004, rest_s=0.002, packed_image_s=0.001, start_s=0.5)


def test_with_one_connection_every_wait_adds_up():
    assert duration_s(Invocation(10, 1, writes=True), COSTS, 1, 0.1) == pytest.approx(10 * (0.010 + 2 * 0.1))


def test_where_s3_answers_at_once_the_processor_is_what_all_connections_wait_for():
    assert duration_s(Invocation(100, 1, writes=True), COSTS, 64, 0.0) == pytest.approx(100 * 0.010)


def test_as_many_connections_as_objects_wait_for_s3_together():
    """Two waits of 1 s, with half of a GET before and half of a PUT behind them at least, and 10 ms for each at most."""
    found = duration_s(Invocation(10, 1, writes=True), COSTS, 64, 1.0)

    assert 2.0 + 0.004 <= found <= 2.0 + 0.100


def test_rows_take_two_puts_for_all_objects():
    assert duration_s(Invocation(100, 1, writes=False), COSTS, 64, 0.0) == pytest.approx(100 * 0.006 + 2 * 0.004)


def test_packed_images_take_their_own_time_each():
    assert duration_s(Invocation(5, 1000, writes=True), COSTS, 64, 0.0) == pytest.approx(5 * (1.0 + 0.008))


def test_half_the_processor_takes_twice_the_time():
    assert duration_s(Invocation(50, 1, writes=True), COSTS, 64, 0.0, 2.0) == pytest.approx(1.0)


@pytest.mark.parametrize("client", Client)
@pytest.mark.parametrize("delay_ms", [0, 30, 100])
def test_an_instance_takes_about_as_long_as_the_measured_one(client, delay_ms):
    results = load_results()
    costs = read_costs(results, load_times(), client)
    measured_ms = results.find(f"function, {client}, {delay_ms} ms, time of an object").median

    assert duration_s(Invocation(100, 1, writes=True), costs, 64, delay_ms / 1000) * 10 == pytest.approx(measured_ms, rel=0.15)


def test_what_was_not_measured_is_asked_for():
    results = load_results()
    empty = type(results)(results.machine, quick=True, settings={}, series=(), figures=(), skipped={})

    with pytest.raises(InfraError, match="0 ms, time of an object"):
        read_costs(empty, load_times(), Client.boto3)
