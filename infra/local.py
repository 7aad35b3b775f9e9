"""The embedded cloud: the buckets, queues and notification of `template.yaml`, in moto's server on 127.0.0.1.

Together with `EventSource`, which does what Lambda's event source mapping does, it runs the function as deployed: an upload
reaches the queue by the bucket's own notification, and the function takes it from there. No Docker, no account, no network.
"""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import cfnlint.decode
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import EventType
    from mypy_boto3_s3.type_defs import QueueConfigurationTypeDef
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

logger = logging.getLogger(__name__)

TEMPLATE = Path(__file__).parent.parent / "template.yaml"
STACK = "coatcheck"
REGION = "us-east-1"

_STORAGE_TYPES = {"AWS::S3::Bucket", "AWS::SQS::Queue"}
_MAX_RECEIVE = 10  # messages in one ReceiveMessage call, SQS's own limit


@dataclass(frozen=True, slots=True)
class Cloud:
    """A running embedded cloud. `environment` is what the function needs to run in it: its own variables and boto3's."""

    environment: dict[str, str]
    input_bucket: str
    output_bucket: str
    queue_url: str
    queue_arn: str
    dead_letter_url: str
    batch_messages: int
    reports_failures: bool
    s3: S3Client
    sqs: SQSClient


@contextmanager
def start_cloud(template: Path = TEMPLATE) -> Iterator[Cloud]:
    """Starts moto's server on a free port of 127.0.0.1 and deploys the storage of `template` to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        # moto's state belongs to the process, not to the server: a cloud that was here before would still be there.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        direct.open(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()
        yield _deploy(cfnlint.decode.decode_str(template.read_text())[0], endpoint)
    finally:
        server.stop()


def _deploy(template: dict[str, Any], endpoint: str) -> Cloud:
    session = boto3.Session(aws_access_key_id="embedded", aws_secret_access_key="embedded", region_name=REGION)
    function = template["Resources"]["ScoringFunction"]["Properties"]
    mapping = function["Events"]["Uploads"]["Properties"]
    variables = function["Environment"]["Variables"]
    notification = template["Resources"]["InputBucket"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"][0]
    values = _create_stack(
        session.client("cloudformation", endpoint_url=endpoint),
        template,
        {
            "Input": {"Ref": "InputBucket"},
            "Output": {"Ref": "OutputBucket"},
            "Queue": {"Ref": "UploadQueue"},
            "DeadLetters": {"Ref": "DeadLetterQueue"},
            "NotifiedQueue": notification["Queue"],
            "NotifiedPrefix": notification["Filter"]["S3Key"]["Rules"][0]["Value"],
            **{name.replace("_", ""): value for name, value in variables.items()},
        },
    )
    s3 = session.client("s3", endpoint_url=endpoint)
    _notify(s3, values["Input"], values["NotifiedQueue"], notification["Event"], values["NotifiedPrefix"])
    return Cloud(
        environment={
            "AWS_ACCESS_KEY_ID": "embedded",
            "AWS_SECRET_ACCESS_KEY": "embedded",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": endpoint,
            **{name: values[name.replace("_", "")] for name in variables},
        },
        input_bucket=values["Input"],
        output_bucket=values["Output"],
        queue_url=values["Queue"],
        queue_arn=values["NotifiedQueue"],
        dead_letter_url=values["DeadLetters"],
        batch_messages=mapping["BatchSize"],
        reports_failures="ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", ()),
        s3=s3,
        sqs=session.client("sqs", endpoint_url=endpoint),
    )


def _create_stack(client: Any, template: dict[str, Any], wanted: dict[str, Any]) -> dict[str, str]:
    """Creates the template's buckets and queues, and has CloudFormation itself evaluate what is `wanted`: it knows !Sub."""
    storage = {
        "Parameters": template["Parameters"],
        "Resources": {
            name: {"Type": resource["Type"], "Properties": resource["Properties"]}
            for name, resource in template["Resources"].items()
            if resource["Type"] in _STORAGE_TYPES
        },
        "Outputs": {name: {"Value": value} for name, value in wanted.items()},
    }
    client.create_stack(StackName=STACK, TemplateBody=json.dumps(storage))
    (stack,) = client.describe_stacks(StackName=STACK)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def _notify(s3: S3Client, bucket: str, queue_arn: str, event: EventType, prefix: str) -> None:
    """Sets up the bucket's notification, which moto's CloudFormation leaves out."""
    queue: QueueConfigurationTypeDef = {
        "QueueArn": queue_arn,
        "Events": [event],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
    }
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [queue]})


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda hands to a function beside the event, as far as it is used."""

    aws_request_id: str
    function_name: str = "coatcheck"
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:123456789012:function:coatcheck"

    def get_remaining_time_in_millis(self) -> int:
        """Returns the whole timeout: nothing is timed here."""
        return 60_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """One invocation by the event source. `answer` is what the function returned, None if it raised `error`."""

    event: dict[str, Any]
    answer: object
    error: Exception | None
    deleted: tuple[str, ...]
    returned: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventSource:
    """Takes messages from the cloud's queue and gives them to a function, as Lambda's event source mapping does.

    A message is deleted if the function returns and does not name it in `batchItemFailures`, which Lambda looks at only where
    the template has `ReportBatchItemFailures`; without it, whatever a function returns deletes all. If the function raises, or
    answers in a form that Lambda does not accept, the whole batch goes back. What goes back is seen again after the queue's
    visibility timeout, or at once if the source `is_impatient`; after `maxReceiveCount` deliveries the queue moves it to its
    dead letters.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """

    cloud: Cloud
    function: Callable[[dict[str, Any], Any], object]
    batch_messages: int = 10
    is_impatient: bool = False

    def deliver(self) -> Delivery | None:
        """Invokes the function once, with up to `batch_messages` messages; None: there are none."""
        received = self._receive()
        if not received:
            return None
        event = {"Records": [self._record(message) for message in received]}
        answer, error = None, None
        try:
            answer = self.function(event, Context(aws_request_id=received[0]["MessageId"]))
        except Exception as raised:  # whatever it is, Lambda takes it as "the batch failed"
            error = raised
        ids = [message["MessageId"] for message in received]
        reported = _failures(answer, ids) if self.cloud.reports_failures else set()
        returned = set(ids) if error else reported
        for message in received:
            handle = {"QueueUrl": self.cloud.queue_url, "ReceiptHandle": message["ReceiptHandle"]}
            if message["MessageId"] not in returned:
                self.cloud.sqs.delete_message(**handle)
            elif self.is_impatient:
                self.cloud.sqs.change_message_visibility(**handle, VisibilityTimeout=0)
        deleted = tuple(name for name in ids if name not in returned)
        return Delivery(event, answer, error, deleted, tuple(name for name in ids if name in returned))

    def drain(self, most: int = 100) -> list[Delivery]:
        """Invokes the function until the queue shows no message, at most `most` times."""
        deliveries: list[Delivery] = []
        while len(deliveries) < most and (delivery := self.deliver()):
            deliveries.append(delivery)
        return deliveries

    def _receive(self) -> list[MessageTypeDef]:
        received: list[MessageTypeDef] = []
        while len(received) < self.batch_messages:
            response = self.cloud.sqs.receive_message(
                QueueUrl=self.cloud.queue_url,
                MaxNumberOfMessages=min(_MAX_RECEIVE, self.batch_messages - len(received)),
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            if not response.get("Messages"):
                break
            received += response["Messages"]
        return received

    def _record(self, message: MessageTypeDef) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": message.get("MessageAttributes", {}),
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self.cloud.queue_arn,
            "awsRegion": REGION,
        }


def _failures(answer: object, ids: list[str]) -> set[str]:
    """The messages that go back; all of them if the answer is not one that Lambda accepts."""
    if answer is None:
        return set()
    if not isinstance(answer, dict):
        return set(ids)
    failures = answer.get("batchItemFailures") or []
    try:
        named = [failure["itemIdentifier"] for failure in failures]
    except (TypeError, KeyError):
        return set(ids)
    return set(named) if all(name in ids for name in named) else set(ids)
