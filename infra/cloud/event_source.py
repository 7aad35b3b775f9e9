"""Takes messages from a queue of the embedded cloud to a function, as Lambda's event source mapping does.

It follows Lambda's rules, even for answers that Lambda does not accept, so that a message is lost or repeated here exactly if
it would be on AWS: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.cloud.embedded import Cloud
from infra.cloud.names import FUNCTION, FUNCTION_ARN, REGION

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import (
        ChangeMessageVisibilityBatchRequestEntryTypeDef,
        DeleteMessageBatchRequestEntryTypeDef,
        MessageTypeDef,
    )

_MAX_BATCH = 10  # messages in one call; this limit is SQS's own


@dataclass(frozen=True, slots=True)
class Context:
    """Holds the part of Lambda's context object that the function uses."""

    aws_request_id: str
    function_name: str = FUNCTION
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = FUNCTION_ARN
    remaining_ms: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        """Returns the same time at every call, because nothing is timed here."""
        return self.remaining_ms


@dataclass(frozen=True, slots=True)
class Delivery:
    """Records one invocation by the event source.

    Attributes:
        event: The event that the function was invoked with.
        answer: The value that the function returned; None if it raised `error`.
        error: The exception that the function raised, if any.
        deleted: The ids of the messages that were deleted from the queue.
        returned: The ids of the messages that went back to the queue.
    """

    event: dict[str, Any]
    answer: object
    error: Exception | None
    deleted: tuple[str, ...]
    returned: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventSource:
    """Takes messages from the cloud's queue and gives them to a function, as Lambda's event source mapping does.

    A message is deleted if the function returns and does not name it in `batchItemFailures`. Lambda reads that list only if
    the template has `ReportBatchItemFailures`; without it, every message is deleted if the function returns, regardless of the
    answer. If the function raises, or answers in a form that Lambda does not accept, the whole batch goes back to the queue. A
    message that goes back is delivered again after the queue's visibility timeout, or at once if the source `is_impatient`;
    after `maxReceiveCount` deliveries the queue moves it to its dead letters.
    """

    cloud: Cloud
    function: Callable[[dict[str, Any], Any], object]
    batch_messages: int = 10
    is_impatient: bool = False
    _shown: dict[str, MessageTypeDef] = field(default_factory=dict)  # by id, since messages were shown once more

    def deliver(self) -> Delivery | None:
        """Invokes the function once, with up to `batch_messages` messages; returns None if the queue shows no message."""
        received = self._receive() or self._receive_shown()
        if not received:
            return None
        event = {"Records": [self._record(message) for message in received]}
        answer, error = None, None
        try:
            answer = self.function(event, Context(aws_request_id=received[0]["MessageId"]))
        except Exception as raised:  # Lambda takes every exception as a failure of the whole batch
            error = raised
        ids = [message["MessageId"] for message in received]
        reported = _failures(answer, ids) if self.cloud.reports_failures else set()
        returned = set(ids) if error else reported
        self._delete([message for message in received if message["MessageId"] not in returned])
        if self.is_impatient:
            shown = [message for message in received if message["MessageId"] in returned]
            self._show(shown)
            self._shown.update((message["MessageId"], message) for message in shown)
        deleted = tuple(name for name in ids if name not in returned)
        return Delivery(event, answer, error, deleted, tuple(name for name in ids if name in returned))

    def drain(self, max_invocations: int = 100) -> list[Delivery]:
        """Invokes the function until the queue shows no message, at most `max_invocations` times."""
        deliveries: list[Delivery] = []
        while len(deliveries) < max_invocations and (delivery := self.deliver()):
            deliveries.append(delivery)
        return deliveries

    def _delete(self, messages: list[MessageTypeDef]) -> None:
        """Deletes messages; SQS names those that the function itself deleted, and goes on."""
        for some in _batches(messages):
            entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
                {"Id": message["MessageId"], "ReceiptHandle": message["ReceiptHandle"]} for message in some
            ]
            self.cloud.sqs.delete_message_batch(QueueUrl=self.cloud.queue_url, Entries=entries)

    def _show(self, messages: list[MessageTypeDef]) -> None:
        """Makes messages visible, but for those that were deleted."""
        for some in _batches(messages):
            entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
                {"Id": message["MessageId"], "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
                for message in some
            ]
            self.cloud.sqs.change_message_visibility_batch(QueueUrl=self.cloud.queue_url, Entries=entries)

    def _receive_shown(self) -> list[MessageTypeDef]:
        """Shows what went back once more, and receives it: the last call of a killed invocation may have hidden it, late."""
        if not self._shown:
            return []
        self._show(list(self._shown.values()))
        self._shown.clear()
        return self._receive()

    def _receive(self) -> list[MessageTypeDef]:
        received: list[MessageTypeDef] = []
        while len(received) < self.batch_messages:
            response = self.cloud.sqs.receive_message(
                QueueUrl=self.cloud.queue_url,
                MaxNumberOfMessages=min(_MAX_BATCH, self.batch_messages - len(received)),
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            if not response.get("Messages"):
                break
            received += response["Messages"]
        return received

    def _record(self, message: MessageTypeDef) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": message.get("MessageAttributes", {}),
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self.cloud.queue_arn,
            "awsRegion": REGION,
        }


def _batches(messages: list[MessageTypeDef]) -> Iterator[list[MessageTypeDef]]:
    """Yields messages in parts that one call may name."""
    return (messages[start : start + _MAX_BATCH] for start in range(0, len(messages), _MAX_BATCH))


def _failures(answer: object, ids: list[str]) -> set[str]:
    """Returns the ids of the messages that go back; these are all `ids` if Lambda would not accept the answer."""
    if answer is None:
        return set()
    if not isinstance(answer, dict):
        return set(ids)
    failures = answer.get("batchItemFailures") or []
    try:
        named = [failure["itemIdentifier"] for failure in failures]
    except (TypeError, KeyError):
        return set(ids)
    return set(named) if all(name in ids for name in named) else set(ids)
