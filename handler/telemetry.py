"""Writes the log for CloudWatch: JSON lines, and metrics embedded in them (EMF). Alone knows Powertools.

A line has a fixed name and fields: the request's id, the trigger, and for each object its address, outcome and counts. Objects
of one outcome share a line, since a line of its own would take 500 bytes for each, which CloudWatch charges; an object that has
something to tell, such as an error, has a line of its own. A line holds no image and no credentials, and whatever is not
printable is escaped in it, so that no name and no text of an error ends a line or turns what stands around it. Metrics need no
API call, because CloudWatch extracts them from the log:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.lambda_context import build_lambda_context_model
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from handler.contract import Scores
from handler.errors import OutOfTime
from handler.jobs import SweepReport
from handler.objects import ObjectRef
from handler.outcomes import Outcome, Report, count_outcomes
from handler.plain_text import escape_json, without_credentials
from handler.triggers.request import Request

SERVICE = "coatcheck"
NAMESPACE = "Coatcheck"
MAX_CLASSES = 100  # with a metric of their own, each of which costs as much as any custom metric

MAX_SHARED = 40  # objects in one line: keys of 1,024 bytes, each escaped as six, stay below the 256 KiB of an event of a log
MAX_LATE = 100  # objects for which there was no time have a line of their own; 60,000 lines would take longer than the reserve

_COLUMNS = ("key", "images", "unsure", "unfamiliar", "bytes")
_MAX_CHARACTERS = 250  # of a dimension, which CloudWatch takes in ASCII and without control characters


def render_line(fields: Mapping[str, Any]) -> str:
    """Returns a line of the log as JSON; this is the one place through which every line passes."""
    return escape_json(json.dumps(_without_credentials(fields), separators=(",", ":"), ensure_ascii=False))


def _without_credentials(value: object) -> object:
    """Returns a value of a line without credentials, which are looked for in each text by itself.

    In the line as a whole, a credential that begins in one text could seem to end in another one, or behind the line's end.
    """
    match value:
        case None | bool() | int() | float():
            return value
        case dict():
            return {key: _without_credentials(one) for key, one in value.items()}
        case list() | tuple():
            return [_without_credentials(one) for one in value]
        case _:
            return without_credentials(str(value))


logger = Logger(service=SERVICE, location=None, json_serializer=render_line)


@contextmanager
def logged_as(context: LambdaContext, *, is_cold_start: bool) -> Iterator[None]:
    """Adds the names of an invocation to each line that is written meanwhile in its thread, or in a copy of its context.

    So each line has the id of its own request, however many invocations there are at once in one process.
    """
    logger.thread_safe_clear_keys()
    logger.thread_safe_append_keys(cold_start=is_cold_start, **vars(build_lambda_context_model(context)))
    try:
        yield
    finally:
        logger.thread_safe_clear_keys()


class Stopwatch(msgspec.Struct):
    """A wrapper of a model's `classify` that adds up the seconds that each thread spends in it."""

    classify: Callable[[np.ndarray], Scores]
    _spent: threading.local = msgspec.field(default_factory=threading.local)

    def __call__(self, images: np.ndarray) -> Scores:
        """Classifies a batch, and adds the time to the sum of this thread.

        `images` is `(n, height, width, channels)` uint8, 0..255.
        """
        began = time.perf_counter()
        try:
            return self.classify(images)
        finally:
            self._spent.seconds = self._seconds + time.perf_counter() - began

    def take_s(self) -> float:
        """Returns the seconds that this thread spent in `classify` since its last call of this method, and resets the sum."""
        seconds, self._spent.seconds = self._seconds, 0.0
        return seconds

    @property
    def _seconds(self) -> float:
        return float(getattr(self._spent, "seconds", 0.0))


class Journal(msgspec.Struct):
    """The reports of one invocation, kept for the metrics; each is logged when it is made, or soon, in a line with others.

    `model_s` is the time spent in the model, in seconds.
    """

    reports: list[Report] = msgspec.field(default_factory=list)
    model_s: float = 0.0
    _late: int = 0  # objects for which there was no time
    _unwritten: dict[tuple[Outcome, str, str], list[Report]] = msgspec.field(default_factory=dict)  # outcome, bucket, reason

    def record(self, named: ObjectRef, report: Report) -> None:
        """Logs and keeps the report on the object that was asked for as `named`."""
        self.reports.append(report)
        is_late = report.outcome is Outcome.POSTPONED or isinstance(report.error, OutOfTime)
        self._late += is_late
        has_line = self._late <= MAX_LATE if is_late else report.error is not None
        if has_line or report.ref != named:
            log_report(named, report)
            return
        shared = report.outcome, report.ref.bucket, str(report.error or "")
        self._unwritten.setdefault(shared, []).append(report)
        if len(self._unwritten[shared]) == MAX_SHARED:
            log_together(self._unwritten.pop(shared))

    def write(self) -> None:
        """Logs the reports that still wait for others."""
        while self._unwritten:
            log_together(self._unwritten.popitem()[1])


def log_request(request: Request) -> None:
    """Adds the trigger to every line from now on, and writes a line for each message that cannot be read."""
    logger.thread_safe_append_keys(trigger=request.trigger)
    for message in request.messages:
        if message.problem:
            logger.error("message_unreadable", message_id=message.id, reason=str(message.problem))


def log_task(trigger: str, run: str) -> None:
    """Adds the trigger, and the run over a backlog that asks for a task, to every line from now on."""
    logger.thread_safe_append_keys(trigger=trigger, run=run)


def log_report(named: ObjectRef, report: Report) -> None:
    """Writes the log line of the object that was asked for as `named`."""
    fields: dict[str, object] = {
        "object": str(report.ref),
        "outcome": report.outcome.value,
        "images": report.images,
        "unsure": report.unsure,
        "unfamiliar": report.unfamiliar,
        "bytes": report.size_bytes,
        "document": str(report.document) if report.document else None,
    }
    if report.ref != named:
        fields["named"] = str(named)  # the key in the event, which turned out to be encoded
    if report.error:
        fields |= {"error": type(report.error).__name__, "reason": str(report.error)}
    if report.outcome is Outcome.FAILED:
        logger.error("object", extra=fields, exc_info=report.error)
    else:
        logger.info("object", extra=fields)


def log_together(reports: Sequence[Report]) -> None:
    """Writes one log line of objects in one bucket that had the same outcome for the same reason, if there was one."""
    first = reports[0]
    rows = [(it.ref.key, it.images, it.unsure, it.unfamiliar, it.size_bytes) for it in reports]
    fields = {"outcome": first.outcome.value, "bucket": first.ref.bucket, "columns": _COLUMNS, "objects": rows}
    if first.error:
        logger.error("objects", extra=fields | {"error": type(first.error).__name__, "reason": str(first.error)})
    else:
        logger.info("objects", extra=fields)


def log_queue_error(error: Exception) -> None:
    """Writes a line about a call of the queue that failed, because of which messages come again later than they might."""
    logger.warning("queue_call_failed", error=type(error).__name__, reason=str(error))


def log_sweep(report: SweepReport) -> None:
    """Writes the log line of one sweep."""
    fields: dict[str, object] = {"sweep": report.sweep.as_message(), **report.as_row()}
    if report.error:
        fields |= {"error": type(report.error).__name__, "reason": str(report.error)}
        logger.error("sweep", extra=fields, exc_info=report.error)
    elif report.stopped:
        logger.warning("sweep", extra=fields)
    else:
        logger.info("sweep", extra=fields)


def write_metrics(journal: Journal, *, is_cold_start: bool, function_name: str, request_id: str) -> None:
    """Writes the metrics of one invocation: one line, and one more for each class that was predicted.

    Images, bytes and classes are counted only for objects that this invocation scored, so that a redelivery counts nothing
    twice.
    """
    scored = [report for report in journal.reports if report.outcome is Outcome.SCORED]
    images = sum(report.images for report in scored)
    metrics = _metrics(function_name)
    metrics.add_metadata("function_request_id", request_id)
    for outcome, count in count_outcomes(journal.reports).items():
        metrics.add_metric(f"Objects{outcome.capitalize()}", MetricUnit.Count, count)
    metrics.add_metric("Images", MetricUnit.Count, images)
    metrics.add_metric("Bytes", MetricUnit.Bytes, sum(report.size_bytes for report in scored))
    metrics.add_metric("ModelTime", MetricUnit.Milliseconds, round(journal.model_s * 1000, 3))
    metrics.add_metric("ColdStart", MetricUnit.Count, int(is_cold_start))
    if images:
        for mark in ("unsure", "unfamiliar"):
            marked = sum(getattr(report, mark) for report in scored)
            metrics.add_metric(f"{mark.capitalize()}Images", MetricUnit.Count, marked)
            metrics.add_metric(f"{mark.capitalize()}Share", MetricUnit.Percent, round(100 * marked / images, 3))
    _flush(metrics)
    by_class: Counter[str] = sum((Counter(report.by_class) for report in scored), Counter())
    for class_name, count in by_class.most_common(MAX_CLASSES):
        metrics = _metrics(function_name)
        metrics.add_dimension("class_name", class_dimension(class_name))
        metrics.add_metric("Predictions", MetricUnit.Count, count)
        _flush(metrics)


def class_dimension(class_name: str) -> str:
    """Returns the name of a class as CloudWatch takes it for the value of a dimension."""
    return ascii(class_name)[1:-1][:_MAX_CHARACTERS].strip() or "?"


def _metrics(function_name: str) -> EphemeralMetrics:
    """Returns an empty line of metrics, with the function's name as a dimension.

    Without the name, the metrics of two stacks would be added up.
    """
    metrics = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
    metrics.add_dimension("function_name", function_name)
    return metrics


def _flush(metrics: EphemeralMetrics) -> None:
    """Writes a line of metrics, between those of the log: a line and its end are written one after the other."""
    handler = logger.registered_handler
    handler.acquire()
    try:
        metrics.flush_metrics()
    finally:
        handler.release()
