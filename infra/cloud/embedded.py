"""Runs the embedded cloud: the buckets, queues and notification of `template.yaml`, in moto's server on 127.0.0.1.

Together with `infra.cloud.event_source` it runs the function as it is deployed: an upload reaches the queue by the bucket's own
notification, and the event source takes it from there to the function. It needs no Docker, no account and no network.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from moto.server import ThreadedMotoServer

from handler.settings import DEFAULTS
from infra.errors import InfraError
from infra.paths import TEMPLATE
from infra.template import read_template

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import EventType
    from mypy_boto3_s3.type_defs import QueueConfigurationTypeDef
    from mypy_boto3_sqs import SQSClient

logger = logging.getLogger(__name__)

STACK = "coatcheck"
REGION = "us-east-1"

_PARAMETERS = {"BucketNames": "without-region"}  # as the files of `events` name the buckets

_STORAGE_TYPES = {"AWS::S3::Bucket", "AWS::SQS::Queue"}


@dataclass(frozen=True, slots=True)
class Cloud:
    """Describes a running embedded cloud.

    Attributes:
        environment: The variables that the function runs with: its own, and those by which boto3 finds the cloud.
        batch_messages: The largest number of messages that the template lets the event source pass to one invocation.
        reports_failures: Whether the template lets the function report single messages as failed.
    """

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
def start_cloud(template: Path = TEMPLATE, address: str = "127.0.0.1", port: int = 0) -> Iterator[Cloud]:
    """Starts moto's server on a `port` of `address`, 0 for any that is free, and deploys the storage of `template` to it.

    Raises:
        InfraError: another program has the port.
    """
    _require_free(address, port)
    server = ThreadedMotoServer(ip_address=address, port=port, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        # moto's state belongs to the process, not to the server: it would still hold what an earlier cloud held.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        direct.open(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()
        yield _deploy(read_template(template.read_text()), endpoint)
    finally:
        server.stop()


def _require_free(address: str, port: int) -> None:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise InfraError(f"Expected a free port. Received: {address}:{port}, {error.strerror}; choose another.") from error


def clear_aws_environment(host: str = "127.0.0.1") -> None:
    """Removes every variable that could send boto3, the function or the SAM CLI elsewhere than to a cloud on `host`.

    These are the user's AWS settings and the function's own settings, except MODEL_URI. No proxy is used for `host`.
    """
    for name in list(os.environ):
        if name.startswith("AWS_") or name in {*DEFAULTS, "RESULT_FORMAT"}:
            del os.environ[name]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"127.0.0.1,localhost,{host}"


def _deploy(template: dict[str, Any], endpoint: str) -> Cloud:
    session = boto3.Session(aws_access_key_id="embedded", aws_secret_access_key="embedded", region_name=REGION)
    s3 = session.client("s3", endpoint_url=endpoint)
    function = template["Resources"]["ScoringFunction"]["Properties"]
    variables = function["Environment"]["Variables"]
    values = _create_stack(session.client("cloudformation", endpoint_url=endpoint), template, _outputs(template, variables))
    # moto leaves a null in the place of each further prefix, of which there is none.
    (notification,) = filter(None, json.loads(values["Notified"])["QueueConfigurations"])
    prefix = notification["Filter"]["S3Key"]["Rules"][0]["Value"]
    _notify(s3, values["Input"], notification["Queue"], notification["Event"], prefix)
    mapping = function["Events"]["Uploads"]["Properties"]
    return Cloud(
        environment=_connection(endpoint)
        | {name: values[output] for name in variables if (output := _output_name(name)) in values},
        input_bucket=values["Input"],
        output_bucket=values["Output"],
        queue_url=values["Queue"],
        queue_arn=notification["Queue"],
        dead_letter_url=values["DeadLetters"],
        batch_messages=mapping["BatchSize"],
        reports_failures="ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", ()),
        s3=s3,
        sqs=session.client("sqs", endpoint_url=endpoint),
    )


def _connection(endpoint: str) -> dict[str, str]:
    """Returns the variables by which boto3 finds the cloud."""
    return {
        "AWS_ACCESS_KEY_ID": "embedded",
        "AWS_SECRET_ACCESS_KEY": "embedded",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
    }


def _outputs(template: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
    """Returns the values that CloudFormation is to evaluate: the storage's names, its notification and the variables."""
    return {
        "Input": {"Ref": "InputBucket"},
        "Output": {"Ref": "OutputBucket"},
        "Queue": {"Ref": "UploadQueue"},
        "DeadLetters": {"Ref": "DeadLetterQueue"},
        "Notified": {"Fn::ToJsonString": template["Resources"]["InputBucket"]["Properties"]["NotificationConfiguration"]},
        **{_output_name(name): value for name, value in variables.items()},
    }


def _output_name(variable: str) -> str:
    return variable.replace("_", "")  # the name of an output has letters and digits only


def _create_stack(client: Any, template: dict[str, Any], wanted: dict[str, Any]) -> dict[str, str]:
    """Creates the template's buckets and queues, and returns the values of the expressions in `wanted`.

    CloudFormation itself evaluates them, because it knows !Sub and !If. An expression that gives AWS::NoValue is left out.
    """
    storage = {
        "Parameters": template["Parameters"],
        "Conditions": template["Conditions"],
        "Resources": {
            name: {"Type": resource["Type"], "Properties": resource["Properties"]}
            for name, resource in template["Resources"].items()
            if resource["Type"] in _STORAGE_TYPES
        },
        "Outputs": {name: {"Value": value} for name, value in wanted.items()},
    }
    values = _PARAMETERS | {"S3Client": os.environ.get("S3_CLIENT") or template["Parameters"]["S3Client"]["Default"]}
    parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]
    client.create_stack(StackName=STACK, TemplateBody=json.dumps(storage), Parameters=parameters)
    (stack,) = client.describe_stacks(StackName=STACK)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def _notify(s3: S3Client, bucket: str, queue_arn: str, event: EventType, prefix: str) -> None:
    """Sets up the bucket's notification, because moto's CloudFormation does not."""
    queue: QueueConfigurationTypeDef = {
        "QueueArn": queue_arn,
        "Events": [event],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
    }
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [queue]})
