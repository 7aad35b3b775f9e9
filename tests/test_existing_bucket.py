"""An upload into a bucket that exists already, on its way through EventBridge to the queue, all of it in moto."""

import json

import boto3

from handler.triggers import parse_event
from tests.deployment import deploy

PARAMETERS = {"ExistingInputBucket": "photos", "InputPrefix": "raw/,camera/front/,c/,d/"}
UPLOADED = ["raw/a b+c.png", "camera/front/b.png", "camera/c.png", "elsewhere/raw/d.png", "d/e.png"]


def test_an_upload_reaches_the_queue_by_the_rule_under_any_of_the_prefixes_and_no_other_upload_does(botocore_data):
    with deploy(PARAMETERS) as deployment:
        (mapping,) = boto3.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        boto3.client("lambda").update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)  # it would take the messages
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="photos")
        s3.put_bucket_notification_configuration(Bucket="photos", NotificationConfiguration={"EventBridgeConfiguration": {}})
        for key in UPLOADED:
            s3.put_object(Bucket="photos", Key=key, Body=b"?")
        messages = boto3.client("sqs").receive_message(QueueUrl=deployment.queue, MaxNumberOfMessages=10)["Messages"]

    asked_for = [ref for message in messages for ref in parse_event(json.loads(message["Body"])).objects]
    assert sorted(map(str, asked_for)) == ["s3://photos/camera/front/b.png", "s3://photos/d/e.png", "s3://photos/raw/a b+c.png"]
