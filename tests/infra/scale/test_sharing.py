"""What instances share: S3's limits with refusals, the station at which they slow down, and the queue."""

import pytest
import simpy

from handler.backlog.grouping import Group
from infra.scale.queue import Lot, Queue
from infra.scale.refusals import FREE, Demand, Pace, solve_pace
from infra.scale.shards import plan_shards
from infra.scale.station import Station

DEMAND = Demand(objects_per_s=100.0, request_s=0.004, saved_s=0.004, connections=64, waits_s=0.03)


def test_nothing_is_refused_up_to_the_limit():
    assert solve_pace(DEMAND, 10, 1000) == FREE
    assert solve_pace(DEMAND, 11, 1000).is_refused


@pytest.mark.parametrize("instances", [11, 15, 20, 40, 400])
def test_s3_answers_as_much_as_it_can_and_each_answer_ends_an_object(instances):
    pace = solve_pace(DEMAND, instances, 1000)

    assert instances * DEMAND.objects_per_s * pace.speed * (1 - pace.failed) == pytest.approx(1000, rel=0.02)


def test_more_instances_are_refused_more():
    paces = [solve_pace(DEMAND, instances, 1000) for instances in range(10, 100, 5)]

    assert [pace.failed for pace in paces] == sorted(pace.failed for pace in paces)
    assert paces[-1].failed > 0.5


def test_a_little_beyond_the_limit_repetition_saves_nearly_all_objects():
    """A fifth of all attempts is refused, since repetition adds to them; four of an object in a row are 0.2^4."""
    pace = solve_pace(DEMAND, 11, 1000)

    assert pace.attempts == pytest.approx(1 + 0.2 + 0.2**2 + 0.2**3, abs=0.01)
    assert pace.failed == pytest.approx(0.2**4, abs=2e-4)


def serve(works, pace_of, split_s=1e9):
    """Returns the second at which each of (arrival, work) is done."""
    env = simpy.Environment()
    station = Station(env, pace_of, 1, split_s)
    done = {}

    def visit(number, arrival, work):
        yield env.timeout(arrival)
        yield station.enter(work).event
        done[number] = env.now

    for number, (arrival, work) in enumerate(works):
        env.process(visit(number, arrival, work))
    env.run()
    return [done[number] for number in range(len(works))]


def test_alone_an_invocation_takes_its_own_time():
    assert serve([(0, 3.0), (5, 2.0)], lambda _n, _parts: FREE) == pytest.approx([3.0, 7.0])


def test_invocations_that_share_slow_down_alike():
    """The first is alone for 1 s and shares until 3 s, when it has done its two; the second then has 2 left, alone."""
    halves = serve([(0, 2.0), (1, 3.0)], lambda count, _parts: Pace(1 / count, 1.0, 0.0))

    assert halves == pytest.approx([3.0, 5.0])


def test_equal_invocations_end_in_the_order_in_which_they_came_and_no_work_is_lost():
    works = [(number * 0.1, 1.0) for number in range(50)]
    ends = serve(works, lambda count, _parts: Pace(1 / count, 1.0, 0.0))

    assert ends == sorted(ends)
    assert ends[-1] == pytest.approx(50.0)  # one second of work for each, without a pause


def test_an_invocation_hears_of_what_was_refused_in_its_own_time():
    env = simpy.Environment()
    station = Station(env, lambda count, _parts: Pace(1.0, 1.5, 0.25) if count > 1 else FREE, 1, 1e9)
    first, second = station.enter(4.0), station.enter(2.0)
    env.run()

    assert (first.event.value.failed, second.event.value.failed) == pytest.approx((0.125, 0.25))
    assert (first.event.value.attempts, second.event.value.attempts) == pytest.approx((1.25, 1.5))


def test_who_leaves_is_told_how_much_is_left():
    env = simpy.Environment()
    station = Station(env, lambda count, _parts: Pace(1 / count, 1.0, 0.0), 1, 1e9)
    visits = [station.enter(10.0), station.enter(10.0)]
    env.run(until=4.0)  # of which each had half

    assert station.leave(visits[0]) == pytest.approx(0.8)
    env.run()
    assert env.now == pytest.approx(12.0)


def test_s3_splits_a_partition_that_refused_for_long_enough():
    ends = serve([(0, 10.0), (8, 1.0)], lambda _count, parts: Pace(parts / 4, 1.2, 0.1) if parts < 4 else FREE, split_s=8.0)

    assert ends[1] == pytest.approx(8 + 2.0)  # at half speed: the second partition is there
    assert ends[0] == pytest.approx(8 + 16.0)


def test_messages_come_in_their_order_each_once():
    env = simpy.Environment()
    queue = Queue(env)
    queue.put(Lot(1.0, 5))
    queue.put(Lot(2.0, 5, receives=3))

    assert queue.take(7) == [Lot(1.0, 5, 1), Lot(2.0, 2, 4)]
    assert queue.take(7) == [Lot(2.0, 3, 4)]
    assert (queue.take(7), queue.visible) == ([], 0)


def test_as_many_pollers_wake_as_find_messages():
    env = simpy.Environment()
    queue = Queue(env)
    taken = []

    def poll(count):
        yield queue.wait()
        taken.append(sum(lot.count for lot in queue.take(count)))

    for _ in range(5):
        env.process(poll(3))
    env.run()
    queue.put(Lot(0.0, 8))
    env.run()

    assert taken == [3, 3, 2]


def test_shards_grow_to_whole_ones_and_hold_each_object_once():
    sizes = plan_shards(100_000, 500)

    assert sizes[:3] == [124, 249, 374]
    assert max(sizes) == 2494  # 500 bytes take their part of 512 MiB
    assert sum(sizes) == 100_000


@pytest.mark.parametrize("size_bytes", [0, 500, 784_016, 2**20, 2**30, 2**31])
def test_shards_are_those_that_the_function_plans(size_bytes):
    sizes, group = [], Group()
    for number in range(3_000):
        if not group.has_room(size_bytes, len(sizes) + 1):
            sizes.append(len(group.keys))
            group = Group()
        group.add(str(number), size_bytes, has_document=False)

    assert plan_shards(3_000, size_bytes) == [*sizes, len(group.keys)]


def test_large_objects_fill_a_shard_by_their_bytes():
    assert plan_shards(100, 2**31) == [1] * 100
    assert max(plan_shards(10_000, 2**20)) == 424  # 1 / (1/2500 + 1/512)
