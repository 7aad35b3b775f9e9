"""Several invocations at once in one process give what they give one after the other, and tell their own alone.

Lambda's Python runtime starts a process for each of the invocations that an instance does at once, but others do not.
"""

import io
import json
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from handler.app import build_parts, lambda_handler
from handler.custody import Custody
from handler.deadline import Deadline
from handler.errors import InvocationFailed, QueueUnavailable
from handler.objects import ObjectRef, Prefix
from handler.telemetry import logged_as, logger
from handler.triggers.request import Message
from infra.cloud.event_source import Context
from infra.stores.memory import MemoryStore
from tests.handler.conftest import MemoryQueue

IMAGES = Path(__file__).parent.parent.parent / "events" / "images"
INPUT, OUTPUT = "coatcheck-input-123456789012", "coatcheck-output-123456789012"
INVOCATIONS, OWN, SHARED = 8, 6, 4


def content(number):
    """Pictures, arrays of several images, and what is neither."""
    pictures = sorted(IMAGES.glob("*.png"))
    if number % 5 == 3:
        return b"no image %d" % number
    if number % 5 == 4:
        file = io.BytesIO()
        np.save(file, np.full((number % 7 + 1, 28, 28), number, np.uint8))
        return file.getvalue()
    return pictures[number % len(pictures)].read_bytes()


KEYS = [f"uploads/{number}" for number in range(INVOCATIONS * OWN + SHARED)]


def keys_of(invocation):
    return KEYS[:SHARED] + KEYS[SHARED + OWN * invocation : SHARED + OWN * (invocation + 1)]


def invoke(invocation):
    """One of the events also asks for what may not be read, and so fails."""
    s3 = [{"bucket": {"name": INPUT}, "object": {"key": key}} for key in keys_of(invocation)]
    if invocation % 4 == 3:
        s3.append({"bucket": {"name": "somebody-elses"}, "object": {"key": f"uploads/{invocation}"}})
    event = {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": it} for it in s3]}
    try:
        return lambda_handler(event, Context(f"request-{invocation}"))
    except InvocationFailed as error:
        return error


@pytest.fixture
def new_store(environment, monkeypatch):
    """Gives a fresh process a store with all inputs."""

    def new_store():
        store = MemoryStore()
        for number, key in enumerate(KEYS):
            store.place(ObjectRef(INPUT, key), content(number), {})
        monkeypatch.setattr("handler.app.make_store", lambda *_: store)
        build_parts.cache_clear()
        return store

    yield new_store
    build_parts.cache_clear()


def documents(store):
    deadline, found = Deadline.after(60), {}
    for listed in store.list(Prefix(OUTPUT, "predictions/uploads/"), "", deadline=deadline):
        with closing(store.open(listed.ref, deadline=deadline).body) as body:
            found[listed.ref.key] = body.read()
    return found


@pytest.fixture
def often():
    """Has threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_invocations_at_once_write_the_bytes_of_serial_ones_and_log_under_their_own_ids(new_store, often, monkeypatch):
    store = new_store()
    for invocation in range(INVOCATIONS):
        invoke(invocation)
    serial, store = documents(store), new_store()
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    monkeypatch.setattr(logger.registered_handler, "stream", written)
    barrier = threading.Barrier(INVOCATIONS)

    with ThreadPoolExecutor(INVOCATIONS) as threads:
        answers = list(threads.map(lambda number: (barrier.wait(), invoke(number))[1], range(INVOCATIONS)))

    assert documents(store) == serial
    assert len(serial) == len(KEYS)
    assert [isinstance(answer, InvocationFailed) for answer in answers] == [number % 4 == 3 for number in range(INVOCATIONS)]
    assert build_parts.cache_info().misses == 1
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    for number in range(INVOCATIONS):
        assert_told(number, [line for line in lines if line.get("function_request_id") == f"request-{number}"])
    assert {line["message"] for line in lines if "function_request_id" not in line and "class_name" not in line} == set()
    assert sum("ColdStart" in line for line in lines) == INVOCATIONS
    scored = [row[0] for line in lines if line.get("outcome") == "scored" for row in line["objects"]]
    rejected = [line["object"].removeprefix(f"s3://{INPUT}/") for line in lines if line.get("outcome") == "rejected"]
    assert Counter(scored + rejected) == Counter(KEYS)  # each once, whichever invocation was the first


def assert_told(number, lines):
    """The objects of an event, its error and its metrics, and nothing of another event."""
    metrics = [line for line in lines if "_aws" in line]
    logged = [line for line in lines if "_aws" not in line]
    rows = [tuple(row[:2]) for line in logged if line["message"] == "objects" for row in line["objects"]]
    single = [line for line in logged if line["message"] == "object"]
    keys = [key for key, _ in rows] + [line["object"].rpartition("uploads/")[2] for line in single]
    expected = [f"{number}"] * (number % 4 == 3)
    assert Counter(key.removeprefix("uploads/") for key in keys) == Counter(
        [key.removeprefix("uploads/") for key in keys_of(number)] + expected
    )
    assert sum(line["message"] == "invocation_failed" for line in logged) == (number % 4 == 3)
    assert {line["trigger"] for line in logged} == {"S3 notification"}
    (metric,) = metrics
    scored = sum(images for line in logged if line.get("outcome") == "scored" for _, images, *_ in line["objects"])
    assert metric["Images"] == [scored]
    assert metric["ModelTime"][0] > 0


def test_what_the_thread_of_a_lease_tells_has_the_id_of_its_request():
    told, has_warned = [], threading.Event()

    def warn(_):
        told.append(logger.thread_safe_get_current_keys()["function_request_id"])
        has_warned.set()

    def fail(_):
        raise QueueUnavailable("down")

    queue = MemoryQueue()
    queue.before = fail
    message = Message("1", queue_name=queue.name, receipt_handle="1")
    custody = Custody(queue, Deadline.after(60), warn)
    with logged_as(Context("request-1"), is_cold_start=False), custody.leased([message], at_once=True):
        assert has_warned.wait(30)

    assert told == ["request-1"]
    assert logger.thread_safe_get_current_keys() == {}
