"""A fresh embedded cloud for each test."""

from functools import partialmethod

import pytest
from werkzeug.serving import BaseWSGIServer

from handler.app import build_parts
from infra.cloud.embedded import start_cloud


@pytest.fixture
def cloud(environment, monkeypatch, recorded_calls):
    """A fresh cloud, its notification's test event taken from the queue, and the function's environment set to it."""
    at_once = partialmethod(BaseWSGIServer.serve_forever, poll_interval=0.01)  # a server looks every 0.5 s if it is to stop
    monkeypatch.setattr(BaseWSGIServer, "serve_forever", at_once)
    with start_cloud() as cloud:
        cloud.sqs.purge_queue(QueueUrl=cloud.queue_url)
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        build_parts.cache_clear()
        yield cloud
        build_parts.cache_clear()
