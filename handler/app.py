"""The Lambda function: an event in, documents in S3, an answer in the event's own protocol out.

    handler.app.lambda_handler     accepts: every event that `handler.triggers` names
    environment                    OUTPUT_URI, INPUT_URIS and the optional ones of `handler.settings`

Three steps: recognise what the event asks for, score it, reply. Settings, client and model are built once for each process,
at the first invocation and not at import, so that a fault in them is an error of an invocation, with its reason in the log.
With SnapStart they are built when a version is published, so that they are in the snapshot.
"""

from __future__ import annotations

import functools
import itertools
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handler.formats.image import Limits, Target
from handler.model import BUNDLED_ARTIFACT, Model, directory_reader, load_model
from handler.objects import FetchedObject, ObjectRef, Prefix
from handler.outcomes import Report
from handler.publishing import publish
from handler.scoring import Scorer
from handler.settings import Settings, load_settings
from handler.storage import S3Storage, make_client
from handler.sweeping import Sweeper
from handler.telemetry import Stopwatch, log_report, log_sweep, logger, write_metrics
from handler.triggers import parse_event
from handler.work_queue import WorkQueue
from handler.work_queue import make_client as make_queue_client

FETCHED_WHOLE_BYTES = 2**20  # ahead of its turn, S3_CONCURRENCY objects at once

_is_cold_start = itertools.chain([True], itertools.repeat(False))


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> object:
    """Scores what an event names, and answers its source.

    Raises:
        MisconfiguredError: before anything is read, if the settings or the model are unusable.
        UnrecognisedEvent: if no trigger knows the event.
        InvocationFailed: if the source is to deliver the event again.
    """
    work = _Work()
    try:
        return _handle(event, context, work)
    except Exception as error:
        logger.exception("invocation_failed", error=type(error).__name__)
        raise
    finally:
        write_metrics(
            work.reports,
            work.model_s,
            is_cold_start=next(_is_cold_start),
            function_name=context.function_name,
            request_id=context.aws_request_id,
        )


@dataclass(slots=True)
class _Work:
    """What an invocation has done so far."""

    reports: list[Report] = field(default_factory=list)
    model_s: float = 0.0


def _handle(event: dict[str, Any], context: LambdaContext, work: _Work) -> object:
    parts = build_parts()
    request = parse_event(event)
    logger.append_keys(trigger=request.trigger)
    for message in request.messages:
        if message.problem:
            logger.error("message_unreadable", message_id=message.id, reason=str(message.problem))

    def has_time() -> bool:
        return context.get_remaining_time_in_millis() > parts.settings.deadline_reserve_ms

    def score(refs: Iterable[ObjectRef], alternatives: Mapping[ObjectRef, ObjectRef] = MappingProxyType({})) -> Reports:
        try:
            reports = parts.scorer.score(refs, alternatives, has_time)
        finally:
            work.model_s += parts.stopwatch.take_s()
        for named, report in reports.items():
            log_report(named, report)
        work.reports.extend(reports.values())
        return reports

    results: dict[Any, Any] = {**score(request.objects, request.alternatives)}
    if request.sweeps:
        sweeper = _build_sweeper(parts, score)
        for sweep in request.sweeps:
            results[sweep] = sweeper.sweep(sweep, has_time)
            log_sweep(results[sweep])
    return request.reply(results)


Reports = Mapping[ObjectRef, Report]


@dataclass(frozen=True, slots=True)
class Parts:
    """All that outlives an invocation."""

    settings: Settings
    storage: S3Storage
    stopwatch: Stopwatch
    scorer: Scorer


@functools.cache
def build_parts() -> Parts:
    """Builds all that outlives an invocation: settings, client, model.

    Raises:
        MisconfiguredError: the settings or the model are unusable.
    """
    settings = load_settings(os.environ)
    storage = S3Storage(make_client(settings.s3_concurrency))
    model = _load_model(settings, storage)
    stopwatch = Stopwatch(model.classify)

    def fetch(ref: ObjectRef) -> FetchedObject | None:
        settings.require_accepted(ref)
        return storage.read(ref, FETCHED_WHOLE_BYTES)

    scorer = Scorer(
        manifest=model.manifest,
        fetch=fetch,
        open=storage.open,
        classify=stopwatch,
        publish=functools.partial(publish, store=storage, sleep=time.sleep),
        locate=settings.locate,
        describe=storage.describe,
        require_accepted=settings.require_accepted,
        send=_sender(settings),
        target=Target(
            shape=model.manifest.input,
            conversion=model.manifest.conversion,
            limits=_limits(settings),
        ),
        max_object_bytes=settings.max_object_bytes,
        batch_images=settings.model_batch_images,
        concurrency=settings.s3_concurrency,
        layout=settings.layout,
    )
    return Parts(settings, storage, stopwatch, scorer)


def _limits(settings: Settings) -> Limits:
    return Limits(
        image_pixels=settings.max_image_pixels,
        images=settings.max_images_per_object,
        archive_members=settings.max_archive_members,
        member_bytes=settings.max_member_bytes,
        unpacked_bytes=settings.max_unpacked_bytes,
        compression_ratio=settings.max_compression_ratio,
    )


def _build_sweeper(parts: Parts, score: Callable[[Iterable[ObjectRef]], Reports]) -> Sweeper:
    """Builds what only sweeps need."""
    settings, storage = parts.settings, parts.storage
    return Sweeper(
        inputs=settings.inputs,
        model_sha256=parts.scorer.manifest.model.sha256,
        list_objects=storage.list_objects,
        describe=storage.describe,
        locate=settings.locate,
        require_accepted=settings.require_accepted,
        require_accepted_prefix=settings.require_accepted_prefix,
        send=parts.scorer.send,
        score=score,
        concurrency=settings.s3_concurrency,
    )


def _sender(settings: Settings) -> Callable[[Iterable[Mapping[str, Any]]], None] | None:
    """What sends to the queue; its client is built when there is something to send, and nothing else waits for it."""
    queue_url = settings.queue_url
    if queue_url is None:
        return None
    queue = functools.cache(lambda: WorkQueue(make_queue_client(), queue_url))
    return lambda messages: queue().send(messages)


def _load_model(settings: Settings, storage: S3Storage) -> Model:
    place = settings.model or BUNDLED_ARTIFACT
    read = storage.reader(place) if isinstance(place, Prefix) else directory_reader(place)
    return load_model(read, settings.model_threads)


if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    build_parts()
