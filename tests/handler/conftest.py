import dataclasses
import hashlib
import io
import json

import numpy as np
import pytest

from handler.app import build_parts, lambda_handler
from handler.contract import Conversion, Golden, Manifest, Metrics, ModelFile, PixelShape
from handler.formats.image import Limits, Target
from handler.telemetry import logger
from infra.cloud.event_source import Context

SHAPE = PixelShape(height=2, width=3, channels=1)
LIMITS = Limits(
    image_pixels=10**6,
    images=1000,
    archive_members=100,
    member_bytes=8 * 10**6,
    unpacked_bytes=16 * 10**6,
    compression_ratio=100,
)


def fake_classify(images):
    """A model of two classes: dark and light. A real function, so that what it is given decides what comes out."""
    light = images.reshape(len(images), -1).mean(axis=1) / 255
    return np.stack([1 - light, light], axis=1).astype(np.float32)


@pytest.fixture
def manifest():
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
def target():
    return Target(shape=SHAPE, conversion=Conversion(), limits=dataclasses.replace(LIMITS, image_pixels=10_000, images=100))


@pytest.fixture
def fashion_target():
    return Target(shape=PixelShape(height=28, width=28, channels=1), conversion=Conversion(), limits=LIMITS)


@pytest.fixture
def classify():
    return fake_classify


@pytest.fixture
def invoke():
    """Invokes the function as a fresh process would."""
    build_parts.cache_clear()
    yield lambda event, **context: lambda_handler(event, Context(aws_request_id="request-1", **context))
    build_parts.cache_clear()


@pytest.fixture
def logged(monkeypatch):
    """Returns the lines logged so far, parsed."""
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
