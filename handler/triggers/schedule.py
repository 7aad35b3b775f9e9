"""Parses events of EventBridge Scheduler and of scheduled rules, with an explicit job as their input or without input. Pure.

    {"job": "sweep", "prefix": "s3://bucket/prefix/", "scheduled_time": "<aws.scheduler.scheduled-time>"}

`prefix` and `scheduled_time` may be left out; without a prefix all of INPUT_URIS is swept. `"rescore": true` lifts the limit on
the number of objects, and `"verify": true` has every document looked at. `after` and `chain` are what a sweep hands on to the
next invocation. A schedule without input sends a bare envelope, which asks for a sweep of all inputs too, and carries the
scheduled time itself. Shape of the event:
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from handler.errors import UnreadableMessage
from handler.jobs import Chain, Sweep
from handler.objects import Prefix, parse_prefix
from handler.triggers.answers import answer_or_raise
from handler.triggers.converting import convert
from handler.triggers.request import Message, Request

NAME = "schedule"

_SOURCES = ("aws.scheduler", "aws.events")
_SCHEDULED = "Scheduled Event"
_SWEEP = "sweep"

_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Chain(msgspec.Struct, forbid_unknown_fields=True):
    """The state of a sweep, as the invocation before this one left it."""

    began: Annotated[datetime, msgspec.Meta(tz=True)]
    may_send: _Count
    unsent: _Count = 0
    unseen: _Count = 0
    maker: str = ""
    is_clean: bool = False


class _Job(msgspec.Struct, forbid_unknown_fields=True):
    """An explicit job; a misspelt field is refused, since it must not turn a small sweep into a sweep of all inputs."""

    job: Literal["sweep"]
    prefix: str | None = None
    after: str = ""
    scheduled_time: str | None = None
    rescore: bool = False
    verify: bool = False
    chain: _Chain | None = None


def recognises(event: dict[str, Any]) -> bool:
    """Returns whether `event` is an explicit job, or the bare envelope of a schedule."""
    return _is_job(event) or (event.get("source") in _SOURCES and event.get("detail-type") == _SCHEDULED)


def parse(event: dict[str, Any]) -> Request:
    """Returns a request with one message, for the sweep that is due.

    The `detail` of an envelope, which Scheduler sends as a string, is ignored.
    """
    try:
        message = Message("0", sweeps=(_parse_job(event) if _is_job(event) else _parse_envelope(event),))
    except UnreadableMessage as error:
        message = Message("0", problem=error)
    return Request(NAME, (message,), answer_or_raise)


def _is_job(event: dict[str, Any]) -> bool:
    """Returns whether `event` is an explicit job.

    Other events have a field `job` too: it is an object in S3 Batch Operations, and anything in a row of a CSV file.
    """
    return event.get("job") == _SWEEP


def _parse_envelope(event: dict[str, Any]) -> Sweep:
    time = event.get("time")
    return Sweep(scheduled_time=time if isinstance(time, str) else None)


def _parse_job(event: dict[str, Any]) -> Sweep:
    try:
        job = convert(event, _Job)
    except msgspec.ValidationError as error:
        raise UnreadableMessage(
            f'Expected {{"job": "sweep", "prefix": "s3://bucket/prefix/", "scheduled_time": "…"}}. Received: {error}.'
        ) from error
    if job.after and job.prefix is None:
        raise UnreadableMessage(f"Expected a prefix together with after. Received: after={job.after!r} and no prefix.")
    chain = Chain(**msgspec.structs.asdict(job.chain)) if job.chain else None
    return Sweep(_parse_prefix(job.prefix), job.after, job.scheduled_time, job.rescore, job.verify, chain)


def _parse_prefix(uri: str | None) -> Prefix | None:
    prefix = parse_prefix(uri) if uri else None
    if uri is not None and prefix is None:
        raise UnreadableMessage(f"Expected a prefix s3://bucket/prefix/ with a slash at its end. Received: {uri!r}.")
    return prefix
