"""Backlogs, against sums by hand."""

import pytest

from infra.scale.backlog import simulate_backlog
from infra.scale.outcome import FEW_SHARDS, PLANNING, S3_GETS, Load
from infra.scale.shards import plan_shards

SIZES = plan_shards(2_000, 500)  # 124, 249, 374, 498, 623, 132


def test_with_one_worker_the_time_is_the_sum_of_the_durations(changed):
    """The plan lists two pages; a shard takes 6 ms for each object, two PUTs of 4 ms, and 0.2 s of Step Functions."""
    stack = changed({"list_s": 0.1}, backlog_concurrency=1)
    outcome = simulate_backlog(Load(objects=2_000), stack)
    plan_s, summary_s = 0.2 + 1.0 + 2 * 0.1, 0.2 + 1.0
    scored_s = 2_000 * 0.006 + len(SIZES) * (0.2 + 0.008)

    assert outcome.seconds == pytest.approx(plan_s + 1.0 + scored_s + summary_s, abs=0.01)
    assert outcome.first_s == pytest.approx(plan_s + 1.0 + 0.2 + 124 * 0.006 + 0.008, abs=0.01)
    assert (outcome.done, outcome.failed, outcome.left, outcome.peak) == (2_000, 0, 0, 1)


def test_what_aws_charges_for_is_counted(changed):
    counts = simulate_backlog(Load(objects=2_000), changed(backlog_concurrency=1)).counts
    shards = len(SIZES)

    assert counts.lists == 2 + 1  # pages of inputs, and one of documents
    assert counts.gets == 2_000 + 3 * shards + shards  # and each index, when all is added up
    assert counts.puts == (shards + 2) + 2 * shards + 1
    assert counts.transitions == 2 + 2 * shards + 2
    assert counts.invocations == 1 + shards + 1


def test_twice_the_workers_take_half_the_time_until_shards_are_too_few(changed):
    def scoring_s(count):
        outcome = simulate_backlog(Load(objects=200_000), changed({"list_s": 0.0}, backlog_concurrency=count))
        return outcome.seconds

    times = [scoring_s(count) for count in (1, 2, 4, 8)]

    assert [times[0] / time for time in times] == pytest.approx([1, 2, 4, 8], rel=0.08)


def test_more_workers_than_shards_have_nothing_to_do(stack):
    outcome = simulate_backlog(Load(objects=2_000), stack)

    assert outcome.peak == len(SIZES)
    assert outcome.bound in {FEW_SHARDS, PLANNING}


def test_planning_takes_as_many_invocations_as_its_pages_take_time(changed):
    """2,000 pages of 0.5 s are 1,000 s, and an invocation has 890."""
    stack = changed({"list_s": 0.5})
    outcome = simulate_backlog(Load(objects=2_000_000), stack)

    assert outcome.counts.transitions == 2 * 2 + 2 * len(plan_shards(2_000_000, 500)) + 2
    assert outcome.bound == PLANNING


def test_killed_shards_are_repeated_and_each_object_is_done_once(stack):
    outcome = simulate_backlog(Load(objects=500_000, killed=0.2), stack)

    assert (outcome.done, outcome.failed, outcome.left) == (500_000, 0, 0)
    assert outcome.repeated > 0
    assert outcome.counts.gets - 4 * len(plan_shards(500_000, 500)) > outcome.done


def test_a_run_stops_when_more_shards_fail_than_are_tolerated(stack):
    outcome = simulate_backlog(Load(objects=500_000, killed=1.0), stack)

    assert (outcome.done, outcome.failed, outcome.left) == (0, 0, 500_000)


def test_no_more_shards_run_at_once_than_the_account_allows(changed):
    outcome = simulate_backlog(Load(objects=500_000), changed({"account_concurrency": 7}))

    assert (outcome.peak, outcome.bound) == (7, "account concurrency")


def test_beyond_the_limit_of_s3_objects_fail_and_are_counted_once(changed):
    """A worker reads some 160 objects a second, so that ten ask for more than half as much again as S3 answers."""
    limits = {"gets_per_second": 1_000.0, "s3_s": 0.03, "list_s": 0.0}
    outcome = simulate_backlog(Load(objects=200_000), changed(limits, backlog_concurrency=20))

    assert outcome.done + outcome.failed + outcome.left == 200_000
    assert outcome.done <= 1_000 * outcome.seconds
    assert outcome.bounds[S3_GETS] > 0.5
    assert outcome.first_bound in {S3_GETS, "BacklogConcurrency", "starts of workflows"}


def test_a_shard_that_is_too_slow_leaves_what_it_has_no_time_for(changed):
    """S3 answers 2 requests a second: 890 s are not enough for a shard, of which the rest is listed for the next run."""
    limits = {"gets_per_second": 2.0, "s3_s": 0.03, "split_s": 1e9}
    outcome = simulate_backlog(Load(objects=5_000), changed(limits, backlog_concurrency=1, timeout_s=60.0))

    assert outcome.done + outcome.failed + outcome.left == 5_000
    assert outcome.failed + outcome.left > 0
