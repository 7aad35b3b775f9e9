"""Examines the queue of uploads and that of the dead letters. No message is received, since that would change it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.doctor.asking import Answer, Cloud
from infra.doctor.findings import Finding, judge, ok, unknown, wrong

ADVISED_TIMES = 6  # Lambda's advice: the visibility timeout in timeouts of the function
LONG_WAIT_S = 3600  # of the oldest message, beyond which the function does not keep up
MIN_RECEIVES = 3  # of a message, so that a short failure of S3 does not make it a dead letter

_SUBJECT = "queue"


def attributes_of(cloud: Cloud, url: str) -> Answer:
    """Asks for all attributes of a queue."""
    return cloud.ask("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])


def examine_queue(cloud: Cloud, url: str, timeout_s: int, answer: Answer) -> Iterator[Finding]:
    """Yields what is found about the queue of uploads, whose attributes are `answer`, and about its dead letters."""
    if answer.code:
        yield answer.failure(f"{_SUBJECT} {url}", "deploy again, or correct QUEUE_URL")
        return
    attributes: Mapping[str, str] = answer.value.get("Attributes", {})
    yield ok(_SUBJECT, f"{attributes.get('ApproximateNumberOfMessages', '?')} messages wait, {url}")
    yield _visibility(attributes, timeout_s)
    yield _encryption(_SUBJECT, attributes)
    yield _oldest(cloud, url)
    yield from _redrive(cloud, attributes)


def _visibility(attributes: Mapping[str, str], timeout_s: int) -> Finding:
    seconds, advised = int(attributes.get("VisibilityTimeout", 0)), ADVISED_TIMES * timeout_s
    found = f"visibility timeout of {seconds} s, the function's timeout is {timeout_s} s"
    if seconds > timeout_s and seconds < advised:
        found += f"; Lambda advises {advised} s, and less does where MaximumConcurrency keeps the queue from being throttled"
    advice = f"set VisibilityTimeout above {timeout_s} s: messages come again while they are still being scored"
    return judge(_SUBJECT, found, advice, is_right=seconds > timeout_s)


def _encryption(subject: str, attributes: Mapping[str, str]) -> Finding:
    key, managed = attributes.get("KmsMasterKeyId"), attributes.get("SqsManagedSseEnabled")
    if key is None and managed is None:
        return unknown(subject, "whether it is encrypted is not told")
    is_right = bool(key) or managed == "true"
    return judge(
        subject, f"encrypted by {key or 'SQS' if is_right else 'nobody'}", "set SqsManagedSseEnabled", is_right=is_right
    )


def _oldest(cloud: Cloud, url: str) -> Finding:
    """Returns for how long the oldest message has waited, which CloudWatch alone tells."""
    now = datetime.now(UTC)
    answer = cloud.ask(
        "cloudwatch",
        "get_metric_statistics",
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": url.rsplit("/", 1)[-1]}],
        StartTime=now - timedelta(minutes=15),
        EndTime=now,
        Period=60,
        Statistics=["Maximum"],
    )
    points: list[dict[str, Any]] = answer.value.get("Datapoints", [])
    if not points:
        reason = f"{answer.operation} failed with {answer.code}" if answer.code else "CloudWatch has no figure of it"
        return unknown(_SUBJECT, f"the age of the oldest message, since {reason}")
    seconds = max(points, key=lambda point: point["Timestamp"])["Maximum"]
    advice = "look at the function's log and alarms: it does not keep up, or fails"
    return judge(_SUBJECT, f"the oldest message has waited {seconds:.0f} s", advice, is_right=seconds <= LONG_WAIT_S)


def _redrive(cloud: Cloud, attributes: Mapping[str, str]) -> Iterator[Finding]:
    try:
        policy: Any = json.loads(attributes.get("RedrivePolicy", "null"))
        arn, receives = str(policy["deadLetterTargetArn"]), int(policy["maxReceiveCount"])
    except (ValueError, TypeError, KeyError):
        yield wrong(
            _SUBJECT, "has no redrive policy", "deploy again: what fails for good would come again for days, then be lost"
        )
        return
    advice = f"set maxReceiveCount to {MIN_RECEIVES} or more; the template has 8"
    found = f"a message becomes a dead letter after {receives} deliveries"
    yield judge(_SUBJECT, found, advice, is_right=receives >= MIN_RECEIVES)
    yield from _dead_letters(cloud, arn, int(attributes.get("MessageRetentionPeriod", 0)))


def _dead_letters(cloud: Cloud, arn: str, retention_s: int) -> Iterator[Finding]:
    subject, missing = "dead letters", f"create {arn}, or correct the redrive policy: failed messages go nowhere"
    named = cloud.ask("sqs", "get_queue_url", QueueName=arn.rsplit(":", 1)[-1])
    if named.code:
        yield named.failure(subject, missing)
        return
    answer = attributes_of(cloud, named.value["QueueUrl"])
    if answer.code:
        yield answer.failure(subject, missing)
        return
    attributes: Mapping[str, str] = answer.value.get("Attributes", {})
    if attributes.get("QueueArn") != arn:
        yield wrong(subject, f"the redrive policy names {arn}, and there is {attributes.get('QueueArn')}", missing)
        return
    count = int(attributes.get("ApproximateNumberOfMessages", 0))
    yield judge(
        subject, f"{count} wait", "mend the cause, then run coatcheck redrive: docs/dead-letters.md", is_right=not count
    )
    kept = int(attributes.get("MessageRetentionPeriod", 0))
    found = f"kept for {kept / 86400:g} days from when they were first sent"
    yield judge(subject, found, "set MessageRetentionPeriod above that of the upload queue", is_right=kept > retention_s)
    yield _encryption(subject, attributes)
