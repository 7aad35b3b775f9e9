"""The events that `sam local generate-event` makes, which people try first, are answered rightly."""

import json
import os
import subprocess

import pytest

from handler.jobs import Sweep
from handler.triggers import parse_event
from handler.triggers.request import Results
from infra.paths import SAM

pytestmark = pytest.mark.emulator

KEYS = ["test/key", "red flower.jpg", "c++ notes+100%.png", "naïve/ñ.png", "trailing/", "k" * 1024]


@pytest.fixture
def generate():
    def generate(service, kind, *options):
        command = [SAM, "local", "generate-event", service, kind, *options]
        environment = os.environ | {"SAM_CLI_TELEMETRY": "0"}
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)

    return generate


@pytest.mark.parametrize("key", KEYS)
def test_a_put_names_its_object_whatever_its_key(generate, key):
    request = parse_event(generate("s3", "put", "--bucket", "a-bucket", "--key", key))

    assert request.trigger == "S3 notification"
    assert [(ref.bucket, ref.key) for ref in request.objects] == [("a-bucket", key)]


def test_a_delete_asks_for_nothing(generate):
    request = parse_event(generate("s3", "delete"))

    assert (request.trigger, request.objects) == ("S3 notification", ())
    assert request.reply(Results({}))["objects"] == []


def test_a_batch_invocation_names_its_task(generate):
    event = generate("s3", "batch-invocation")
    request = parse_event(event)

    assert request.trigger == "S3 Batch Operations"
    assert [str(ref) for ref in request.objects] == ["s3://examplebucket/test/key"]


def test_a_scheduled_event_is_a_sweep_of_its_time(generate):
    assert parse_event(generate("cloudwatch", "scheduled-event")).sweeps == (Sweep(scheduled_time="1970-01-01T00:00:00Z"),)
