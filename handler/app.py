"""The Lambda function, which takes an event, writes documents to S3, and answers in the event's own protocol.

    handler.app.lambda_handler     accepts: every event that `handler.triggers` names
    environment                    OUTPUT_URI, INPUT_URIS and the optional ones of `handler.settings`

An invocation has three steps: recognise what the event asks for, score it, reply. Settings, client and model are built once for
each process, at the first invocation and not at import, so that a fault in them is an error of an invocation, with its reason
in the log. With SnapStart they are built when a version is published, so that they are in the snapshot.

Several invocations may run at once in one process, each on a thread of its own. Lambda itself never does that: even where an
instance takes several requests at once (Lambda Managed Instances), its Python runtime gives each a process of its own:
https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances-python-runtime.html
"""

from __future__ import annotations

import gc

gc.disable()  # until all of this is imported: it makes no garbage, and looking for some takes an eighth of a cold start

import functools
import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext

from handler.backlog.runs import Places
from handler.backlog.tasks import NAME as BACKLOG
from handler.backlog.tasks import Backlog, parse_task
from handler.contract import Model
from handler.custody import Custody
from handler.deadline import Deadline, TimeBudget
from handler.delivery import Delivery
from handler.dispatch import Dispatcher
from handler.documents import Documents
from handler.errors import BadArtifact, InvocationFailed, ScoringError
from handler.formats.picture import readable_kinds
from handler.inputs import Inputs
from handler.maker import Maker
from handler.marks import Marks
from handler.model import BUNDLED_ARTIFACT, directory_reader, load_model, store_reader
from handler.objects import Prefix
from handler.plain_text import plain
from handler.scoring import Scorer
from handler.settings import Settings, load_settings
from handler.store import Store
from handler.stores import make_store
from handler.sweeping import Sweeper
from handler.telemetry import (
    Journal,
    Stopwatch,
    log_queue_error,
    log_request,
    log_sweep,
    log_task,
    logged_as,
    logger,
    write_metrics,
)
from handler.triggers import parse_event
from handler.work_queue import WorkQueue

MODEL_LOAD_S = 60  # in which a model must be read from S3
ANSWER_RESERVE_S = 1.0  # the part of DEADLINE_RESERVE_MS that is kept for the log, the metrics and the answer

gc.enable()
gc.freeze()  # what was imported stays, so that no later collection looks at it

MAX_OTHER_MODELS = 2  # in memory, of those that backlogs brought, in the order of their last use

_is_cold_start = itertools.chain([True], itertools.repeat(False))
_building = threading.Lock()


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> object:
    """Scores the objects that an event names, and returns the answer to the event's source.

    Raises:
        MisconfiguredError: the settings or the model are unusable; nothing was read.
        UnrecognisedEvent: no trigger recognises the event.
        InvocationFailed: the source must deliver the event again.
    """
    journal, is_cold_start = Journal(), next(_is_cold_start)
    with logged_as(context, is_cold_start=is_cold_start):
        try:
            return _handle(event, context, journal)
        except Exception as error:
            logger.exception("invocation_failed", error=type(error).__name__)
            _require_plain(error)
            raise
        finally:
            journal.write()
            write_metrics(
                journal,
                is_cold_start=is_cold_start,
                function_name=context.function_name,
                request_id=context.aws_request_id,
            )


def _require_plain(error: Exception) -> None:
    """Raises an error with a text that Lambda may log and answer as it is, if that of `error` is not such a text.

    Errors of our own are.
    """
    text = f"{type(error).__name__}: {error}"
    if not isinstance(error, ScoringError) and plain(text) != text:
        raise InvocationFailed(text) from error


def _handle(event: dict[str, Any], context: LambdaContext, journal: Journal) -> object:
    with _building:  # several invocations may be the first
        parts = build_parts()
    budget = TimeBudget.of(context.get_remaining_time_in_millis() / 1000, parts.reserve_s, ANSWER_RESERVE_S)
    task = parse_task(event)
    if task:
        log_task(BACKLOG, task.run)
        try:
            return parts.backlog.do(task, budget, journal.record)
        finally:
            journal.model_s = parts.stopwatch.take_s()
    request = parse_event(event)
    log_request(request)
    delivery = Delivery(
        request=request,
        scorer=parts.scorer,
        sweeper=parts.sweeper,
        custody=Custody(parts.queue, budget.finish_by, log_queue_error),
        budget=budget,
        record=journal.record,
    )
    try:
        results = delivery.run()
    finally:
        journal.model_s = parts.stopwatch.take_s()
    for report in results.sweeps.values():
        log_sweep(report)
    return request.reply(results)


class Parts(msgspec.Struct, frozen=True):
    """The parts of the function that outlive an invocation."""

    reserve_s: float
    stopwatch: Stopwatch
    scorer: Scorer
    sweeper: Sweeper
    backlog: Backlog
    queue: WorkQueue | None


@functools.cache
def build_parts() -> Parts:
    """Builds all parts of the function that outlive an invocation.

    Raises:
        MisconfiguredError: the settings or the model are unusable.
    """
    gc.disable()  # as above
    try:
        parts = _build_parts(load_settings(os.environ))
    finally:
        gc.enable()
    gc.freeze()  # not after a failure, whose clients the next attempt makes anew: frozen garbage is never collected
    return parts


def _build_parts(settings: Settings) -> Parts:
    concurrency = settings.s3_concurrency
    store = make_store(settings.s3_client, concurrency, os.environ, settings.inputs)
    model = _load_model(settings, store)
    stopwatch = Stopwatch(model.classify)
    has_queue = settings.queue_url is not None
    maker = Maker.of(model, settings.limits, settings.inputs, formats=readable_kinds(), has_queue=has_queue)
    marks = Marks(store, settings.output, maker)
    documents = Documents(store, settings.output, settings.layout, maker, marks=marks)
    inputs = Inputs(store, settings.inputs, documents)
    queue = WorkQueue(settings.queue_url, concurrency) if settings.queue_url else None
    dispatcher = Dispatcher(documents=documents, queue=queue, pool=ThreadPoolExecutor(concurrency)) if queue else None
    scorer = Scorer(
        model=msgspec.structs.replace(model, classify=stopwatch),
        inputs=inputs,
        documents=documents,
        dispatcher=dispatcher,
        limits=settings.limits,
        batch_images=settings.model_batch_images,
        concurrency=concurrency,
    )
    sweeper = Sweeper(
        inputs=inputs,
        documents=documents,
        dispatcher=dispatcher,
        scorer=scorer,
        concurrency=concurrency,
        max_objects=settings.max_sweep_objects,
        max_queue_messages=settings.max_sweep_queue_messages,
    )
    other = functools.lru_cache(MAX_OTHER_MODELS)(functools.partial(_scorer_of, settings, scorer))
    backlog = Backlog(scorer=scorer, scorer_of=other, concurrency=concurrency)
    return Parts(settings.deadline_reserve_ms / 1000, stopwatch, scorer, sweeper, backlog, queue)


def _scorer_of(settings: Settings, deployed: Scorer, digest: str) -> Scorer:
    """Returns the scorer with the model that a backlog brought, whose manifest has a digest; it sends nothing to the queue."""
    documents = deployed.documents
    read = store_reader(documents.store, Places(documents.output).model(digest), Deadline.after(MODEL_LOAD_S))
    model = load_model(read, settings.model_threads)
    if model.manifest_sha256 != digest:
        raise BadArtifact(f"Expected a manifest with sha256 {digest}. Received: {model.manifest_sha256}; copy it again.")
    # Its lists are rejected for want of a queue, which must not count as an answer once the model is deployed.
    maker = Maker.of(model, settings.limits, settings.inputs, formats=readable_kinds(), has_queue=False)
    own = msgspec.structs.replace(documents, maker=maker, marks=None)
    inputs = msgspec.structs.replace(deployed.inputs, documents=own)
    return msgspec.structs.replace(deployed, model=model, documents=own, inputs=inputs, dispatcher=None)


def _load_model(settings: Settings, store: Store) -> Model:
    place = settings.model or BUNDLED_ARTIFACT
    if isinstance(place, Prefix):
        return load_model(store_reader(store, place, Deadline.after(MODEL_LOAD_S)), settings.model_threads)
    return load_model(directory_reader(place), settings.model_threads)


if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    build_parts()
