"""A fresh embedded cloud for each test."""

import pytest

from handler.app import build_parts
from infra.cloud.embedded import start_cloud


@pytest.fixture
def cloud(environment, monkeypatch, recorded_calls):
    """A fresh cloud, its notification's test event taken from the queue, and the function's environment set to it."""
    with start_cloud() as cloud:
        cloud.sqs.purge_queue(QueueUrl=cloud.queue_url)
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        build_parts.cache_clear()
        yield cloud
        build_parts.cache_clear()
