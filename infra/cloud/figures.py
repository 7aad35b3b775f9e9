"""Makes the figures that CloudWatch has of a stack out of what an emulator keeps: the function's log, and its queues. Pure.

    Coatcheck     from the metrics that the function embeds in its log (EMF), as CloudWatch itself does
    AWS/Lambda    from Lambda's REPORT lines of the log, and from the function's lines of failed invocations
    AWS/Logs      from the length of the log's lines
    AWS/SQS       from the attributes of the queues, of how many messages are there now

Of all else there is no figure: for how long the oldest message waits, how many messages were sent, received and deleted, and
which invocations were throttled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SOURCES = {
    "Coatcheck": "metrics in the log",
    "AWS/Lambda": "REPORT lines of the log",
    "AWS/Logs": "length of the log",
    "AWS/SQS": "attributes of the queue",
}

_REPORT = re.compile(r"^REPORT RequestId: .*?\tDuration: (?P<ms>[0-9.]+) ms")
_ATTRIBUTES = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
_METRICS = dict(zip(_ATTRIBUTES, ("ApproximateNumberOfMessagesVisible", _ATTRIBUTES[1]), strict=True))


@dataclass(frozen=True, slots=True)
class Figure:
    """One value of a metric."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    value: float

    def as_datum(self) -> dict[str, Any]:
        """Returns the value as `PutMetricData` takes it."""
        dimensions = [{"Name": name, "Value": value} for name, value in self.dimensions.items()]
        return {"MetricName": self.name, "Dimensions": dimensions, "Value": self.value}


def of_log(lines: Iterable[str], function: str, log_group: str) -> Iterator[Figure]:
    """Yields the figures that the lines of a function's log give."""
    by_function = {"FunctionName": function}
    for line in lines:
        yield Figure("AWS/Logs", "IncomingBytes", {"LogGroupName": log_group}, len(line.encode()))
        if report := _REPORT.match(line):
            yield Figure("AWS/Lambda", "Invocations", by_function, 1)
            yield Figure("AWS/Lambda", "Duration", by_function, float(report["ms"]))
            yield Figure("AWS/Lambda", "Errors", by_function, 0)
        elif line.startswith("{"):
            fields = json.loads(line)
            yield from _embedded(fields)
            if fields.get("message") == "invocation_failed":
                yield Figure("AWS/Lambda", "Errors", by_function, 1)


def of_queue(url: str, attributes: Mapping[str, str]) -> Iterator[Figure]:
    """Yields the figures that the attributes of the queue at `url` give."""
    for attribute, metric in _METRICS.items():
        yield Figure("AWS/SQS", metric, {"QueueName": url.rpartition("/")[2]}, float(attributes[attribute]))


def _embedded(fields: Mapping[str, Any]) -> Iterator[Figure]:
    """Yields the metrics that are embedded in a line.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    for directive in fields.get("_aws", {}).get("CloudWatchMetrics", []):
        for names in directive["Dimensions"]:
            dimensions = {name: str(fields[name]) for name in names}
            for metric in directive["Metrics"]:
                found = fields[metric["Name"]]
                for value in found if isinstance(found, list) else [found]:
                    yield Figure(directive["Namespace"], metric["Name"], dimensions, float(value))
