"""The function on an emulated cloud, for errors that need more than an object or an event."""

import io
import json
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.awsrequest import AWSResponse
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse

from handler import errors
from handler.app import build_parts, lambda_handler
from handler.deadline import TimeBudget
from handler.telemetry import logger
from infra.cloud.event_source import Context

INPUT, OUTPUT = "photos", "results"
PNG = (Path(__file__).parents[2] / "events" / "images" / "coat-0.png").read_bytes()


class Function:
    """The function with a bucket of inputs and one of documents, as the template makes them, with other settings if given.

    Its time passes only when `wait` is called.
    """

    def __init__(self, scene, **variables):
        self._scene, self._log, self._now = scene, io.StringIO(), 0.0
        scene.enter(mock_aws())
        scene.enter(fresh_parts())
        scene.patch.setattr(logger.registered_handler, "stream", self._log)
        scene.patch.setattr(TimeBudget.of.__func__, "__defaults__", (lambda: self._now,))
        self.deploy(**{"INPUT_URIS": f"s3://{INPUT}/uploads/", "OUTPUT_URI": f"s3://{OUTPUT}/predictions/"} | variables)
        self.s3, self.sqs = boto3.client("s3"), boto3.client("sqs")
        for bucket in (INPUT, OUTPUT):
            self.s3.create_bucket(Bucket=bucket)

    def deploy(self, **variables):
        """Starts the function anew with some settings changed."""
        for name, value in variables.items():
            self._scene.patch.setenv(name, value)
        build_parts.cache_clear()

    def put(self, key, content, bucket=INPUT, **options):
        self.s3.put_object(Bucket=bucket, Key=key, Body=content, **options)

    def with_queue(self):
        """Makes the function's queue, and returns the function that knows it."""
        self.deploy(QUEUE_URL=self.sqs.create_queue(QueueName="uploads")["QueueUrl"])
        return self

    def wait(self, seconds):
        self._now += seconds

    def invoke(self, event, remaining_ms=60_000):
        return lambda_handler(event, Context(aws_request_id="request", remaining_ms=remaining_ms))

    def errors_of(self, event, **context):
        """Returns the errors that the log tells of after an event, those of objects first and that of the invocation last."""
        self._log.truncate(0)
        raised = []
        try:
            self.invoke(event, **context)
        except errors.ScoringError as error:
            raised = [error]
        lines = [json.loads(line) for line in self._log.getvalue().strip("\0").splitlines()]
        return [getattr(errors, line["error"])(line["reason"]) for line in lines if {"error", "reason"} <= line.keys()] + raised

    def error_of(self, event, **context):
        """Returns the first error that the log tells of after an event."""
        return self.errors_of(event, **context)[0]

    def when(self, operation, answer):
        """Has `answer(request)` answer an operation of AWS, such as s3.PutObject, for the function; None leaves it to moto."""
        to_moto = BotocoreStubber.__call__

        def answering(stubber, event_name, request, **rest):
            is_meant = event_name == f"before-send.{operation}" and b"coatcheck" in request.headers["User-Agent"]
            return (answer(request) if is_meant else None) or to_moto(stubber, event_name, request, **rest)

        self._scene.patch.setattr(BotocoreStubber, "__call__", answering)


def answer(status, content):
    """An answer of AWS."""
    return AWSResponse("", status, {}, MockRawResponse(content))


def refusal(status, code):
    """The answer of S3 to a request that it refuses."""
    return answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())


@contextmanager
def fresh_parts():
    """Has the function build its parts anew, and leaves none behind."""
    build_parts.cache_clear()
    yield
    build_parts.cache_clear()


def objects(*keys, bucket=INPUT):
    return {"objects": [f"s3://{bucket}/{key}" for key in keys]}
