"""The Lambda function: an event in, documents in S3, an answer in the event's own protocol out.

    handler.app.lambda_handler     accepts: S3 notifications, SQS messages that carry them
    environment                    OUTPUT_URI, INPUT_URIS and the optional ones of `handler.settings`

Three steps: recognise what the event asks for, score it, reply. Settings, client and model are built once for each process,
at the first invocation and not at import, so that a fault in them is an error of an invocation, with its reason in the log.
"""

from __future__ import annotations

import functools
import os
import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from handler.formats.image import Target
from handler.model import BUNDLED_ARTIFACT, Model, directory_reader, load_model
from handler.objects import FetchedObject, ObjectRef, Prefix
from handler.outcomes import Outcome, Report
from handler.publishing import publish
from handler.scoring import Scorer
from handler.settings import Settings, load_settings
from handler.storage import S3Storage, make_client
from handler.triggers import parse_event

logger = Logger(service="coatcheck", location=None)


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> object:
    """Scores what an event names, and answers its source.

    Raises:
        MisconfiguredError: before anything is read, if the settings or the model are unusable.
        UnrecognisedEvent: if no trigger knows the event.
        InvocationFailed: if the source is to deliver the event again.
    """
    try:
        scorer = build_scorer()
        request = parse_event(event)
        logger.append_keys(trigger=request.trigger)
        for message in request.messages:
            if message.problem:
                logger.error("message_unreadable", message_id=message.id, reason=str(message.problem))
        reports = scorer.score(request.objects)
        for report in reports.values():
            _log(report)
        return request.reply(reports)
    except Exception as error:
        logger.exception("invocation_failed", error=type(error).__name__)
        raise


@functools.cache
def build_scorer() -> Scorer:
    """Builds all that outlives an invocation: settings, client, model.

    Raises:
        MisconfiguredError: the settings or the model are unusable.
    """
    settings = load_settings(os.environ)
    storage = S3Storage(make_client(settings.s3_concurrency))
    model = _load_model(settings, storage)

    def fetch(ref: ObjectRef) -> FetchedObject | None:
        settings.require_accepted(ref)
        return storage.read(ref, settings.max_object_bytes)

    return Scorer(
        manifest=model.manifest,
        fetch=fetch,
        classify=model.classify,
        publish=functools.partial(publish, store=storage, sleep=time.sleep),
        locate=settings.locate,
        target=Target(
            shape=model.manifest.input,
            conversion=model.manifest.conversion,
            max_pixels=settings.max_image_pixels,
            max_images=settings.max_images_per_object,
        ),
        max_object_bytes=settings.max_object_bytes,
        batch_images=settings.model_batch_images,
        concurrency=settings.s3_concurrency,
        as_lines=settings.as_lines,
    )


def _load_model(settings: Settings, storage: S3Storage) -> Model:
    place = settings.model or BUNDLED_ARTIFACT
    read = storage.reader(place) if isinstance(place, Prefix) else directory_reader(place)
    return load_model(read, settings.model_threads)


def _log(report: Report) -> None:
    fields: dict[str, object] = {
        "object": str(report.ref),
        "outcome": report.outcome.value,
        "images": report.images,
        "document": str(report.document) if report.document else None,
    }
    if report.error:
        fields |= {"error": type(report.error).__name__, "reason": str(report.error)}
    if report.outcome is Outcome.FAILED:
        logger.error("object", extra=fields, exc_info=report.error)
    else:
        logger.info("object", extra=fields)
