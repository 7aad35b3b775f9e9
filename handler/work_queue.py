"""SQS, as far as sweeps and lists need it: sending. Alone talks to SQS.

Every error of botocore leaves here as `QueueUnavailable`.
"""

from __future__ import annotations

import functools
import json
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
    """A queue of SQS; its client is built when there is something to send, so that nothing else waits for it."""

    def __init__(self, url: str, concurrency: int) -> None:
        self._url = url
        self._concurrency = concurrency

    @functools.cached_property
    def client(self) -> SQSClient:
        """The client, with as many connections as there are calls at the same time."""
        return boto3.client("sqs", config=client_config(self._concurrency))

    def send(self, messages: Sequence[Mapping[str, Any]], *, deadline: Deadline) -> None:
        """Sends messages with one call; see `handler.jobs.Queue`."""
        # As ASCII: SQS refuses some characters that keys may hold, such as U+FFFF.
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
