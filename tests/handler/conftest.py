import functools
import hashlib
import io
import itertools
import json
import sys

import msgspec
import numpy as np
import pytest

from handler.contract import Conversion, Golden, Manifest, Metrics, Model, ModelFile, PixelShape, Scores
from handler.deadline import Deadline, TimeBudget
from handler.errors import OutOfTime
from handler.formats.image import Target
from handler.limits import Limits

SHAPE = PixelShape(height=2, width=3, channels=1)
LIMITS = Limits(
    object_bytes=10**8,
    image_pixels=10**6,
    images=1000,
    archive_members=100,
    member_bytes=8 * 10**6,
    unpacked_bytes=16 * 10**6,
    compression_ratio=100,
    list_objects=1000,
)


def fake_classify(images):
    """A model of two classes: dark and light. A real function, so that what it is given decides what comes out."""
    light = images.reshape(len(images), -1).mean(axis=1) / 255
    return Scores(np.stack([1 - light, light], axis=1).astype(np.float32))


@pytest.fixture(autouse=True)
def no_call_outlives_its_test():
    """A call that was given up is tried again by botocore, which draws random numbers in the middle of other tests."""
    yield
    aws = sys.modules.get("handler.aws")
    if aws and aws._threads.cache_info().currsize:
        aws._threads().shutdown()
        aws._threads.cache_clear()


def make_manifest():
    return Manifest(
        name="lightness",
        version="2.1.0",
        classes=("dark", "light"),
        input=SHAPE,
        conversion=Conversion(),
        model=ModelFile(sha256=hashlib.sha256(b"lightness").hexdigest(), size_bytes=9, quantisation="none"),
        temperature=1.0,
        unsure_below=0.75,
        metrics=Metrics(1.0, 0.1, 0.0, 2),
        dataset={},
        training={},
        golden=Golden(b"\x00" * 6, ((1.0, 0.0),)),
    )


@pytest.fixture
def manifest():
    return make_manifest()


class MemoryQueue:
    """A queue that is a list; `before` is called ahead of each call, with its messages or handles.

    `deleted` are the handles of the messages that were deleted, and `hidden` the seconds for which a handle's was hidden.
    `waiting` is the number of messages that it says wait.
    """

    name = "work"

    def __init__(self):
        self.messages, self.deleted, self.hidden = [], [], {}
        self.before = lambda messages: None
        self.waiting = 0

    def count_waiting(self, *, deadline):
        return self.waiting

    def delete(self, handles, *, deadline):
        self._begin(handles, deadline)
        self.deleted += handles

    def hide(self, seconds, *, deadline):
        self._begin(seconds, deadline)
        self.hidden |= seconds

    def _begin(self, messages, deadline):
        if deadline.is_over:
            raise OutOfTime("Expected time to call the queue. Received: none is left.")
        self.before(messages)

    def send(self, messages, *, deadline):
        self._begin(messages, deadline)
        self.messages += messages


@pytest.fixture
def queue():
    return MemoryQueue()


@pytest.fixture
def budget():
    """An hour."""
    return TimeBudget.of(3600, reserve_s=10, answer_s=1)


@pytest.fixture
def ticking():
    """Makes a budget whose clock goes on by a second at each look, so that time is over after so many looks."""

    def ticking(begin_looks, finish_looks=10**6):
        clock = functools.partial(next, itertools.count())
        return TimeBudget(Deadline(begin_looks, clock), Deadline(finish_looks, clock))

    return ticking


@pytest.fixture
def target():
    return Target(shape=SHAPE, conversion=Conversion(), limits=msgspec.structs.replace(LIMITS, image_pixels=10_000, images=100))


@pytest.fixture
def fashion_target():
    return Target(shape=PixelShape(height=28, width=28, channels=1), conversion=Conversion(), limits=LIMITS)


@pytest.fixture
def model(manifest):
    return Model(manifest, fake_classify, "f" * 64)


@pytest.fixture
def invoke():
    """Invokes the function as a fresh process would."""
    from handler.app import build_parts, lambda_handler  # late, since pure code is tested without boto3
    from infra.cloud.event_source import Context

    build_parts.cache_clear()
    yield lambda event, **context: lambda_handler(event, Context(aws_request_id="request-1", **context))
    build_parts.cache_clear()


@pytest.fixture
def logged(monkeypatch):
    """Returns the lines logged so far, parsed."""
    from handler.telemetry import logger

    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
