"""Parses invocations by S3 Batch Operations, schemas 1.0 and 2.0: many tasks, each of which gets a result. Pure.

Keys arrive form-encoded in both schemas. Schema 1.0 names a bucket by its ARN, 2.0 by its name. `userArguments` are ignored,
and so is the version that a task may name: as for every source, the object is scored in its present state. Shape of the event:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from handler.errors import UnreadableMessage, UnrecognisedEvent
from handler.outcomes import Report, Verdict
from handler.plain_text import plain
from handler.triggers.answers import reports_of
from handler.triggers.converting import convert
from handler.triggers.keys import decode_key
from handler.triggers.request import Message, Request, Results, name_object

NAME = "S3 Batch Operations"

_VERSIONS = {"1.0", "2.0"}
_MAX_CHARACTERS = 1024  # of a result's text
_RESULT_CODES = {
    Verdict.SUCCEEDED: "Succeeded",
    Verdict.TEMPORARY_FAILURE: "TemporaryFailure",
    Verdict.PERMANENT_FAILURE: "PermanentFailure",
    Verdict.DEAD_LETTER: "PermanentFailure",  # a job has no dead-letter queue, and would retry in vain
}


class _Task(msgspec.Struct):
    taskId: str
    s3Key: Any = None
    s3BucketArn: Any = None
    s3Bucket: Any = None


class _Event(msgspec.Struct):
    invocationSchemaVersion: str
    invocationId: str
    tasks: list[_Task]


def recognises(event: dict[str, Any]) -> bool:
    """Returns whether `event` is an invocation by a job of S3 Batch Operations."""
    return "invocationSchemaVersion" in event and "tasks" in event


def parse(event: dict[str, Any]) -> Request:
    """Returns a request with one message for each task.

    Raises:
        UnrecognisedEvent: the schema is of another version, there are no tasks, or a task has no id, so that it could not be
            answered.
    """
    try:
        invocation = convert(event, _Event)
    except msgspec.ValidationError as error:
        raise UnrecognisedEvent(f"Expected an invocation by S3 Batch Operations. Received: {error}.") from error
    if invocation.invocationSchemaVersion not in _VERSIONS:
        raise UnrecognisedEvent(
            f"Expected invocationSchemaVersion {' or '.join(sorted(_VERSIONS))}. "
            f"Received: {invocation.invocationSchemaVersion}."
        )
    if not invocation.tasks:
        raise UnrecognisedEvent("Expected an invocation by S3 Batch Operations with one task or more. Received: none.")
    messages = tuple(_parse_task(task) for task in invocation.tasks)
    return Request(NAME, messages, partial(_answer, invocation))


def _parse_task(task: _Task) -> Message:
    try:
        if not isinstance(task.s3Key, str):
            raise UnreadableMessage(f"Expected a task with an s3Key as text. Received: s3Key={task.s3Key!r:.100}.")
        return Message(task.taskId, (name_object(_bucket(task), decode_key(task.s3Key)),))
    except UnreadableMessage as error:
        return Message(task.taskId, problem=error)


def _bucket(task: _Task) -> str:
    """Returns the bucket's name; an ARN may hold a region and an account, `arn:aws:s3:us-east-1:123456789012:name`."""
    name = task.s3Bucket or task.s3BucketArn
    if not isinstance(name, str):
        raise UnreadableMessage(f"Expected a task with an s3BucketArn or s3Bucket as text. Received: {name!r:.100}.")
    return name.rsplit(":", 1)[-1]


def _answer(invocation: _Event, messages: Sequence[Message], results: Results) -> dict[str, object]:
    return {
        "invocationSchemaVersion": invocation.invocationSchemaVersion,
        "treatMissingKeysAs": "TemporaryFailure",
        "invocationId": invocation.invocationId,
        "results": [_result(message, results) for message in messages],
    }


def _result(message: Message, results: Results) -> dict[str, str]:
    if message.problem:
        verdict, text = Verdict.DEAD_LETTER, str(message.problem)
    else:
        (report,) = reports_of([message], results)
        verdict, text = report.verdict, _text(report)
    return {"taskId": message.id, "resultCode": _RESULT_CODES[verdict], "resultString": plain(text)[:_MAX_CHARACTERS]}


def _text(report: Report) -> str:
    reason = f": {type(report.error).__name__}: {report.error}" if report.error else ""
    return f"{report.outcome.value}{reason}" if reason else f"{report.outcome.value}: {report.document or report.ref}"
