"""The role allows what the function does, and nothing that it never does. The calls are recorded by `tests/conftest.py`."""

import copy
import json
import urllib.request
from collections import Counter

import boto3
import pytest

from handler.app import build_parts, lambda_handler
from handler.model import BUNDLED_ARTIFACT
from infra.cloud.event_source import Context
from tests.conftest import INPUT, OUTPUT
from tests.permissions import LAMBDAS_OWN, Need, allows, aslist, granting, statements

GRANTED = statements(ModelUri="s3://models/v1/")

STATES = "arn:aws:states:us-east-1:123456789012"
RUN = f"arn:aws:s3:::{OUTPUT}/predictions/_coatcheck/runs/nightly"
FUNCTION = "coatcheck-ScoringFunction.Alias"
# What AWS documents that a Distributed Map asks for, which reads its items from S3, writes its results there and invokes a
# function: https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
BACKLOG_NEEDS = {
    "TakeEachStep": [Need("lambda:InvokeFunction", FUNCTION)],
    "ReadShards": [Need("s3:GetObject", f"{RUN}/shards.json")],
    "WriteResults": [
        Need(action, f"{RUN}/results/0a1b/SUCCEEDED_0.json")
        for action in ("s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload")
    ],
    "StartShards": [Need("states:StartExecution", f"{STATES}:stateMachine:coatcheck-backlog")],
    "FollowAndStopShards": [
        Need(action, f"{STATES}:execution:coatcheck-backlog{place}")
        for action in ("states:DescribeExecution", "states:StopExecution")
        for place in (":0a1b", "/shards:0a1b")
    ],
    "RedriveShards": [Need("states:RedriveExecution", f"{STATES}:execution:coatcheck-backlog/shards:0a1b")],
}


def everything_it_does(recorded, s3, sqs, monkeypatch):
    """Scores, finds a duplicate, misses an object, sweeps to the queue, fails a message, and reads its model from S3."""
    for bucket in (INPUT, OUTPUT, "models"):
        s3.create_bucket(Bucket=bucket)
    for path in BUNDLED_ARTIFACT.iterdir():
        s3.put_object(Bucket="models", Key=f"v1/{path.name}", Body=path.read_bytes())
    url = sqs.create_queue(QueueName="coatcheck-UploadQueue-1A2B3C")["QueueUrl"]
    monkeypatch.setenv("MODEL_URI", "s3://models/v1/")
    monkeypatch.setenv("QUEUE_URL", url)
    for key in ("uploads/a", "uploads/b"):
        s3.put_object(Bucket=INPUT, Key=key, Body=b"?")
    build_parts.cache_clear()
    score = {"objects": [f"s3://{INPUT}/uploads/a"]}
    arn = f"arn:aws:sqs:us-east-1:123456789012:{url.rpartition('/')[2]}"
    failing = {"messageId": "m", "receiptHandle": "h", "body": "?", "eventSource": "aws:sqs", "eventSourceARN": arn}
    missing = {"objects": [f"s3://{INPUT}/uploads/missing"]}
    for event in (score, score, {"job": "sweep"}, missing, {"Records": [failing]}):
        lambda_handler(event, Context("r"))
    build_parts.cache_clear()
    return list(recorded)


@pytest.fixture(params=["boto3", "obstore"])
def calls(request, recorded_calls, s3_server, monkeypatch):
    monkeypatch.setenv("S3_CLIENT", request.param)
    return everything_it_does(recorded_calls, s3_server, boto3.client("sqs"), monkeypatch)


def test_both_clients_of_the_function_make_the_same_calls_but_for_what_is_asked_again(recorded_calls, s3_server, monkeypatch):
    def made(client):
        urllib.request.urlopen(urllib.request.Request(f"{s3_server.meta.endpoint_url}/moto-api/reset", method="POST")).close()
        recorded_calls.clear()
        monkeypatch.setenv("S3_CLIENT", client)
        calls = everything_it_does(recorded_calls, s3_server, boto3.client("sqs"), monkeypatch)
        return Counter((operation, arguments.get("Key")) for operation, arguments, _ in calls)

    by_boto3, by_obstore = made("boto3"), made("obstore")

    # boto3 asks again, to tell a missing object from a missing bucket; what follows the first block is a GET of its own.
    assert by_obstore - by_boto3 == {("GetObject", "uploads/missing"): 1, ("GetObject", "v1/model.tflite"): 1}
    assert not by_boto3 - by_obstore


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


def test_without_any_one_action_some_call_is_refused(calls):
    """Not even by another statement, unless that one is for Lambda's own calls."""
    own = {sid: statement for sid, statement in GRANTED.items() if sid not in LAMBDAS_OWN}

    def refused(granted):
        return sum(not sids for call in calls for sids in granting(call, granted))

    for sid, statement in own.items():
        actions = aslist(statement["Action"])
        for action in actions:
            fewer = own | {sid: statement | {"Action": [other for other in actions if other != action]}}
            assert refused(fewer) > refused(own), f"no call needs {action} of {sid}"


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


def test_the_state_machine_may_do_what_its_map_needs_and_each_statement_is_for_some_of_it():
    granted = statements(role="BacklogRole")

    for sid, needed in BACKLOG_NEEDS.items():
        for need in needed:
            assert [name for name, statement in granted.items() if allows(statement, need)] == [sid], need
    assert set(BACKLOG_NEEDS) == set(granted)


@pytest.mark.parametrize(
    "need",
    [
        Need("s3:GetObject", f"arn:aws:s3:::{OUTPUT}/predictions/uploads/a.json"),
        Need("s3:GetObject", f"{RUN}/keys/1/000001.jsonl.gz"),
        Need("s3:PutObject", f"{RUN}/shards.json"),
        Need("s3:PutObject", f"arn:aws:s3:::{OUTPUT}/predictions/_coatcheck/shards/0123456789abcdef/nightly/000001.jsonl"),
        Need("s3:PutObject", f"arn:aws:s3:::{INPUT}/predictions/_coatcheck/runs/nightly/results/a"),
        Need("s3:DeleteObject", f"{RUN}/results/a"),
        Need("s3:ListBucket", f"arn:aws:s3:::{OUTPUT}"),
        Need("lambda:InvokeFunction", "another.Alias"),
        Need("states:StartExecution", f"{STATES}:stateMachine:another"),
        Need("states:StopExecution", f"{STATES}:execution:coatcheck-backlog-2:0a1b"),
        Need("states:RedriveExecution", f"{STATES}:execution:coatcheck-backlog:0a1b"),
    ],
    ids=str,
)
def test_what_the_state_machine_never_does_is_refused(need):
    assert not [sid for sid, statement in statements(role="BacklogRole").items() if allows(statement, need)]


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
