"""SQS, as small as sweeps need it: send.

Every error of botocore leaves here as `QueueUnavailable`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from handler.errors import QueueUnavailable
from handler.storage import client_config

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

MOST_MESSAGES = 10  # in one call, SQS's own limit


def make_client() -> SQSClient:
    """Builds the client that `WorkQueue` wants."""
    return boto3.client("sqs", config=client_config(concurrency=1))


class WorkQueue:
    """The queue that the function itself takes its work from."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """Sends messages, as few calls as there can be.

        Raises:
            QueueUnavailable: some were not taken; sending all of them again is harmless.
        """
        waiting = iter(messages)
        while batch := tuple(islice(waiting, MOST_MESSAGES)):
            # As ASCII: SQS refuses some characters that keys may hold, such as U+FFFF.
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {"Id": str(index), "MessageBody": json.dumps(message)} for index, message in enumerate(batch)
            ]
            try:
                response = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            except (BotoCoreError, ClientError, HTTPClientError) as error:
                raise QueueUnavailable(f"SQS refused or failed SendMessageBatch to {self._url}: {error}.") from error
            failed = response.get("Failed", [])
            if failed:
                raise QueueUnavailable(
                    f"Expected {self._url} to take {len(batch)} messages. "
                    f"Received: {len(failed)} refused, the first with {failed[0]['Code']}."
                )
