"""An upload to the deployed template reaches the function, by whichever trigger was chosen."""

import json
from urllib.parse import unquote_plus

import boto3
import moto.s3.notifications
from moto.awslambda_simple.models import LambdaSimpleBackend

from tests.deployment import INPUT, arn_of, deploy


def messages(url):
    return [json.loads(each["Body"]) for each in boto3.client("sqs").receive_message(QueueUrl=url).get("Messages", [])]


def upload(*keys):
    """Puts objects into the input bucket; without its policy, since moto refuses what that refuses on conditions, always."""
    s3 = boto3.client("s3")
    s3.delete_bucket_policy(Bucket=INPUT)
    for key in keys:
        s3.put_object(Bucket=INPUT, Key=key, Body=b"pixels")


def test_an_upload_reaches_the_function_by_the_queue(botocore_data, monkeypatch):
    invoked = []
    monkeypatch.setattr(
        LambdaSimpleBackend, "invoke", lambda _, function_name, body, **__: invoked.append((function_name, json.loads(body)))
    )
    with deploy({}) as deployment:
        upload("uploads/a.png", "elsewhere/a.png")

    test_event, notified = (json.loads(record["body"]) for _, event in invoked for record in event["Records"])
    assert test_event["Event"] == "s3:TestEvent"
    assert [unquote_plus(record["s3"]["object"]["key"]) for record in notified["Records"]] == ["uploads/a.png"]
    assert {arn.split(":")[6] for arn, _ in invoked} == {deployment.function}


def test_an_upload_reaches_the_function_directly(botocore_data, monkeypatch):
    invoked = []
    with deploy({"UploadTrigger": "direct"}) as deployment:
        monkeypatch.setattr(moto.s3.notifications, "_invoke_awslambda", lambda _, event, arn, __: invoked.append((arn, event)))
        upload("uploads/a.png", "elsewhere/a.png")

    ((arn, event),) = invoked
    assert arn == deployment.alias
    assert [unquote_plus(record["s3"]["object"]["key"]) for record in event["Records"]] == ["uploads/a.png"]


def test_an_upload_reaches_the_rule(botocore_data):
    """moto's rules send to no function, so a queue takes its place."""
    with deploy({"UploadTrigger": "eventbridge"}) as deployment:
        instead = {"Id": "ScoringFunction", "Arn": arn_of(deployment.dead_letters)}
        boto3.client("events").put_targets(Rule=deployment.resources["UploadRule"], Targets=[instead])
        upload("uploads/a b.png", "elsewhere/a.png")

        (message,) = messages(deployment.dead_letters)
        assert (message["source"], message["detail-type"]) == ("aws.s3", "Object Created")
        assert message["detail"]["bucket"]["name"] == INPUT
        assert unquote_plus(message["detail"]["object"]["key"]) == "uploads/a b.png"
        assert messages(deployment.dead_letters) == []
