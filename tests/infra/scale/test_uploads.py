"""Uploads, against sums by hand and laws of queues."""

import itertools

import pytest

from infra.scale.outcome import ARRIVALS, RAMP, S3_PUTS, Load
from infra.scale.uploads import simulate_uploads


def test_with_one_worker_the_time_is_the_sum_of_the_durations(changed):
    """250 objects: two full batches and one that waits for the whole window, each with calls of 10 messages in 10 ms."""
    outcome = simulate_uploads(Load(objects=250), changed(max_concurrency=1))

    assert outcome.seconds == pytest.approx(1.0 + (0.5 + 0.5) + (0.1 + 1.0) * 2 + (2.0 + 0.05 + 0.5))
    assert outcome.busy_s == pytest.approx(1.0 + 2.5)  # the cold start is paid for
    assert (outcome.peak, outcome.counts.invocations, outcome.done) == (1, 3, 250)


def test_what_aws_charges_for_is_counted(changed):
    counts = simulate_uploads(Load(objects=250), changed(max_concurrency=1)).counts

    assert (counts.gets, counts.puts, counts.sqs) == (250, 250, 250 + 2 * 25)
    assert counts.log_bytes == 100 * 100 * 2 + 50 * 100  # 100 bytes an object, at least 2,500 an invocation


def test_twice_the_workers_take_half_the_time_until_s3_is_the_limit(changed):
    times = [simulate_uploads(Load(objects=100_000), changed(max_concurrency=count)).seconds for count in (1, 2, 4, 8)]

    assert [times[0] / time for time in times] == pytest.approx([1, 2, 4, 8], rel=0.03)


def test_as_many_objects_are_there_on_average_as_come_in_the_time_that_one_stays(stack):
    """Little's law: the number present, integrated over the samples, is the rate times the mean stay, summed up by message."""
    rate, objects = 300.0, 60_000
    outcome = simulate_uploads(Load(objects=objects, rate=rate), stack)
    points = [(one.at_s, min(objects, max(0.0, one.at_s - 1.0) * rate) - one.done) for one in outcome.samples]
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(points))

    assert area / outcome.seconds == pytest.approx(objects / outcome.seconds * outcome.present_s / objects, rel=0.05)
    assert outcome.oldest_s < 5.0  # 300 a second are less than the 1,000 of ten workers
    assert outcome.bound == ARRIVALS


def test_workers_are_busy_for_the_share_of_time_that_the_rate_asks_for(stack):
    """300 objects a second, at 10 ms each, keep 3 of the 10 workers busy."""
    outcome = simulate_uploads(Load(objects=60_000, rate=300.0), stack)

    assert outcome.busy_s / outcome.seconds == pytest.approx(3.0, rel=0.05)


def test_more_than_the_workers_can_do_grows_the_age_of_the_oldest_message(stack):
    """2,000 come and 1,000 are done each second, so the last of 20 s of them waits for some 20 s."""
    outcome = simulate_uploads(Load(objects=40_000, rate=2_000.0), stack)

    assert outcome.oldest_s == pytest.approx(20.0 + 4.0, abs=3.0)
    assert outcome.bound == "MaximumConcurrency"


def test_killed_invocations_repeat_their_messages_after_the_visibility_timeout_and_lose_none(stack):
    outcome = simulate_uploads(Load(objects=20_000, killed=0.05), stack)

    assert (outcome.done, outcome.failed, outcome.left) == (20_000, 0, 0)
    assert outcome.repeated > 0
    assert outcome.counts.gets == outcome.done + outcome.repeated
    assert outcome.oldest_s >= 960


def test_what_is_never_finished_is_a_dead_letter_after_its_last_delivery(changed):
    outcome = simulate_uploads(Load(objects=100, killed=1.0), changed(max_receives=3, max_concurrency=1))

    assert (outcome.done, outcome.failed) == (0, 100)
    assert outcome.counts.invocations == 3


def test_pollers_come_at_the_rate_that_lambda_allows(changed):
    outcome = simulate_uploads(Load(objects=100_000), changed(max_concurrency=1000))

    assert all(sample.active <= 5 + (sample.at_s - 1.0) * 5 for sample in outcome.samples)
    assert (outcome.first_bound, outcome.peak > 30) == (RAMP, True)


def test_the_account_s_limit_holds_whatever_the_template_says(changed):
    outcome = simulate_uploads(Load(objects=100_000), changed({"account_concurrency": 7}, max_concurrency=100))

    assert (outcome.peak, outcome.bound) == (7, "account concurrency")


def test_beyond_the_limit_of_s3_no_worker_helps(changed):
    """500 PUTs a second are what five workers do."""
    limits = {"puts_per_second": 500.0, "gets_per_second": 800.0, "s3_s": 0.01}
    outcomes = [simulate_uploads(Load(objects=50_000), changed(limits, max_concurrency=count)) for count in (4, 7, 10)]

    assert [outcome.done for outcome in outcomes] == [50_000] * 3
    assert all(outcome.seconds > 100 for outcome in outcomes)
    assert outcomes[0].repeated == 0
    assert outcomes[2].bounds[S3_PUTS] > 0


def test_the_same_seed_gives_the_same_figures_and_another_one_others(stack):
    load = Load(objects=20_000, killed=0.05)

    assert simulate_uploads(load, stack) == simulate_uploads(load, stack)
    assert simulate_uploads(load, stack).seconds != simulate_uploads(Load(objects=20_000, killed=0.05, seed=1), stack).seconds
