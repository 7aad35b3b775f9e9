"""Sends messages to an SQS queue, for sweeps and lists. Alone talks to SQS.

Every error of botocore is raised as `QueueUnavailable`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from handler.aws import call_by, client_config
from handler.deadline import Deadline
from handler.errors import QueueUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef


class WorkQueue:
    """An SQS queue, whose client is built at the first send, so that nothing else waits for it."""

    def __init__(self, url: str, concurrency: int) -> None:
        self._url = url
        self._concurrency = concurrency
        self._client: SQSClient | None = None
        self._lock = threading.Lock()  # boto3's default session must not build two clients at the same time

    @property
    def client(self) -> SQSClient:
        """The SQS client, with a connection for each of the simultaneous calls."""
        with self._lock:
            if self._client is None:
                self._client = boto3.client("sqs", config=client_config(self._concurrency))
            return self._client

    def send(self, messages: Sequence[Mapping[str, Any]], *, deadline: Deadline) -> None:
        """Sends messages with one call, as `handler.jobs.Queue` documents.

        Raises:
            QueueUnavailable: some of the messages were not taken; sending all of them again is harmless.
            OutOfTime: the call did not end by `deadline`.
        """
        # The JSON is in ASCII, because SQS refuses some characters that keys may hold, such as U+FFFF.
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": str(index), "MessageBody": json.dumps(message)} for index, message in enumerate(messages)
        ]
        try:
            response = call_by(
                deadline,
                f"SendMessageBatch to {self._url}",
                lambda: self.client.send_message_batch(QueueUrl=self._url, Entries=entries),
            )
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailable(f"SQS refused or failed SendMessageBatch to {self._url}: {error}.") from error
        failed = response.get("Failed", [])
        if failed:
            raise QueueUnavailable(
                f"Expected {self._url} to take {len(entries)} messages. "
                f"Received: {len(failed)} refused, the first with {failed[0]['Code']}."
            )
