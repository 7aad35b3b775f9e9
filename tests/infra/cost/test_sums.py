"""The arithmetic of costs, against sums done by hand."""

import json
import re

import pytest

from handler.app import build_parts, lambda_handler
from handler.prices import GB, GB_SECOND, S3_GET, S3_PUT, estimate_backlog_dollars, estimate_dollars
from infra.cloud.event_source import Context
from infra.cost.command import deployed_load
from infra.cost.prices import Prices, load_prices
from infra.cost.routes import QUEUE, ROUTES
from infra.cost.steps import LIST_OBJECTS, Lots, Per, Route, Step
from infra.cost.sums import ITEMS, METRICS, Load, log_of, make_bill, monthly_lines, time_of
from infra.cost.times import Client, Times, load_times
from infra.paths import IMAGES
from tests.conftest import INPUT

MILLION = 1_000_000
BY_NAME = {route.name: route for route in ROUTES}
PRICES = load_prices()
TIMES = Times(
    lambda_ms_single_boto3=4.0,
    lambda_ms_single_obstore=2.0,
    lambda_ms_packed_image=0.7,
    log_bytes_object=230,
    machine="a machine",
    measured="2026-11-29",
    lambda_ms_least=60,
    lambda_ms_found=0.3,
    log_bytes_least=2500,
    row_share_boto3=0.75,
    row_share_obstore=0.5,
    log_bytes_row=50,
)
LOAD = Load(MILLION, 25, 1769)


def items(name, load=LOAD, prices=PRICES, times=TIMES):
    bill = make_bill(BY_NAME[name], load, prices, times)
    assert bill.dollars == pytest.approx(sum(bill.dollars_of(item) for item in ITEMS))
    return {item: bill.dollars_of(item) for item in ITEMS}


def test_a_million_single_images_by_the_queue():
    expected = {
        "S3 requests": 5.40,  # a GET of 0.40 and a PUT of 5.00 for each
        "queue": 0.496,  # 1,000,000 sent, and 40,000 x 3 received and as many deleted, at 0.40 a million
        "senders": 0,
        "Lambda": 0.008 + 0.1151695,  # 40,000 invocations; 40,000 x 0.1 s x 1,769 / 1,024 GB = 6,910.16 GB-s at 0.0000166667
        "logs": 0.115,  # 0.23 GB
    }

    assert items("queue") == pytest.approx(expected, abs=1e-6)


def test_what_is_no_request_of_s3_costs_less_than_it_did():
    """Before, it was 1.25: the queue 0.50, logs 0.39 and Lambda 0.36."""
    found = items("queue")

    assert sum(found.values()) - found["S3 requests"] == pytest.approx(0.734, abs=1e-3)


def test_a_faster_client_shortens_the_time_until_s3_is_what_an_invocation_waits_for():
    by = {
        client: time_of(QUEUE, Lots(100, 1, 25), Load(100, 25, 1769, client), TIMES).amount for client in Client
    }  # 4 invocations of 25 x 4 ms, and of 60 ms rather than 25 x 2

    assert by == {Client.boto3: 400, Client.obstore: 240}


def test_packed_objects_pay_for_a_thousandth_of_the_calls():
    expected = {
        "S3 requests": 0.0054,
        "queue": 0.000496,
        "senders": 0,
        "Lambda": 40 * 0.2e-6 + 0.0201547,  # 700 s x 1.727539 GB = 1,209.28 GB-s
        "logs": 40 * 5750 * 0.5e-9,
    }

    assert items("packed") == pytest.approx(expected, abs=1e-7)


def test_an_invocation_for_each_object_pays_for_its_own_wait_and_its_own_metrics():
    expected = {
        "S3 requests": 5.40,
        "queue": 0,
        "senders": 0,
        "Lambda": 0.20 + 1.727543,  # 60,000 s x 1.727539 GB
        "logs": 1.25,  # 2.5 GB
    }

    assert items("direct") == pytest.approx(expected, abs=1e-5)
    assert items("eventbridge") == pytest.approx(expected | {"senders": 1.00}, abs=1e-5)
    assert items("sns") == pytest.approx(expected | {"senders": 0.50}, abs=1e-5)
    assert items("batch-operations") == pytest.approx(expected | {"senders": 1.25}, abs=1e-5)


def test_a_sweep_sends_ten_messages_in_a_call_and_looks_for_each_document():
    expected = {
        "S3 requests": 5.80 + 1002 * 5e-6 + 4 * 0.4e-6 + 5e-6,  # HEAD, GET and PUT; pages; the marks
        "queue": (100_000 + 240_000 + 1) * 0.4e-6,
        "senders": 1e-6,
        "Lambda": 40_001 * 0.2e-6 + (300 + 4000) * 1769 / 1024 * 0.0000166667,
        "logs": (40_000 * 5750 + 2500) * 0.5e-9,
    }

    assert items("sweep") == pytest.approx(expected)


def test_a_sweep_that_finds_nothing_pays_for_its_listings_and_its_time():
    expected = {
        "S3 requests": 2001 * 5e-6 + 4 * 0.4e-6 + 5e-6,
        "queue": 0.4e-6,
        "senders": 1e-6,
        "Lambda": 0.2e-6 + 300 * 1769 / 1024 * 0.0000166667,
        "logs": 2500 * 0.5e-9,
    }

    assert items("sweep-idle") == pytest.approx(expected)


def test_lists_are_as_long_as_they_may_be():
    lists = MILLION // LIST_OBJECTS

    assert lists == 10
    assert items("list")["S3 requests"] == pytest.approx(5.80 + lists * 5.8e-6)
    assert items("list")["queue"] == pytest.approx((100_000 + 240_000 + 3 * lists) * 0.4e-6)


def test_a_map_pays_for_two_transitions_of_each_hundred():
    assert items("distributed-map")["senders"] == pytest.approx(20_000 * 25e-6)
    assert items("distributed-map")["S3 requests"] == pytest.approx(5.405)


def test_a_backlog_pays_for_a_read_of_each_object_and_for_four_files_of_each_shard():
    shards = 400  # of 2,500 objects
    expected = {
        # A GET for each object; keys, note, rows and index of each shard, which looks for five files, and whose index is read
        # again; a page for each thousand inputs; and of the run 7 PUTs, 3 lists and 27 GETs or HEADs.
        "S3 requests": 0.40 + shards * (4 * 5e-6 + 6 * 0.4e-6) + 1000 * 5e-6 + (7 + 3) * 5e-6 + 27 * 0.4e-6,
        "queue": 0,
        "senders": (shards * 2 + 7) * 25e-6,
        "Lambda": (shards + 2) * 0.2e-6 + (1e6 * 0.3 + 1e6 * 3.0) / 1000 * 1769 / 1024 * 0.0000166667,
        "logs": (1e6 * 50 + 2 * 2500) * 0.5e-9,
    }

    assert items("backlog") == pytest.approx(expected)
    assert make_bill(BY_NAME["backlog"], LOAD, PRICES, TIMES).lots.count(Per.INVOCATION) == shards


def test_a_packed_backlog_pays_for_two_shards_since_they_are_full_by_their_bytes():
    bill = make_bill(BY_NAME["backlog-packed"], LOAD, PRICES, TIMES)

    assert bill.lots.invocations() == ((1, 537, 537_000), (1, 463, 463_000))  # 537 x (1 / 2,500 + 784,000 / 2**29) = 0.9990
    assert bill.dollars_of("S3 requests") == pytest.approx(
        1000 * 0.4e-6 + 2 * (4 * 5e-6 + 6 * 0.4e-6) + 11 * 5e-6 + 27 * 0.4e-6
    )
    assert bill.dollars_of("senders") == pytest.approx(11 * 25e-6)
    assert bill.dollars_of("Lambda") == pytest.approx(4 * 0.2e-6 + (0.3 + 700) * 1769 / 1024 * 0.0000166667)


def test_a_row_takes_a_share_of_the_time_of_a_document():
    assert (TIMES.row_ms(Client.boto3), TIMES.row_ms(Client.obstore)) == (3.0, 1.0)


@pytest.mark.parametrize(("name", "dollars"), [("backlog", 0.60), ("backlog-packed", 0.05)])
def test_a_million_images_of_a_backlog_cost_no_more_than_they_may(name, dollars):
    for client in Client:
        load = deployed_load(MILLION, client=client)
        assert make_bill(BY_NAME[name], load, PRICES, load_times()).dollars <= dollars


def test_smaller_batches_cost_more_calls_of_the_queue():
    alone = items("queue", Load(MILLION, 1, 1769))

    assert alone["queue"] == pytest.approx(1.20)
    assert alone["Lambda"] == pytest.approx(items("direct")["Lambda"])


@pytest.mark.parametrize(
    ("images", "per_object", "batch", "expected"),
    [
        (1, 1, 25, (1, 1, 1, 1, 1)),
        (25, 1, 25, (25, 1, 3, 3, 1)),
        (26, 1, 25, (26, 2, 4, 3, 1)),
        (36, 1, 25, (36, 2, 5, 4, 1)),
        (1001, 1, 10, (1001, 101, 101, 101, 2)),
        (1001, 1000, 25, (2, 1, 1, 1, 1)),
    ],
)
def test_counts_are_whole_and_rounded_up(images, per_object, batch, expected):
    lots = Lots(images, per_object, batch)

    assert tuple(lots.count(per) for per in (Per.OBJECT, Per.INVOCATION, Per.RECEIVE, Per.TEN, Per.PAGE)) == expected


def test_the_last_invocation_and_the_last_object_may_be_smaller():
    assert Lots(2501, 100, 25).invocations() == ((1, 25, 2500), (1, 1, 1))
    assert Lots(50, 1, 25).invocations() == ((2, 25, 25),)
    assert Lots(1, 1000, 1).invocations() == ((1, 1, 1),)
    assert Lots(2500, 1000, 3).invocations() == ((1, 3, 2500),)


def test_less_memory_has_less_of_a_processor_and_more_has_no_more_than_one():
    lots = Lots(1000, 1000, 25)
    packed = BY_NAME["packed"]

    def ms(memory_mb):
        return time_of(packed, lots, Load(1000, 25, memory_mb), TIMES).amount

    assert ms(1769) == ms(3538) == pytest.approx(700)
    assert ms(884.5) == pytest.approx(1400)


def test_a_formula_gives_its_amount():
    lots = Lots(MILLION, 1, 25)
    for found in (time_of(BY_NAME["sweep"], lots, LOAD, TIMES), log_of(BY_NAME["sweep"], lots, TIMES)):
        formula, _, unit = found.how.rpartition(" ")
        value = eval(re.sub(r"(\d),(?=\d{3})", r"\1", formula).replace(" x ", " * "))

        assert unit in {"ms", "bytes"}
        assert value == pytest.approx(found.amount)


def test_every_step_has_a_price_and_every_price_a_use():
    used = {step.price for route in ROUTES for step in route.steps} | {"lambda_dollars_per_gb_second", "logs_dollars_per_gb"}
    monthly = {"metric_dollars_per_month", "alarm_dollars_per_month", "dashboard_dollars_per_month"}

    assert used | monthly | {"region", "date", "source"} == set(Prices.__struct_fields__)


def test_a_route_of_ones_own_is_one_value():
    shards = Route(
        name="shards",
        told="",
        steps=(Step("one document for each invocation", "s3_put_dollars_per_million", Per.INVOCATION),),
        batch=1000,
    )

    assert make_bill(shards, LOAD, PRICES, TIMES).dollars_of("S3 requests") == pytest.approx(0.005)


def test_a_month_without_images():
    lines = [(line.count, round(line.dollars, 4)) for line in monthly_lines(PRICES)]

    assert lines == [(25, 7.5), (648_000, 0.2592), (14, 1.4), (1, 3.0)]


def test_the_custom_metrics_are_those_that_the_function_writes(upload, capsys):
    pngs = sorted(IMAGES.glob("*.png"))
    for path in pngs:
        upload(f"uploads/{path.name}", path.read_bytes())
    build_parts.cache_clear()
    lambda_handler({"objects": [f"s3://{INPUT}/uploads/{path.name}" for path in pngs]}, Context("r"))
    build_parts.cache_clear()

    metrics = set()
    for line in capsys.readouterr().out.splitlines():
        fields = json.loads(line)
        for directive in fields.get("_aws", {}).get("CloudWatchMetrics", ()):
            for dimensions in directive["Dimensions"]:
                values = tuple((name, fields[name]) for name in sorted(dimensions))
                metrics |= {(values, metric["Name"]) for metric in directive["Metrics"]}
    assert len(metrics) == METRICS


def test_the_function_estimates_its_sweeps_as_this_table_does():
    """The function has no such table, only a few sums of it, which a change of prices must reach too."""
    dollars = sum(items("sweep").values())

    assert (PRICES.s3_get_dollars_per_million, PRICES.s3_put_dollars_per_million) == (S3_GET, S3_PUT)
    assert dollars <= estimate_dollars(MILLION, 0) < 1.1 * dollars


def test_the_summary_of_a_backlog_estimates_as_this_table_does_but_for_planning_and_the_log():
    bill = make_bill(BY_NAME["backlog"], LOAD, PRICES, TIMES)
    seconds = MILLION * TIMES.row_ms(Client.boto3) / 1000
    left_out = 1000 * 5e-6 + MILLION * 0.3 / 1000 * 1769 / 1024 * 0.0000166667 + bill.dollars_of("logs")

    estimate = estimate_backlog_dollars(MILLION, 400, seconds, writes_documents=False)
    assert pytest.approx(PRICES.lambda_dollars_per_gb_second * MILLION, rel=1e-3) == GB_SECOND
    assert pytest.approx(1769 / 1024, rel=1e-3) == GB
    assert estimate == pytest.approx(bill.dollars - left_out, rel=2e-3)
    assert estimate_backlog_dollars(MILLION, 400, seconds, writes_documents=True) == pytest.approx(estimate + 5)
