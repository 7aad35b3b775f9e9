"""Multiplies: the calls of a route, the measured times and the prices give the dollars of each line. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from infra.cost.prices import Prices
from infra.cost.steps import Lots, Per, Route
from infra.cost.times import Client, Times

MILLION = 1_000_000
PROCESSOR_MB = 1769  # has one whole processor, at which the times were measured; less memory has less of it in proportion

# What the template's stack costs each month, whether images come or not.
METRICS = 25  # of `handler.telemetry` with the bundled model: 15, and one for each of its ten classes
EMPTY_POLLS = 5 * 3 * 60 * 24 * 30  # Lambda keeps some five pollers, and an empty queue answers each after 20 s
_ALARMED = "with `AlarmEmail` only: 4, and ten metrics of drift; one more with `Backlogs`"
ALARMS = 4 + 10  # CloudWatch charges the alarm on drift for each of the ten metrics that it watches

REQUESTS, OTHER = "S3 requests", "senders"
_ITEMS = {
    "s3": REQUESTS,
    "sqs": "queue",
    "lambda": "Lambda",
    "logs": "logs",
}
ITEMS = (REQUESTS, "queue", OTHER, "Lambda", "logs")


class Load(msgspec.Struct, frozen=True):
    """What is asked for: `images`, in `batch` objects for an invocation by the queue, on a function of `memory_mb`."""

    images: int
    batch: int
    memory_mb: int
    client: Client = Client.boto3


class Line(msgspec.Struct, frozen=True):
    """One line of a bill: `count` units, at `unit_dollars` for each `unit` ("million", "gb_second", "gb", "job", "month").

    `item` is one of `ITEMS`, `text` says what is paid for, and `how` how it was counted.
    """

    item: str
    text: str
    how: str
    count: float
    unit: str
    unit_dollars: float

    @property
    def dollars(self) -> float:
        """What the line costs."""
        return self.count * self.unit_dollars / (MILLION if self.unit == "million" else 1)


class Bill(msgspec.Struct, frozen=True):
    """What a load costs on one route."""

    route: Route
    lots: Lots
    lines: tuple[Line, ...]

    @property
    def dollars(self) -> float:
        """What all lines cost together."""
        return sum(line.dollars for line in self.lines)

    def dollars_of(self, item: str) -> float:
        """Returns what the lines of one of `ITEMS` cost together."""
        return sum(line.dollars for line in self.lines if line.item == item)


def make_bill(route: Route, load: Load, prices: Prices, times: Times) -> Bill:
    """Returns what a load costs on a route."""
    lots = Lots(load.images, route.images_per_object, route.batch or load.batch)
    called = [
        _line(step.text, f"{step.amount} per {step.per}", step.amount * lots.count(step.per), step.price, prices)
        for step in route.steps
    ]
    time, log = time_of(route, lots, load, times), log_of(route, lots, times)
    gb = load.memory_mb / 1024
    used = [
        _line(
            "the function runs, in GB-seconds",
            f"({time.how}) x {gb:.4g} GB",
            time.amount / 1000 * gb,
            "lambda_dollars_per_gb_second",
            prices,
        ),
        _line("CloudWatch takes the log, in GB", log.how, log.amount / 1e9, "logs_dollars_per_gb", prices),
    ]
    return Bill(route, lots, (*called, *used))


class Sum(msgspec.Struct, frozen=True):
    """An amount, and the formula that gives it."""

    amount: float
    how: str


def time_of(route: Route, lots: Lots, load: Load, times: Times) -> Sum:
    """Returns the milliseconds that all invocations take together.

    An invocation takes as long as its images do, but no less than `lambda_ms_least`.
    """
    slowness = max(1.0, PROCESSOR_MB / load.memory_mb)
    single_ms = times.row_ms(load.client) if route.writes_rows else times.single_ms(load.client)
    image_ms = slowness * (times.lambda_ms_packed_image if route.images_per_object > 1 else single_ms)
    found_ms = slowness * times.lambda_ms_found
    terms = [Sum(lots.objects * found_ms, f"{lots.objects:,} x {found_ms:.4g}")] if route.finds else []
    if route.scores:
        terms += [_at_least(times.lambda_ms_least, count, images, image_ms) for count, _, images in lots.invocations()]
    return _total(terms, "ms")


def log_of(route: Route, lots: Lots, times: Times) -> Sum:
    """Returns the bytes that all invocations log: their objects' shares, but no fewer than `log_bytes_least` each."""
    finders = sum(
        step.amount * lots.count(step.per)
        for step in route.steps
        if step.price == "lambda_dollars_per_million" and step.per is not Per.INVOCATION
    )
    terms = [Sum(finders * times.log_bytes_least, f"{finders:,} x {times.log_bytes_least:,.4g}")] if finders else []
    if route.scores:
        share = times.log_bytes_row if route.writes_rows else times.log_bytes_object
        terms += [_at_least(times.log_bytes_least, count, objects, share) for count, objects, _ in lots.invocations()]
    return _total(terms, "bytes")


def monthly_lines(prices: Prices) -> Sequence[Line]:
    """Returns what a stack costs each month, however many images come."""
    return (
        _line("custom metrics", "15, and one for each of ten classes", METRICS, "metric_dollars_per_month", prices),
        _line("receives of an empty queue", "5 pollers, every 20 s, 30 days", EMPTY_POLLS, "sqs_dollars_per_million", prices),
        _line("alarms", _ALARMED, ALARMS, "alarm_dollars_per_month", prices),
        _line("dashboard", "none for the first three of an account", 1, "dashboard_dollars_per_month", prices),
    )


def _at_least(least: float, count: int, parts: int, each: float) -> Sum:
    return Sum(count * max(least, parts * each), f"{count:,} x max({least:,.4g}, {parts:,} x {each:.4g})")


def _total(terms: Sequence[Sum], unit: str) -> Sum:
    return Sum(sum(term.amount for term in terms), f"{' + '.join(term.how for term in terms)} {unit}")


def _line(text: str, how: str, count: float, price: str, prices: Prices) -> Line:
    service, _, unit = price.partition("_dollars_per_")
    return Line(_ITEMS.get(service.partition("_")[0], OTHER), text, how, count, unit, getattr(prices, price))
