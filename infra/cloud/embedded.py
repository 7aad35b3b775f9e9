"""Runs the embedded cloud: the buckets, queues, notification and state machine of `template.yaml`, on 127.0.0.1.

Together with `infra.cloud.event_source` it runs the function as it is deployed: an upload reaches the queue by the bucket's own
notification, and the event source takes it from there to the function. A backlog runs in the state machine, which invokes the
function in processes of their own. It needs no Docker, no account and no network, and starts what is not needed when it is.
"""

from __future__ import annotations

import json
import os
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from handler.settings import DEFAULTS
from infra.cloud.functions import Functions
from infra.cloud.instances import HANDLER, Instances
from infra.cloud.names import ALIAS_ARN, FUNCTION, FUNCTION_ARN, MACHINE_ARN, REGION, STACK
from infra.cloud.server import serve
from infra.cloud.workflows import Workflows
from infra.errors import InfraError
from infra.paths import TEMPLATE
from infra.template import read_template

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import EventType
    from mypy_boto3_s3.type_defs import QueueConfigurationTypeDef
    from mypy_boto3_sqs import SQSClient

# Buckets are named as the files of `events` name them. Figures are drawn of nothing here.
_PARAMETERS = {"BucketNames": "without-region", "Backlogs": "on", "Dashboard": "off"}

_OWN = "Own"  # begins the names of the outputs that are not the template's

# By the names that the template refers to them by.
_KNOWN = {
    "ScoringFunction": FUNCTION,
    "ScoringFunction.Alias": ALIAS_ARN,
    "ScoringLogGroup": f"/aws/lambda/{FUNCTION}",
    "Backlog": MACHINE_ARN,
}

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
def start_cloud(
    template: Path = TEMPLATE, address: str = "127.0.0.1", port: int = 0, *, instances: int = 1, handler: str = HANDLER
) -> Iterator[Cloud]:
    """Starts a cloud on a `port` of `address`, 0 for any that is free, and deploys the storage of `template` to it.

    Args:
        template: the template, as SAM reads it.
        address: the address of this machine to listen at.
        port: the port to listen at.
        instances: the largest number of processes that invocations of the function run in at once. None is started before it
            is needed; the event source's invocations run in this process.
        handler: the dotted name of the function that these processes run.

    Raises:
        InfraError: another program has the port.
    """
    _require_free(address, port)
    with serve(address, port) as serving:
        # moto's state belongs to the process, not to the server: it would still hold what an earlier cloud held.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        direct.open(urllib.request.Request(f"{serving.endpoint}/moto-api/reset", method="POST")).close()
        read = read_template(template.read_text())
        function = read["Resources"]["ScoringFunction"]["Properties"]
        cloud = _deploy(read, serving.endpoint)
        processes = Instances(cloud.environment, instances, handler=handler, timeout_s=function["Timeout"])
        tolerated = read["Parameters"]["BacklogToleratedFailures"]["Default"]
        workflows = Workflows(serving.endpoint, concurrency=instances, tolerated_failures=tolerated)
        serving.door.functions = Functions(processes.invoke, _configuration(function, cloud.environment))
        serving.door.workflows = workflows
        try:
            yield cloud
        finally:
            workflows.stop()
            processes.close()


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


def _configuration(function: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    """Returns what Lambda tells of the function."""
    told = {name: function[name] for name in ("Handler", "Runtime", "MemorySize", "Timeout")}
    told |= {"FunctionName": FUNCTION, "FunctionArn": FUNCTION_ARN, "Version": "$LATEST", "State": "Active"}
    return told | {"Environment": {"Variables": environment}}


def _outputs(template: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
    """Returns the outputs that CloudFormation is to evaluate: the template's own, and what the cloud itself must know.

    The latter are the storage's names, its notification and the function's variables. Outputs take the known values of what
    is not created by CloudFormation here.
    """
    own = {
        "Input": {"Ref": "InputBucket"},
        "Output": {"Ref": "OutputBucket"},
        "Queue": {"Ref": "UploadQueue"},
        "DeadLetters": {"Ref": "DeadLetterQueue"},
        "Notified": {"Fn::ToJsonString": template["Resources"]["InputBucket"]["Properties"]["NotificationConfiguration"]},
        **{_output_name(name): value for name, value in variables.items()},
    }
    return {f"{_OWN}{name}": {"Value": value} for name, value in own.items()} | {
        name: output | {"Value": _known(output["Value"])} for name, output in template["Outputs"].items()
    }


def _known(expression: Any) -> Any:
    """Returns an expression with the names of what CloudFormation does not create here in the place of references to it."""
    if isinstance(expression, dict):
        return _KNOWN.get(expression.get("Ref", "")) or {key: _known(value) for key, value in expression.items()}
    return [_known(item) for item in expression] if isinstance(expression, list) else expression


def _output_name(variable: str) -> str:
    return variable.replace("_", "")  # the name of an output has letters and digits only


def _create_stack(client: Any, template: dict[str, Any], outputs: dict[str, Any]) -> dict[str, str]:
    """Creates the template's buckets and queues, and returns the values of the `outputs` that are the cloud's own.

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
        "Outputs": outputs,
    }
    values = _PARAMETERS | {"S3Client": os.environ.get("S3_CLIENT") or template["Parameters"]["S3Client"]["Default"]}
    parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]
    client.create_stack(StackName=STACK, TemplateBody=json.dumps(storage), Parameters=parameters)
    (stack,) = client.describe_stacks(StackName=STACK)["Stacks"]
    told = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    return {name.removeprefix(_OWN): value for name, value in told.items() if name.startswith(_OWN)}


def _notify(s3: S3Client, bucket: str, queue_arn: str, event: EventType, prefix: str) -> None:
    """Sets up the bucket's notification, because moto's CloudFormation does not."""
    queue: QueueConfigurationTypeDef = {
        "QueueArn": queue_arn,
        "Events": [event],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
    }
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [queue]})
