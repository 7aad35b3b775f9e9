"""What is told of a run: numbers in words, commands that can be copied, and nothing of a stranger that moves a cursor."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace as replace_struct

from handler.backlog.runs import Order, Totals
from handler.backlog.summing import ShardCounts, Summary
from handler.predictions import ModelName
from infra.backlog.estimating import Estimate
from infra.backlog.executions import Counts, Execution, Status
from infra.backlog.planning import Planned, Sample
from infra.backlog.telling import (
    Told,
    detached_lines,
    duration_text,
    end_lines,
    listing_lines,
    nothing_lines,
    plan_lines,
    size_text,
    to_json,
)

BEGAN = datetime(2026, 11, 29, 20, tzinfo=UTC)
EXECUTION = Execution("arn", "photos", "photos", Status.SUCCEEDED, BEGAN, BEGAN + timedelta(minutes=12))
SUMMARY = Summary(
    run="photos",
    model=ModelName("fashion-mnist", "2.0.0", "a" * 64),
    planned_at="2026-11-29T20:00:00+00:00",
    ended_at="2026-11-29T20:05:00+00:00",
    planned=Totals(objects=1000),
    shards=ShardCounts(3, 3),
    outcomes={"scored": 990, "rejected": 8, "failed": 2, "gone": 0},
    images=990,
    bytes=10,
    seconds=1800.0,
    dollars=0.01234,
    rows="s3://outbox/results/_coatcheck/shards/a/photos/",
    failed=2,
    failed_list="s3://outbox/results/_coatcheck/runs/photos/failed.jsonl",
)
TOLD = Told(
    run="photos",
    stack="coatcheck",
    region=None,
    title="s3://shop/photos/",
    order=Order(prefix="s3://shop/photos/"),
    plan=Planned(
        objects=1_234_567,
        bytes=987_654_321,
        shards=500,
        rows="s3://outbox/rows/",
        planned_at="2026-11-29T20:00:00.123456+00:00",
        left_out={"done": 12, "archived": 3, "strange": 1},
        sampled=Sample(16, 32),
    ),
    estimate=Estimate(images=2_469_134, workers=50, seconds=754.2, dollars=0.6789),
    execution=EXECUTION,
    summary=SUMMARY,
    output="s3://outbox/results/",
)


def test_a_plan_tells_what_there_is_to_do_how_long_it_takes_and_what_it_costs():
    assert list(plan_lines(TOLD)) == [
        "run        photos over s3://shop/photos/",
        "objects    1,234,567 of 988 MB in 500 shards, planned at 2026-11-29 20:00:00 UTC",
        "left out   12 done already, 3 in an archive, until they are restored, 1 strange",
        "images     about 2,469,134, by 32 in 16 objects",
        "time       about 13 min, with 50 workers at the same time",
        "cost       about $0.68",
        "rows       s3://outbox/rows/",
    ]


def test_a_plan_of_documents_has_no_rows_and_one_of_a_list_may_know_no_size():
    plan = replace(
        TOLD,
        order=Order(listed=True, documents=True),
        plan=Planned(objects=1, bytes=0, shards=1, rows="x", planned_at="2026-11-29T20:00:00"),
        estimate=Estimate(1, 1, 0.5, 0.0001),
    )

    assert list(plan_lines(plan))[1:] == [
        "objects    1 in 1 shard, planned at 2026-11-29 20:00:00 UTC",
        "images     about 1, by 0 in 0 objects",
        "time       less than a minute, with 1 worker at the same time",
        "cost       about $0.00010",
        "documents  s3://outbox/results/",
    ]
    assert list(plan_lines(replace(TOLD, plan=None))) == []


def test_nothing_to_do_is_said():
    assert list(nothing_lines(TOLD)) == ["nothing to do: every object of s3://shop/photos/ has its answer, or is left out"]


@pytest.mark.parametrize(
    ("order", "left_out", "has_failed"),
    [
        (Order(), {}, True),
        (Order(), {"done": 3}, False),
        (Order(), {"done": 3, "refused": 1}, False),
        (Order(listed=True), {"done": 3, "refused": 1}, True),
    ],
)
def test_addresses_at_which_nothing_lies_fail_the_command(order, left_out, has_failed):
    told = replace(TOLD, order=order, plan=replace_struct(TOLD.plan, objects=0, left_out=left_out), summary=None)

    assert told.has_failed is has_failed
    assert ("look at the address" in next(iter(nothing_lines(told)))) is (not left_out)


def test_the_end_tells_what_became_of_the_objects_and_how_to_go_on_with_what_failed():
    assert list(end_lines(TOLD)) == [
        "run        photos: 3 of 3 shards finished",
        "objects    990 scored, 8 rejected, 2 failed",
        "images     990, by fashion-mnist 2.0.0",
        "time       12 min, and 30 min of all workers together",
        "cost       about $0.012",
        "rows       s3://outbox/results/_coatcheck/shards/a/photos/",
        "rejected   8; `coatcheck table` tells the reason of each, as its error",
        "failed     2 objects, listed in s3://outbox/results/_coatcheck/runs/photos/failed.jsonl",
        "again      coatcheck backlog s3://outbox/results/_coatcheck/runs/photos/failed.jsonl",
    ]
    assert TOLD.has_failed


def test_another_model_is_compared_by_a_command_that_can_be_copied():
    told = replace(TOLD, order=Order(prefix="s3://shop/", model="b" * 64))
    rows = "s3://outbox/results/_coatcheck/shards/a/photos/"

    assert f"compare    coatcheck compare s3://outbox/results/ {rows}" in list(end_lines(told))


@pytest.mark.parametrize(
    ("order", "command"),
    [
        (
            Order(prefix="s3://shop/a b/"),
            "coatcheck backlog 's3://shop/a b/' --run photos --stack 'my stack' --region eu-west-1",
        ),
        (Order(documents=True, replace=True), "coatcheck backlog --all --run photos --documents --replace --stack 'my stack'"),
        (Order(listed=True), "the same command, with --run photos"),
        (Order(model="b" * 64), "the same command, with --run photos"),
        (None, "the same command, with --run photos"),
    ],
)
def test_a_run_that_did_not_succeed_tells_why_and_how_to_go_on(order, command):
    failed = replace(EXECUTION, status=Status.TIMED_OUT, error="States.Timeout", cause="too\x1b[2Jlong " * 100)
    told = replace(TOLD, order=order, stack="my stack", region="eu-west-1", execution=failed, summary=None)
    first, last = end_lines(told)

    assert first.startswith(r"the run photos is timed out: States.Timeout, too\x1b[2Jlong too")
    assert len(first) < 500
    assert last.startswith(f"go on with what is left: {command}")
    assert told.has_failed


def test_a_run_that_goes_on_tells_how_to_look_and_to_stop():
    running = replace(TOLD, execution=replace(EXECUTION, status=Status.RUNNING), summary=None, counts=Counts(40, 20, 1, 9))

    assert list(detached_lines(running)) == [
        "shards     21 of 40 done, 1 of them failed",
        "the run photos goes on; look again: coatcheck backlog show photos",
        "stop it: coatcheck backlog stop photos",
    ]
    assert not running.has_failed


def test_runs_are_listed_with_the_execution_if_it_has_another_name():
    runs = [EXECUTION, replace(EXECUTION, name="photos-2", status=Status.RUNNING, ended=None)]

    assert list(listing_lines(runs)) == [
        "succeeded  2026-11-29 20:00:00    12 min  photos",
        "running    2026-11-29 20:00:00            photos  (execution photos-2)",
    ]


def test_json_has_everything_that_is_known_and_null_for_the_rest():
    whole, nothing = to_json(TOLD), to_json(Told("photos", "coatcheck", None))

    assert whole.keys() == nothing.keys()
    assert {name: value for name, value in nothing.items() if value is not None} == {"run": "photos"}
    assert (whole["estimate"]["images"], whole["summary"]["failed"], whole["plan"]["left_out"]["done"]) == (2_469_134, 2, 12)
    assert whole["execution"] == {
        "execution": "photos",
        "arn": "arn",
        "status": "SUCCEEDED",
        "began": "2026-11-29T20:00:00+00:00",
        "ended": "2026-11-29T20:12:00+00:00",
        "error": None,
        "cause": None,
    }


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (999_999, "1 MB"), (12_345_678_901, "12.3 GB"), (10**18, "1e+03 PB")],
)
def test_sizes_are_told_in_three_digits(size, text):
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.123, "0.12 s"), (9, "9 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (86400 * 3, "3.0 days")],
)
def test_durations_are_told_in_the_unit_that_fits(seconds, text):
    assert duration_text(seconds) == text
