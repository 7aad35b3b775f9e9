"""The role allows what the function does, and nothing that it never does. The calls are recorded by `tests/conftest.py`."""

import copy
import json

import pytest

from handler.app import build_parts, lambda_handler
from handler.model import BUNDLED_ARTIFACT
from infra.cloud.event_source import Context
from tests.permissions import LAMBDAS_OWN, granting, statements

INPUT = "coatcheck-input-123456789012"
GRANTED = statements(ModelUri="s3://models/v1/")


def everything_it_does(recorded, upload, s3, url, monkeypatch):
    """Scores, finds a duplicate, misses an object, sweeps to the queue, fails a message, and reads its model from S3."""
    s3.create_bucket(Bucket="models")
    for path in BUNDLED_ARTIFACT.iterdir():
        s3.put_object(Bucket="models", Key=f"v1/{path.name}", Body=path.read_bytes())
    monkeypatch.setenv("MODEL_URI", "s3://models/v1/")
    monkeypatch.setenv("QUEUE_URL", url)
    upload("uploads/a", b"?")
    upload("uploads/b", b"?")
    build_parts.cache_clear()
    score = {"objects": [f"s3://{INPUT}/uploads/a"]}
    arn = f"arn:aws:sqs:us-east-1:123456789012:{url.rpartition('/')[2]}"
    failing = {"messageId": "m", "receiptHandle": "h", "body": "?", "eventSource": "aws:sqs", "eventSourceARN": arn}
    missing = {"objects": [f"s3://{INPUT}/uploads/missing"]}
    for event in (score, score, {"job": "sweep"}, missing, {"Records": [failing]}):
        lambda_handler(event, Context("r"))
    build_parts.cache_clear()
    return list(recorded)


@pytest.fixture
def calls(recorded_calls, upload, s3, work_queue_url, monkeypatch):
    return everything_it_does(recorded_calls, upload, s3, work_queue_url, monkeypatch)


def test_every_call_is_allowed_and_no_statement_is_unused(calls):
    used = set()
    for call in calls:
        for sids in granting(call, GRANTED):
            assert sids, call
            used |= sids

    assert used - LAMBDAS_OWN == set(GRANTED) - LAMBDAS_OWN


@pytest.mark.parametrize("sid", sorted(set(GRANTED) - LAMBDAS_OWN))
def test_without_any_one_statement_some_call_is_refused(calls, sid):
    fewer = {name: statement for name, statement in GRANTED.items() if name != sid}

    assert any(not sids for call in calls for sids in granting(call, fewer))


@pytest.mark.parametrize(
    "call",
    [
        ("GetObject", {"Bucket": INPUT, "Key": "private/a"}, 200),
        ("GetObject", {"Bucket": INPUT, "Key": "uploads"}, 200),
        ("PutObject", {"Bucket": INPUT, "Key": "uploads/a"}, 200),
        ("ListObjectsV2", {"Bucket": INPUT, "Prefix": "private/"}, 200),
        ("ListObjectsV2", {"Bucket": INPUT, "Prefix": ""}, 200),
        ("DeleteObject", {"Bucket": INPUT, "Key": "uploads/a"}, 204),
        ("GetObject", {"Bucket": "models", "Key": "v2/model.tflite"}, 200),
        ("SendMessageBatch", {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/210987654321/coatcheck-UploadQueue"}, 200),
        ("SendMessageBatch", {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/another"}, 200),
    ],
    ids=str,
)
def test_what_it_never_does_is_refused(call):
    assert not all(granting(call, GRANTED))


def test_a_condition_that_is_not_understood_allows_nothing():
    strange = copy.deepcopy(GRANTED)
    for statement in strange.values():
        statement["Condition"] = {"IpAddress": {"aws:SourceIp": "198.51.100.7"}}

    assert granting(("PutObject", {"Bucket": "x", "Key": "y"}, 200), strange) == [set()]


def test_no_statement_names_everything():
    for statement in GRANTED.values():
        for resource in [statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"]:
            assert resource.startswith("arn:aws:")
            assert resource.count(":") >= 5
            assert not resource.endswith(":*") or statement["Sid"] == "WriteLogs"  # the streams of one group
        assert "*" not in json.dumps(statement["Action"])
