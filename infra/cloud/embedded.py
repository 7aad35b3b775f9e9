"""The embedded cloud: the buckets, queues and notification of `template.yaml`, in moto's server on 127.0.0.1.

Together with `infra.cloud.event_source` it runs the function as deployed: an upload reaches the queue by the bucket's own
notification, and the function takes it from there. No Docker, no account, no network.
"""

from __future__ import annotations

import json
import logging
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import cfnlint.decode
from moto.server import ThreadedMotoServer

from handler.settings import DEFAULTS
from infra.paths import TEMPLATE

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import EventType
    from mypy_boto3_s3.type_defs import QueueConfigurationTypeDef
    from mypy_boto3_sqs import SQSClient

logger = logging.getLogger(__name__)

STACK = "coatcheck"
REGION = "us-east-1"

_STORAGE_TYPES = {"AWS::S3::Bucket", "AWS::SQS::Queue"}


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
def start_cloud(template: Path = TEMPLATE, address: str = "127.0.0.1") -> Iterator[Cloud]:
    """Starts moto's server on a free port of `address` and deploys the storage of `template` to it."""
    server = ThreadedMotoServer(ip_address=address, port=0, verbose=False)
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


def clear_aws_environment(host: str = "127.0.0.1") -> None:
    """Drops what would send boto3, the function or the SAM CLI elsewhere than to a cloud on `host`.

    That is the user's AWS settings, the function's own but for MODEL_URI, and proxies.
    """
    for name in list(os.environ):
        if name.startswith("AWS_") or name in {*DEFAULTS, "RESULT_FORMAT"}:
            del os.environ[name]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"127.0.0.1,localhost,{host}"


def _deploy(template: dict[str, Any], endpoint: str) -> Cloud:
    session = boto3.Session(aws_access_key_id="embedded", aws_secret_access_key="embedded", region_name=REGION)
    function = template["Resources"]["ScoringFunction"]["Properties"]
    mapping = function["Events"]["Uploads"]["Properties"]
    variables = function["Environment"]["Variables"]
    values = _create_stack(
        session.client("cloudformation", endpoint_url=endpoint),
        template,
        {
            "Input": {"Ref": "InputBucket"},
            "Output": {"Ref": "OutputBucket"},
            "Queue": {"Ref": "UploadQueue"},
            "DeadLetters": {"Ref": "DeadLetterQueue"},
            "Notified": {"Fn::ToJsonString": template["Resources"]["InputBucket"]["Properties"]["NotificationConfiguration"]},
            **{name.replace("_", ""): value for name, value in variables.items()},
        },
    )
    s3 = session.client("s3", endpoint_url=endpoint)
    (notification,) = json.loads(values["Notified"])["QueueConfigurations"]
    prefix = notification["Filter"]["S3Key"]["Rules"][0]["Value"]
    _notify(s3, values["Input"], notification["Queue"], notification["Event"], prefix)
    return Cloud(
        environment={
            "AWS_ACCESS_KEY_ID": "embedded",
            "AWS_SECRET_ACCESS_KEY": "embedded",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": endpoint,
            **{name: values[output] for name in variables if (output := name.replace("_", "")) in values},
        },
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


def _create_stack(client: Any, template: dict[str, Any], wanted: dict[str, Any]) -> dict[str, str]:
    """Creates the template's buckets and queues, and has CloudFormation itself evaluate what is `wanted`: it knows !Sub.

    It knows !If too: what comes out as AWS::NoValue is left out of the result.
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
