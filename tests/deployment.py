"""The template deployed: SAM's own transform, then every resource in moto's CloudFormation. Used by the tests beside it.

What moto leaves out is made by `MADE_HERE`, through each service's own API and from the properties as CloudFormation evaluated
them, in CloudFormation's order. A type that neither knows is a warning of moto's, and so an error here.
"""

import copy
import io
import json
import logging
import types
import zipfile
from contextlib import contextmanager
from pathlib import Path

import boto3
import moto.cloudformation.parsing
import pytest
from moto import mock_aws
from moto.s3.models import FakeBucket
from samtranslator.translator.transform import transform

from infra.template import read_template
from tests.intrinsics import Evaluator

ROOT = Path(__file__).parent.parent
TEMPLATE = read_template((ROOT / "template.yaml").read_text())
DEFINITION = TEMPLATE["Resources"]["Backlog"]["Properties"]["DefinitionUri"]
STACK = "coatcheck"
INPUT, OUTPUT = "coatcheck-input-123456789012-us-east-1", "coatcheck-output-123456789012-us-east-1"

# What moto 5.2.5 leaves out.


def make_bucket(name, given, *context):
    """All of a bucket but its name, its encryption and its tags, in which order S3 would refuse what does not fit."""
    bucket = FakeBucket.create_from_cloudformation_json(name, {"Properties": given}, *context)
    s3 = boto3.client("s3")
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=given["PublicAccessBlockConfiguration"])
    s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=given["OwnershipControls"])
    if "VersioningConfiguration" in given:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=given["VersioningConfiguration"])
    if "LifecycleConfiguration" in given:
        rules = [lifecycle_rule(**rule) for rule in given["LifecycleConfiguration"]["Rules"]]
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    if "NotificationConfiguration" in given:
        notified = notification(given["NotificationConfiguration"])
        s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=notified)
    return bucket


def lifecycle_rule(*, Id, **rest):  # noqa: N803 - CloudFormation's words
    marker = "ExpiredObjectDeleteMarker"
    expiration = {"Expiration": {marker: rest.pop(marker)}} if marker in rest else {}
    return {"ID": Id, "Filter": {"Prefix": ""}, **expiration, **rest}


def notification(given):
    """CloudFormation's words for a bucket's notification, in those of S3."""

    def entries(of, arn):
        return [
            {
                arn: each["Queue" if arn == "QueueArn" else "Function"],
                "Events": [each["Event"]],
                "Filter": {"Key": {"FilterRules": each["Filter"]["S3Key"]["Rules"]}},
            }
            for each in given.get(of, [])
        ]

    return {
        "QueueConfigurations": entries("QueueConfigurations", "QueueArn"),
        "LambdaFunctionConfigurations": entries("LambdaConfigurations", "LambdaFunctionArn"),
        **({"EventBridgeConfiguration": {}} if given.get("EventBridgeConfiguration") else {}),
    }


def make_queue_policy(name, given, *_):
    for url in given["Queues"]:
        attributes = {"Policy": json.dumps(given["PolicyDocument"])}
        boto3.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=attributes)
    return Made(name)


def make_bucket_policy(name, given, *_):
    boto3.client("s3").put_bucket_policy(Bucket=given["Bucket"], Policy=json.dumps(given["PolicyDocument"]))
    return Made(name)


def make_version(_, given, *__):
    version = boto3.client("lambda").publish_version(**given)
    return Made(version["FunctionArn"], Version=version["Version"])


def make_alias(_, given, *__):
    return Made(boto3.client("lambda").create_alias(**given)["AliasArn"])


def make_invoke_config(name, given, *_):
    boto3.client("lambda").put_function_event_invoke_config(**given)
    return Made(name)


def make_alarm(name, given, *_):
    boto3.client("cloudwatch").put_metric_alarm(AlarmName=name, **given)
    return Made(name)


def make_dashboard(name, given, *_):
    """A dashboard, whose name is CloudFormation's own unless one is given."""
    boto3.client("cloudwatch").put_dashboard(DashboardName=name, **given)
    return Made(name)


def make_schedule(name, given, *_):
    boto3.client("scheduler").create_schedule(Name=name, **given)
    return Made(name)


def make_state_machine(_, given, *__):
    """A state machine of a file, in which CloudFormation replaces each name by its text, and nothing else."""
    file = boto3.client("s3").get_object(**given["DefinitionS3Location"])["Body"].read().decode()
    for word, text in given["DefinitionSubstitutions"].items():
        file = file.replace(f"${{{word}}}", text)
    machine = boto3.client("stepfunctions").create_state_machine(
        name=given["StateMachineName"], definition=file, roleArn=given["RoleArn"], type=given["StateMachineType"]
    )
    return Made(machine["stateMachineArn"])


def make_role(name, given, *_):
    """Roles moto knows, but hands out their policies in Python's words."""
    iam = boto3.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(given["AssumeRolePolicyDocument"]))["Role"]
    for policy in given["Policies"]:
        document = json.dumps(policy["PolicyDocument"])
        iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)
    return Made(name, Arn=role["Arn"])


def something(value):
    """A value without AWS::NoValue, which moto leaves in lists."""
    if isinstance(value, list):
        return [something(item) for item in value if item is not None]
    return {name: something(item) for name, item in value.items()} if isinstance(value, dict) else value


class Made:
    """What moto's CloudFormation asks of a resource."""

    def __init__(self, reference, **attributes):
        self.physical_resource_id = reference
        self.get_cfn_attribute = attributes.__getitem__

    def is_created(self):
        return True


MADE_HERE = {
    "AWS::S3::Bucket": make_bucket,
    "AWS::S3::BucketPolicy": make_bucket_policy,
    "AWS::IAM::Role": make_role,
    "AWS::SQS::QueuePolicy": make_queue_policy,
    "AWS::Lambda::Version": make_version,
    "AWS::Lambda::Alias": make_alias,
    "AWS::Lambda::EventInvokeConfig": make_invoke_config,
    "AWS::CloudWatch::Alarm": make_alarm,
    "AWS::CloudWatch::Dashboard": make_dashboard,
    "AWS::Scheduler::Schedule": make_schedule,
    "AWS::StepFunctions::StateMachine": make_state_machine,
}


@contextmanager
def deploy(parameters):
    """Deploys the template with these parameters into a cloud of its own, and yields what CloudFormation made of it."""

    def model(make):
        return types.SimpleNamespace(
            create_from_cloudformation_json=lambda name, given, *context, **_: make(
                name, something(given["Properties"]), *context
            )
        )

    known = moto.cloudformation.parsing.get_model_map() | {kind: model(make) for kind, make in MADE_HERE.items()}
    with pytest.MonkeyPatch.context() as patch, mock_aws(config={"lambda": {"use_docker": False}}):
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setattr(moto.cloudformation.parsing, "get_model_map", lambda: known)
        yield create_stack(parameters)


def create_stack(parameters):
    """Creates the stack, and has CloudFormation say how it evaluated each resource that it made."""
    package = io.BytesIO()
    zipfile.ZipFile(package, "w").close()
    boto3.client("s3").create_bucket(Bucket="packages")
    boto3.client("s3").put_object(Bucket="packages", Key="package.zip", Body=package.getvalue())
    boto3.client("s3").put_object(Bucket="packages", Key=DEFINITION, Body=(ROOT / DEFINITION).read_bytes())
    template = transformed(parameters)
    template["Outputs"] |= {
        f"Evaluated{name}": {
            "Value": {"Fn::ToJsonString": resource["Properties"]},
            **{part: resource[part] for part in ("Condition",) if part in resource},
        }
        for name, resource in template["Resources"].items()
    }
    client = boto3.client("cloudformation")
    values = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    client.create_stack(StackName=STACK, TemplateBody=json.dumps(template), Parameters=values)
    return Deployment(client, parameters)


def transformed(parameters):
    """The template as CloudFormation gets to see it. Packaging is not the subject: code and definition lie in S3 already."""
    template = copy.deepcopy(TEMPLATE)
    template["Resources"]["Backlog"]["Properties"]["DefinitionUri"] = f"s3://packages/{DEFINITION}"
    template["Resources"]["ScoringFunction"]["Properties"]["CodeUri"] = "s3://packages/package.zip"
    logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it regrets that nobody wants its own figures
    return transform(template, dict(parameters), types.SimpleNamespace(load=dict))


def decided(parameters):
    """What CloudFormation makes of the template with these parameters, each condition decided."""
    template = transformed(parameters)
    evaluator = Evaluator(template, parameters)

    def made(section):
        return {
            name: {part: value for part, value in described.items() if part != "Condition"}
            for name, described in template[section].items()
            if "Condition" not in described or evaluator.holds(described["Condition"])
        }

    return {
        **{name: part for name, part in template.items() if name not in {"Conditions", "Rules"}},
        "Parameters": {
            name: {"Type": parameter["Type"], "Default": parameters.get(name, parameter["Default"])}
            for name, parameter in template["Parameters"].items()
        },
        "Resources": evaluator.decided(made("Resources")),
        "Outputs": evaluator.decided(made("Outputs")),
    }


class Deployment:
    def __init__(self, client, parameters):
        (stack,) = client.describe_stacks(StackName=STACK)["Stacks"]
        found = client.describe_stack_resources(StackName=STACK)["StackResources"]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        self.parameters = parameters
        self.status = stack["StackStatus"]
        # moto also lists what a condition left out, without a name, and gives permissions no id.
        named = [each for each in found if "LogicalResourceId" in each]
        self.resources = {each["LogicalResourceId"]: each.get("PhysicalResourceId") for each in named}
        self.outputs = {name: value for name, value in outputs.items() if not name.startswith("Evaluated")}
        self.evaluated = {name[9:]: json.loads(value) for name, value in outputs.items() if name.startswith("Evaluated")}
        self.function = self.resources["ScoringFunction"]
        self.alias = self.outputs["FunctionArn"]
        self.queue, self.dead_letters = self.resources["UploadQueue"], self.resources["DeadLetterQueue"]


def queue_attributes(url):
    return boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def arn_of(url):
    return queue_attributes(url)["QueueArn"]


def statements(role):
    iam = boto3.client("iam")
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    return {statement["Sid"]: statement for document in documents for statement in document["Statement"]}
