"""Sends messages to an SQS queue, counts them, and manages the messages that it delivered. Alone talks to SQS.

Every error of botocore, and every answer that does not say what SQS has done, is raised as `QueueUnavailable`.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from handler.aws import NoAnswer, call_by, client_config
from handler.deadline import Deadline
from handler.errors import QueueUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

T = TypeVar("T")

# For entries that SQS could not take of a call that it answered with 200, which botocore does not repeat. The pauses before
# jitter are 0.2 and 0.4 s: what takes longer is left to the next delivery of whatever made the call.
MAX_ATTEMPTS = 3
FIRST_PAUSE_S = 0.2

_MAX_DIGITS = 18  # of a number of messages

_REFUSED = re.compile("[\ud800-\udfff\ufffe\uffff]")  # beside control characters, which JSON escapes anyway

# What botocore raises while it reads an answer that was damaged on its way, besides errors of its own.
_DAMAGED = (LookupError, TypeError, ValueError, AttributeError, RecursionError)

# Environments that are restored from one snapshot must not share their jitter, so it comes from the operating system.
_random = random.SystemRandom()


def encode(message: Mapping[str, Any]) -> str:
    """Returns a message as JSON that SQS takes, which refuses some characters that keys may hold, such as U+FFFF.

    All others stay as they are, so that a message that is sent again is little larger than it was, whatever its alphabet.
    """
    return _REFUSED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(message, ensure_ascii=False))


class WorkQueue:
    """An SQS queue, whose client is built at the first call, so that nothing else waits for it; `sleep` waits for seconds."""

    def __init__(self, url: str, concurrency: int, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url = url
        self._concurrency = concurrency
        self._sleep = sleep
        self._client: SQSClient | None = None
        self._lock = threading.Lock()  # boto3's default session must not build two clients at the same time

    @property
    def name(self) -> str:
        """The name of the queue, which is the last part of its URL and of its ARN."""
        return self._url.rstrip("/").rpartition("/")[2]

    @property
    def client(self) -> SQSClient:
        """The SQS client, with a connection for each of the simultaneous calls."""
        with self._lock:
            if self._client is None:
                import boto3  # late, since most invocations call no queue

                self._client = boto3.client("sqs", config=client_config(self._concurrency))
            return self._client

    def send(self, messages: Sequence[Mapping[str, Any]], *, deadline: Deadline) -> None:
        """Sends messages with one call, as `handler.jobs.Queue` documents."""
        entries: list[Any] = [{"Id": str(index), "MessageBody": encode(it)} for index, it in enumerate(messages)]
        self._call_for_each(
            "SendMessageBatch", entries, deadline, lambda some: self.client.send_message_batch(QueueUrl=self._url, Entries=some)
        )

    def delete(self, handles: Sequence[str], *, deadline: Deadline) -> None:
        """Deletes delivered messages with one call, as `handler.jobs.Queue` documents."""
        entries: list[Any] = [{"Id": str(index), "ReceiptHandle": it} for index, it in enumerate(handles)]
        self._call_for_each(
            "DeleteMessageBatch",
            entries,
            deadline,
            lambda some: self.client.delete_message_batch(QueueUrl=self._url, Entries=some),
        )

    def hide(self, seconds: Mapping[str, int], *, deadline: Deadline) -> None:
        """Hides delivered messages for some seconds with one call, as `handler.jobs.Queue` documents."""
        entries: list[Any] = [
            {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": wait}
            for index, (handle, wait) in enumerate(seconds.items())
        ]
        self._call_for_each(
            "ChangeMessageVisibilityBatch",
            entries,
            deadline,
            lambda some: self.client.change_message_visibility_batch(QueueUrl=self._url, Entries=some),
        )

    def count_waiting(self, *, deadline: Deadline) -> int:
        """Returns about how many messages wait with one call, as `handler.jobs.Queue` documents."""
        response = self._call(
            "GetQueueAttributes",
            deadline,
            lambda: self.client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]),
        )
        told = response.get("Attributes", {}).get("ApproximateNumberOfMessages")
        if not isinstance(told, str) or not told.isdecimal() or len(told) > _MAX_DIGITS:
            raise QueueUnavailable(f"Expected {self._url} to tell how many messages wait. Received: {told!r:.100}.")
        return int(told)

    def _call_for_each(
        self, name: str, entries: Sequence[Any], deadline: Deadline, call: Callable[[Sequence[Any]], Mapping[str, Any]]
    ) -> None:
        """Makes a call, and requires that SQS accepted every one of its entries by name.

        Entries that failed by a fault of SQS are sent again, by themselves, some times; the others were accepted for good.
        """
        left, codes = entries, ["no reason"]
        for attempt in range(MAX_ATTEMPTS):
            if not left:
                return
            if attempt:
                self._sleep(min(FIRST_PAUSE_S * 2 ** (attempt - 1) * _random.uniform(0.5, 1), max(0, deadline.left_s)))
            response = self._call(name, deadline, partial(call, left))
            accepted, failed = _named(response.get("Successful")), _named(response.get("Failed"))
            left = [entry for entry in left if entry["Id"] not in accepted]
            codes = [failed.get(entry["Id"], {}).get("Code", "no reason") for entry in left]
            if not all(entry["Id"] in failed and not failed[entry["Id"]].get("SenderFault", True) for entry in left):
                break
        if left:
            raise QueueUnavailable(
                f"Expected {self._url} to take {len(entries)} entries of {name}. "
                f"Received: {len(left)} not accepted, the first with {codes[0]}."
            )

    def _call(self, name: str, deadline: Deadline, call: Callable[[], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError  # late, as boto3
        from botocore.parsers import ResponseParserError

        try:
            return call_by(deadline, f"{name} to {self._url}", call)
        except (BotoCoreError, ClientError, NoAnswer, ResponseParserError, *_DAMAGED) as error:
            raise QueueUnavailable(f"SQS refused or failed {name} to {self._url}: {str(error).rstrip('.')}.") from error


def _named(entries: Any) -> dict[str, Mapping[str, Any]]:
    """Returns the entries of an answer by their ids, without those that have none; botocore lets any JSON pass."""
    return {entry["Id"]: entry for entry in entries or () if isinstance(entry, Mapping) and isinstance(entry.get("Id"), str)}
