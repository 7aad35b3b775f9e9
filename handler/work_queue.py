"""Sends messages to an SQS queue, counts them, and manages the messages that it delivered. Alone talks to SQS.

Every error of botocore, and every answer that does not say what SQS has done, is raised as `QueueUnavailable`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from handler.aws import NoAnswer, call_by, client_config
from handler.deadline import Deadline
from handler.errors import QueueUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

T = TypeVar("T")


class WorkQueue:
    """An SQS queue, whose client is built at the first call, so that nothing else waits for it."""

    def __init__(self, url: str, concurrency: int) -> None:
        self._url = url
        self._concurrency = concurrency
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
        # The JSON is in ASCII, because SQS refuses some characters that keys may hold, such as U+FFFF.
        entries: list[Any] = [{"Id": str(index), "MessageBody": json.dumps(it)} for index, it in enumerate(messages)]
        self._call_for_each(
            "SendMessageBatch", entries, deadline, lambda: self.client.send_message_batch(QueueUrl=self._url, Entries=entries)
        )

    def delete(self, handles: Sequence[str], *, deadline: Deadline) -> None:
        """Deletes delivered messages with one call, as `handler.jobs.Queue` documents."""
        entries: list[Any] = [{"Id": str(index), "ReceiptHandle": it} for index, it in enumerate(handles)]
        self._call_for_each(
            "DeleteMessageBatch",
            entries,
            deadline,
            lambda: self.client.delete_message_batch(QueueUrl=self._url, Entries=entries),
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
            lambda: self.client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries),
        )

    def count_waiting(self, *, deadline: Deadline) -> int:
        """Returns about how many messages wait with one call, as `handler.jobs.Queue` documents."""
        response = self._call(
            "GetQueueAttributes",
            deadline,
            lambda: self.client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]),
        )
        told = response.get("Attributes", {}).get("ApproximateNumberOfMessages", "")
        if not told.isdecimal():
            raise QueueUnavailable(f"Expected {self._url} to tell how many messages wait. Received: {told!r}.")
        return int(told)

    def _call_for_each(
        self, name: str, entries: Sequence[Mapping[str, Any]], deadline: Deadline, call: Callable[[], Mapping[str, Any]]
    ) -> None:
        """Makes a call, and requires that SQS accepted every one of its entries by name."""
        if not entries:
            return
        response = self._call(name, deadline, call)
        accepted = {entry["Id"] for entry in response.get("Successful", [])}
        missing = [entry["Id"] for entry in entries if entry["Id"] not in accepted]
        if missing:
            codes = [failed.get("Code") for failed in response.get("Failed", [])]
            raise QueueUnavailable(
                f"Expected {self._url} to take {len(entries)} entries of {name}. "
                f"Received: {len(missing)} not accepted, the first with {codes[0] if codes else 'no reason'}."
            )

    def _call(self, name: str, deadline: Deadline, call: Callable[[], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError  # late, as boto3

        try:
            return call_by(deadline, f"{name} to {self._url}", call)
        except (BotoCoreError, ClientError, NoAnswer) as error:
            raise QueueUnavailable(f"SQS refused or failed {name} to {self._url}: {error}.") from error
