"""Takes letters out of a dead-letter queue, and sends them back. Alone talks to AWS.

A letter is deleted only after it was sent back, so that an end at any moment leaves it where it was, or in both places, which
is harmless. Letters that are not sent are hidden while a run lasts, so that it meets each once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from handler.custody import batches_of
from handler.jobs import MAX_MESSAGES
from handler.triggers.request import Message
from infra.doctor.asking import Answer, Cloud
from infra.errors import InfraError, WrongUse
from infra.redrive.letters import Letter, Reading, Way

THREADS = 4  # each with ten letters in hand: the calls of a batch take about 50 ms, so that 100,000 letters take minutes
HIDDEN_S = 600  # of a letter from when it is received; after an end without warning it can be received again then

_SERVICES = {Way.QUEUE: "sqs", Way.FUNCTION: "lambda", Way.MACHINE: "stepfunctions"}
# Codes with which SQS refuses a whole batch for one of its messages, such as one that is too large for the queue.
_ONE_AT_FAULT = {"InvalidParameterValue", "InvalidMessageContents", "BatchRequestTooLong"} | {
    "AWS.SimpleQueueService.BatchRequestTooLong",
}
_STARTED_BEFORE = "ExecutionAlreadyExists"


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a letter that was to go back: `mark` knows it again if it was taken, and `refusal` says why if not."""

    mark: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """The moment at which a run begins, by the clock of SQS (seconds of the epoch), and what the queue tells of itself."""

    at_s: float
    retention_s: int
    waiting: int
    hidden: int


@dataclass(frozen=True, slots=True)
class Places:
    """Where letters lie and where they go: addresses of two queues, and the ARNs of the function and the state machine, if any.

    A call that asks for letters waits for `wait_s` if there are none; without a wait, SQS looks at a part of its servers alone.
    """

    cloud: Cloud
    dead_letters: str
    queue: str
    function: str = ""
    machine: str = ""
    wait_s: int = 1

    def begin(self) -> Begun:
        """Returns when it is, and makes the clients, which threads must not make at the same time.

        Raises:
            InfraError: there is no such queue, it may not be looked at, or nobody answers.
            WrongUse: it gives its own dead letters to the upload queue, so that the two were mistaken for each other.
        """
        for way, place in self._places.items():
            if place:
                self.cloud.client(_SERVICES[way])
        answer = self.cloud.ask("sqs", "get_queue_attributes", QueueUrl=self.dead_letters, AttributeNames=["All"])
        require(answer, f"look at {self.dead_letters}")
        attributes: Mapping[str, str] = answer.value["Attributes"]
        _require_not_swapped(attributes.get("RedrivePolicy", "{}"), self.dead_letters, self.queue)
        date = answer.value["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
        return Begun(
            at_s=_now_s(parsedate_to_datetime(date).timestamp() if date else None),
            retention_s=int(attributes["MessageRetentionPeriod"]),
            waiting=int(attributes["ApproximateNumberOfMessages"]),
            hidden=int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        )

    def has(self, way: Way) -> bool:
        """Returns whether letters can go by a way."""
        return bool(self._places[way])

    def receive(self) -> list[Letter]:
        """Returns the next letters, up to ten, which are hidden for `HIDDEN_S` then; none if there are no more.

        Raises:
            InfraError: the queue gives none, or nobody answers.
        """
        answer = self.cloud.ask(
            "sqs",
            "receive_message",
            QueueUrl=self.dead_letters,
            MaxNumberOfMessages=MAX_MESSAGES,
            VisibilityTimeout=HIDDEN_S,
            WaitTimeSeconds=self.wait_s,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        require(answer, f"receive from {self.dead_letters}")
        return [Letter.of(message) for message in answer.value.get("Messages", [])]

    def send(self, letters: Sequence[tuple[Letter, Reading]]) -> Iterator[tuple[Letter, Sent]]:
        """Sends letters back by the ways of their readings, and yields what became of each.

        Raises:
            InfraError: the upload queue is not there, or may not be sent to.
        """
        queued = {letter.id: (letter, reading) for letter, reading in letters if reading.way is Way.QUEUE}
        for batch in batches_of(Message(name, body=reading.content) for name, (_, reading) in queued.items()):
            yield from self._enqueue([queued[message.id][0] for message in batch], [message.body or "" for message in batch])
        for letter, reading in letters:
            if reading.way is Way.FUNCTION:
                yield letter, self._invoke(reading)
            elif reading.way is Way.MACHINE:
                yield letter, self._start(letter, reading)

    def delete(self, handles: Iterable[str]) -> None:
        """Deletes letters that were sent back.

        Raises:
            InfraError: they may not be deleted, or nobody answers; they are among the dead letters still.
        """
        sent = list(handles)
        for start in range(0, len(sent), MAX_MESSAGES):
            entries = [{"Id": str(index), "ReceiptHandle": it} for index, it in enumerate(sent[start : start + MAX_MESSAGES])]
            answer = self.cloud.ask("sqs", "delete_message_batch", QueueUrl=self.dead_letters, Entries=entries)
            require(answer, f"remove from {self.dead_letters} what was sent back, which a later run sends again")

    def show(self, handles: Iterable[str]) -> None:
        """Lets letters be received again at once; those that are not shown now are shown after `HIDDEN_S`."""

        def show(part: Sequence[str]) -> None:
            entries = [{"Id": str(index), "ReceiptHandle": it, "VisibilityTimeout": 0} for index, it in enumerate(part)]
            self.cloud.ask("sqs", "change_message_visibility_batch", QueueUrl=self.dead_letters, Entries=entries)

        shown = list(handles)
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(show, (shown[start : start + MAX_MESSAGES] for start in range(0, len(shown), MAX_MESSAGES))))

    @property
    def _places(self) -> dict[Way, str]:
        return {Way.QUEUE: self.queue, Way.FUNCTION: self.function, Way.MACHINE: self.machine}

    def _enqueue(self, letters: Sequence[Letter], contents: Sequence[str]) -> Iterator[tuple[Letter, Sent]]:
        entries = [{"Id": str(index), "MessageBody": content} for index, content in enumerate(contents)]
        answer = self.cloud.ask("sqs", "send_message_batch", QueueUrl=self.queue, Entries=entries)
        if answer.is_refused or answer.is_missing:  # every other letter would fail in the same way
            require(answer, f"send to {self.queue}")
        if answer.code in _ONE_AT_FAULT and len(letters) > 1:
            for letter, content in zip(letters, contents, strict=True):
                yield from self._enqueue([letter], [content])
            return
        taken = {entry["Id"]: entry["MessageId"] for entry in answer.value.get("Successful", [])}
        refused = {entry["Id"]: entry.get("Code", "") for entry in answer.value.get("Failed", [])}
        for index, letter in enumerate(letters):
            name = str(index)
            code = answer.code or refused.get(name, "")
            yield letter, Sent(taken[name]) if name in taken else Sent(refusal=f"the upload queue did not take it ({code})")

    def _invoke(self, reading: Reading) -> Sent:
        event = reading.content.encode()
        answer = self.cloud.ask("lambda", "invoke", FunctionName=self.function, InvocationType="Event", Payload=event)
        if answer.code:
            return Sent(refusal=f"the function did not take it ({answer.code})")
        return Sent(answer.value["ResponseMetadata"]["RequestId"])

    def _start(self, letter: Letter, reading: Reading) -> Sent:
        """Starts an execution that has the letter's name, so that the same letter starts no other one."""
        answer = self.cloud.ask(
            "stepfunctions",
            "start_execution",
            stateMachineArn=self.machine,
            name=f"redriven-{letter.id}",
            input=reading.content,
        )
        if answer.code and answer.code != _STARTED_BEFORE:
            return Sent(refusal=f"the state machine did not take it ({answer.code})")
        return Sent(letter.id)


def _require_not_swapped(redrive_policy: str, dead_letters: str, queue: str) -> None:
    """Requires that the queue of dead letters has not the other one for its own, which would be emptied of its uploads."""
    given_to: str = json.loads(redrive_policy).get("deadLetterTargetArn", "")
    if given_to and given_to.rpartition(":")[2] == queue.rstrip("/").rpartition("/")[2]:
        raise WrongUse(
            f"Expected a queue of dead letters. Received: {dead_letters}, whose own dead letters go to {queue}; "
            "exchange the two."
        )


def _now_s(told_s: float | None) -> float:
    """Returns the time by this machine's clock, or that which SQS told in whole seconds if the clock is wrong."""
    now_s = time.time()
    return now_s if told_s is None or told_s <= now_s < told_s + 2 else told_s


def require(answer: Answer, what: str) -> None:
    """Requires that a call succeeded.

    Raises:
        InfraError: it did not; the message says what to do.
    """
    if answer.code:
        raise InfraError(f"Expected to {what}. Received: {answer.code}, {answer.text.rstrip('.')}; {answer.advice}.")
