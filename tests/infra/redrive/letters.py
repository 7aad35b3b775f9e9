"""Dead letters as each sender writes them, for the tests of `coatcheck redrive`."""

import json

from infra.paths import EVENTS

RECORDS = [json.loads(record["body"]) for record in json.loads((EVENTS / "sqs-dead-letters.json").read_text())["Records"]]
UPLOAD = json.loads((EVENTS / "eventbridge-upload.json").read_text())
NOTIFICATION = json.loads((EVENTS / "sns-upload.json").read_text())["Records"][0]["Sns"]
IMAGE = "s3://coatcheck-input-123456789012/uploads/"

RULE = {
    "RULE_ARN": "arn:aws:events:us-east-1:123456789012:rule/coatcheck-UploadRule-1A2B3C",
    "TARGET_ARN": "arn:aws:lambda:us-east-1:123456789012:function:coatcheck:live",
    "ERROR_CODE": "NO_PERMISSIONS",
    "ERROR_MESSAGE": "User is not authorized to perform: lambda:InvokeFunction",
    "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
    "RETRY_ATTEMPTS": "185",
}
SCHEDULE = {
    "SCHEDULE_ARN": "arn:aws:scheduler:us-east-1:123456789012:schedule/default/coatcheck-Sweep-1A2B3C",
    "TARGET_ARN": "arn:aws:scheduler:::aws-sdk:lambda:invoke",
    "SCHEDULED_TIME": "2026-11-02T10:00:00Z",
    "ERROR_CODE": "AWS.Scheduler.InternalServerError",
    "ERROR_MESSAGE": "Unexpected error occurred while processing the request",
    "EXECUTION_ID": "ad06616e51cdf74a",
    "IS_PAYLOAD_TRUNCATED": "false",
    "RETRY_ATTEMPTS": "10",
}
SWEEP = {"job": "sweep", "scheduled_time": "<aws.scheduler.scheduled-time>"}  # the template's own inputs
PLAN = {"job": "plan", "run": "scheduled-<aws.scheduler.scheduled-time>"}


def record_of(event, error="InvocationFailed"):
    """Lambda's record of an asynchronous invocation with an event that failed."""
    return {**RECORDS[0], "requestPayload": event, "responsePayload": {"errorMessage": "no", "errorType": error}}


def notification(key):
    """What S3 sends to the queue about an upload."""
    entity = {"bucket": {"name": "coatcheck-input-123456789012"}, "object": {"key": key, "size": 1}}
    return {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": entity}]}


def postponed(event, failures=8):
    return {"postponed": True, "message": json.dumps(event), "failures": failures}


def attributes(values):
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}


def put(sqs, url, body, values=None):
    """Puts a letter into a queue, and returns its name."""
    text = body if isinstance(body, str) else json.dumps(body)
    return sqs.send_message(QueueUrl=url, MessageBody=text, MessageAttributes=attributes(values or {}))["MessageId"]
