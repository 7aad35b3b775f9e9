"""Makes the events that hand the function its objects, and the context that Lambda hands over with them."""

from __future__ import annotations

import json
from typing import Any

INVOCATION_MS = 300_000


def sqs_event(bucket: str, keys: list[str]) -> dict[str, Any]:
    """Returns an event of SQS with a message for each key, which S3 has sent for an upload."""
    return {"Records": [_message(number, bucket, key) for number, key in enumerate(keys)]}


def _message(number: int, bucket: str, key: str) -> dict[str, Any]:
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-11-02T09:30:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "Uploads",
            "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {"key": key, "size": 544, "eTag": "0" * 32, "sequencer": "0055AED6DCD90281E5"},
        },
    }
    return {
        "messageId": f"059f36b4-87a3-44ab-83d2-{number:012}",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a1",
        "body": json.dumps({"Records": [record]}),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1793611800000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:coatcheck-UploadQueue",
        "awsRegion": "us-east-1",
    }


class Context:
    """The context of an invocation that has just begun."""

    function_name = "coatcheck"
    function_version = "$LATEST"
    memory_limit_in_mb = 1769
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:coatcheck"
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"

    def get_remaining_time_in_millis(self) -> int:
        """Returns the milliseconds that the invocation has left."""
        return INVOCATION_MS
