"""Parses SNS notifications that are delivered to the function directly; they carry events of other sources. Pure.

They are answered like S3 notifications. Shape of the event: https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
"""

from __future__ import annotations

from typing import Any

from handler.triggers.answers import answer_or_raise
from handler.triggers.carried import is_topic_event, parse_notification
from handler.triggers.request import Request

NAME = "SNS"


def recognises(event: dict[str, Any]) -> bool:
    """Returns whether `event` holds notifications of a topic."""
    return is_topic_event(event)


def parse(event: dict[str, Any]) -> Request:
    """Returns a request with one message for each notification."""
    messages = (parse_notification(str(index), record) for index, record in enumerate(event["Records"]))
    return Request(NAME, tuple(messages), answer_or_raise)
