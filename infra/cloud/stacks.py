"""Deploys a stack by CloudFormation as `sam deploy` does: the parts go to a bucket, and change sets are made and executed.

It works on an emulator that takes SAM's templates, such as ministack. What the template names by path is uploaded once.
"""

from __future__ import annotations

import copy
import functools
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import ClientError, WaiterError

from infra.cloud.names import REGION
from infra.errors import InfraError
from infra.paths import ROOT

PARTS = "rehearsal-packages"  # the bucket of what a stack is made of

_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
_PATIENCE = {"Delay": 1, "MaxAttempts": 120}
_EVERYTHING = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


class Identity(NamedTuple):
    """An access key and its secret, which say who calls."""

    key: str
    secret: str


ROOT_USER = Identity("test", "test")  # ministack's name for the owner of its account, which no policy holds back


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack of one template, which stands at `url`, on the cloud at `endpoint`; it may not be deployed yet.

    Whatever is asked of the cloud, `identity` asks.
    """

    name: str
    endpoint: str
    url: str
    identity: Identity = ROOT_USER

    def client(self, service: str) -> Any:
        """Returns a client of one service of the cloud."""
        return client(self.endpoint, service, self.identity)

    @property
    def resources(self) -> frozenset[str]:
        """The names of the resources that the stack has; none if it is not deployed."""
        try:
            told = self.client("cloudformation").describe_stack_resources(StackName=self.name)
        except ClientError:
            return frozenset()
        return frozenset(one["LogicalResourceId"] for one in told["StackResources"])

    @property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of the deployed stack."""
        (stack,) = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    def deploy(self, **parameters: str) -> None:
        """Creates the stack, or updates it, with parameters that are not the template's defaults.

        Raises:
            InfraError: CloudFormation refuses the template, or a resource fails.
        """
        formation = self.client("cloudformation")
        kind = "update" if self.resources else "create"
        change = {"StackName": self.name, "ChangeSetName": f"to-{'-'.join(sorted(parameters.values()))}"}
        values = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
        with self._told():
            formation.create_change_set(
                **change, ChangeSetType=kind.upper(), TemplateURL=self.url, Capabilities=_CAPABILITIES, Parameters=values
            )
            formation.get_waiter("change_set_create_complete").wait(**change, WaiterConfig=_PATIENCE)
            formation.execute_change_set(**change)
            formation.get_waiter(f"stack_{kind}_complete").wait(StackName=self.name, WaiterConfig=_PATIENCE)

    def delete(self) -> None:
        """Deletes the stack, of which the template may keep some resources.

        Raises:
            InfraError: a resource cannot be deleted.
        """
        formation = self.client("cloudformation")
        with self._told():
            formation.delete_stack(StackName=self.name)
            formation.get_waiter("stack_delete_complete").wait(StackName=self.name, WaiterConfig=_PATIENCE)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Adds the reasons that CloudFormation gives to an error."""
        try:
            yield
        except (ClientError, WaiterError) as error:
            reasons = "; ".join(self._reasons())
            raise InfraError(
                f"Expected the stack {self.name} to be deployed or deleted. Received: {error}. {reasons}"
            ) from error

    def _reasons(self) -> Iterator[str]:
        try:
            events = self.client("cloudformation").describe_stack_events(StackName=self.name)["StackEvents"]
        except ClientError:  # there is no such stack
            return
        for event in events:
            if "FAILED" in event["ResourceStatus"] and event.get("ResourceStatusReason"):
                yield f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"


@functools.cache
def client(endpoint: str, service: str, identity: Identity = ROOT_USER) -> Any:
    """Returns the client of one service of the emulator at an endpoint, with credentials that open nothing else."""
    session = boto3.Session(aws_access_key_id=identity.key, aws_secret_access_key=identity.secret, region_name=REGION)
    return session.client(service, endpoint_url=endpoint)  # type: ignore[call-overload]


def administrator(endpoint: str, name: str) -> Identity:
    """Makes a user of a name who may do everything, as far as no policy of a bucket or a queue refuses it."""
    iam = client(endpoint, "iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="everything", PolicyDocument=json.dumps(_EVERYTHING))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return Identity(made["AccessKeyId"], made["SecretAccessKey"])


def upload(
    template: Mapping[str, Any], package: Path, name: str, endpoint: str, folder: Path, identity: Identity = ROOT_USER
) -> Stack:
    """Uploads the template, the package and the state machine to the cloud, and returns the stack, which is not deployed yet.

    Args:
        template: the template, in which paths stand for the package and for the definition of the state machine.
        package: the folder that Lambda unpacks.
        name: the name of the stack.
        endpoint: where the cloud is.
        folder: a folder for the archive of the package, which may be deleted afterwards.
        identity: who uploads, and deploys the stack later.
    """
    s3 = client(endpoint, "s3", identity)
    s3.create_bucket(Bucket=PARTS)
    archive = folder / "package.zip"
    with zipfile.ZipFile(archive, "w") as file:  # uncompressed, since it goes no further than this machine
        for path in sorted(package.rglob("*")):
            file.write(path, path.relative_to(package))
    s3.upload_file(str(archive), PARTS, "package.zip")
    template = copy.deepcopy(dict(template))
    function, machine = (template["Resources"][one]["Properties"] for one in ("ScoringFunction", "Backlog"))
    s3.upload_file(str(ROOT / machine["DefinitionUri"]), PARTS, "machine.json")
    function["CodeUri"] = {"Bucket": PARTS, "Key": "package.zip"}
    machine["DefinitionUri"] = {"Bucket": PARTS, "Key": "machine.json"}
    s3.put_object(Bucket=PARTS, Key="template.json", Body=json.dumps(template).encode())
    return Stack(name, endpoint, f"{endpoint}/{PARTS}/template.json", identity)
