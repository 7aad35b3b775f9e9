"""Reads dead letters: who gave up on one, for which reason, what it asks for, and how it can go back. Pure.

    kind           given up by                                      its body
    sqs            the upload queue, after its deliveries           what was sent to the queue
    postponed      the same, of a message that the function itself  the original message, in an envelope
                   had sent again
    lambda         Lambda, after the attempts of an asynchronous    Lambda's record of them, or with the older kind of dead
                   invocation                                       letters the event itself
    eventbridge    a rule, which could not reach its target         the event
    scheduler      a schedule, which could not reach its target     the target's input
    sns            a topic, which could not reach its subscriber    the notification

The queue takes back whatever the function can read there, so this asks the function's own parser. An event that only an
invocation can carry goes to the function, and a schedule's start of a backlog to the state machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from handler.backlog.tasks import PlanTask, parse_task
from handler.custody import envelopes
from handler.errors import ScoringError
from handler.objects import ObjectRef
from handler.triggers import parse_event, sqs
from handler.triggers.request import Message

_TIME_MARK = "<aws.scheduler.scheduled-time>"  # which a schedule fills in for its target; filled in here if it could not


class Kind(StrEnum):
    """Who gave up on a letter, as the docstring of this module lists."""

    SQS = "sqs"
    POSTPONED = "postponed"
    LAMBDA = "lambda"
    EVENTBRIDGE = "eventbridge"
    SCHEDULER = "scheduler"
    SNS = "sns"


class Way(StrEnum):
    """Where a letter is sent back to."""

    QUEUE = "upload queue"
    FUNCTION = "function"
    MACHINE = "state machine"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message of a dead-letter queue, sent at `sent_s` (seconds of the epoch); `by_queue` if SQS itself moved it there."""

    id: str
    handle: str
    body: str
    sent_s: float
    attributes: Mapping[str, str] = field(default_factory=dict)
    by_queue: bool = False

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Letter:
        """Returns the letter that a message of `ReceiveMessage` is."""
        system: Mapping[str, str] = message.get("Attributes", {})
        attributes: Mapping[str, Mapping[str, Any]] = message.get("MessageAttributes", {})
        return cls(
            id=message["MessageId"],
            handle=message["ReceiptHandle"],
            body=message["Body"],
            sent_s=int(system.get("SentTimestamp", 0)) / 1000,
            attributes={name: str(value.get("StringValue", "")) for name, value in attributes.items()},
            by_queue="DeadLetterQueueSourceArn" in system,
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """What a letter says: its kind, the error that its sender names, if it does, and the objects and sweeps it asks for.

    It goes back by `way` as `content`; if there is no way, `problem` is the reason. `request_id` is that of the invocation that
    failed, if one did.
    """

    kind: Kind
    error: str
    objects: tuple[ObjectRef, ...]
    asked: str
    way: Way | None
    content: str = ""
    problem: str = ""
    request_id: str = ""

    def is_any_of(self, only: Iterable[str]) -> bool:
        """Returns whether one of `only` is the kind, the error, or a pattern of an address or a key that it names."""
        return any(
            it in {self.kind.value, self.error}
            or any(fnmatchcase(str(ref), it) or fnmatchcase(ref.key, it) for ref in self.objects)
            for it in only
        )


def read_letter(letter: Letter) -> Reading:
    """Returns what a letter says; whatever its body is, no error leaves this function."""
    letter = replace(letter, body=letter.body.replace(_TIME_MARK, letter.attributes.get("SCHEDULED_TIME", _TIME_MARK)))
    body = _decode(letter.body)
    record = body if isinstance(body, dict) and {"requestContext", "requestPayload"} <= body.keys() else {}
    message = _as_queued(letter)
    objects, sweeps = message.objects, [str(sweep) for sweep in message.sweeps]
    found = Reading(
        kind=_kind(letter, body, is_record=bool(record), is_postponed=message.body != letter.body),
        error=_error(letter, record),
        objects=objects,
        asked=str(objects[0]) if objects else sweeps[0] if sweeps else "",
        way=Way.QUEUE,
        content=letter.body,
        request_id=_text(record, "requestContext", "requestId"),
    )
    if message.problem:
        unreadable = replace(found, way=None, content="", problem=str(message.problem))
        can_go = bool(record) or found.kind in {Kind.LAMBDA, Kind.SCHEDULER}
        return _by_another_way(found, record.get("requestPayload", body), unreadable) if can_go else unreadable
    if found.kind is Kind.POSTPONED:  # its failures were those of a function that has been mended since
        return replace(found, content=json.dumps(envelopes([msgspec.structs.replace(message, receive_count=1)])[0]))
    return found


def _as_queued(letter: Letter) -> Message:
    """Returns what the function would make of the letter if the upload queue delivered it."""
    record = {"messageId": letter.id, "body": letter.body, "eventSource": "aws:sqs"}
    return sqs.parse({"Records": [record]}).messages[0]


def _by_another_way(found: Reading, event: object, unreadable: Reading) -> Reading:
    """Returns how an event can go back that the function cannot read in the queue; `unreadable` if in no way."""
    if not isinstance(event, dict):
        return unreadable
    try:
        task = parse_task(event)
        if found.kind is Kind.SCHEDULER:  # a sweep would go by the queue
            return replace(found, way=Way.MACHINE, asked=f"backlog {task.run}") if isinstance(task, PlanTask) else unreadable
        request = None if task else parse_event(event)
    except ScoringError as error:
        return replace(unreadable, problem=str(error))
    if task:
        return replace(found, way=Way.FUNCTION, asked=f"backlog {task.run}", content=json.dumps(event))
    if request is None or any(message.problem for message in request.messages):
        return unreadable
    objects = request.objects
    return replace(
        found, way=Way.FUNCTION, objects=objects, asked=str(objects[0]) if objects else "", content=json.dumps(event)
    )


def _decode(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def _kind(letter: Letter, body: object, *, is_record: bool, is_postponed: bool) -> Kind:
    if is_postponed:
        return Kind.POSTPONED
    if letter.by_queue:  # also if what it holds was another kind of dead letter before
        return Kind.SQS
    if is_record or {"RequestID", "ErrorCode"} <= letter.attributes.keys():
        return Kind.LAMBDA
    if "RULE_ARN" in letter.attributes:
        return Kind.EVENTBRIDGE
    if "SCHEDULE_ARN" in letter.attributes:
        return Kind.SCHEDULER
    return Kind.SNS if isinstance(body, dict) and body.get("Type") == "Notification" else Kind.SQS


def _error(letter: Letter, record: Mapping[str, Any]) -> str:
    """Returns the name of the error for which a sender gave up; the upload queue names none."""
    named = _text(record, "responsePayload", "errorType") or _text(record, "requestContext", "condition")
    return named or letter.attributes.get("ERROR_CODE") or letter.attributes.get("ErrorMessage") or ""


def _text(record: Mapping[str, Any], *names: str) -> str:
    """Returns the text at a place in a record; an empty one if there is none."""
    value: Any = record
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
