"""The template as deployed: SAM's own transform, then every resource in moto's CloudFormation, looked at through the services.

What moto leaves out is made by `MADE_HERE`, through each service's own API and from the properties as CloudFormation evaluated
them, in CloudFormation's order. A type that neither knows is a warning of moto's, and so an error here.
"""

import copy
import io
import json
import logging
import types
import zipfile
from pathlib import Path
from urllib.parse import unquote_plus

import boto3
import cfnlint.api
import moto.cloudformation.parsing
import moto.s3.notifications
import pytest
from moto import mock_aws
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.s3.models import FakeBucket
from samtranslator.translator.transform import transform

from infra.template import read_template

TEMPLATE = read_template((Path(__file__).parent.parent / "template.yaml").read_text())
STACK = "coatcheck"
INPUT, OUTPUT = "coatcheck-input-123456789012", "coatcheck-output-123456789012"
MODEL = "s3://models/fashion-mnist/2.0.0/"
EVERYTHING = {
    "UploadTrigger": "eventbridge",
    "SweepSchedule": "rate(1 hour)",
    "ModelUri": MODEL,
    "SnapStart": "on",
    "AlarmEmail": "me@example.com",
    "LogRetentionDays": "7",
}
DEPLOYMENTS = {"default": {}, "direct": {"UploadTrigger": "direct"}, "everything": EVERYTHING}

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


def lifecycle_rule(*, Id, ExpiredObjectDeleteMarker, **rest):  # noqa: N803 - CloudFormation's words
    return {"ID": Id, "Expiration": {"ExpiredObjectDeleteMarker": ExpiredObjectDeleteMarker}, "Filter": {"Prefix": ""}, **rest}


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


def make_schedule(name, given, *_):
    boto3.client("scheduler").create_schedule(Name=name, **given)
    return Made(name)


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
    "AWS::Scheduler::Schedule": make_schedule,
}


@pytest.fixture
def cloud(environment, monkeypatch):
    def model(make):
        return types.SimpleNamespace(
            create_from_cloudformation_json=lambda name, given, *context, **_: make(
                name, something(given["Properties"]), *context
            )
        )

    known = moto.cloudformation.parsing.get_model_map() | {kind: model(make) for kind, make in MADE_HERE.items()}
    monkeypatch.setattr(moto.cloudformation.parsing, "get_model_map", lambda: known)
    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield


@pytest.fixture
def deploy(cloud):
    """Deploys the template with these parameters; returns what CloudFormation made of it."""

    def deploy(**parameters):
        package = io.BytesIO()
        zipfile.ZipFile(package, "w").close()
        boto3.client("s3").create_bucket(Bucket="packages")
        boto3.client("s3").put_object(Bucket="packages", Key="package.zip", Body=package.getvalue())
        template = transformed(parameters)
        template["Outputs"] |= {
            f"Evaluated{name}": {"Value": {"Fn::ToJsonString": resource["Properties"]}}
            for name, resource in template["Resources"].items()
            if "Condition" not in resource
        }
        client = boto3.client("cloudformation")
        values = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
        client.create_stack(StackName=STACK, TemplateBody=json.dumps(template), Parameters=values)
        return Deployment(client)

    return deploy


def transformed(parameters):
    """The template as CloudFormation gets to see it. Packaging is not the subject: the code lies in S3 already."""
    template = copy.deepcopy(TEMPLATE)
    template["Resources"]["ScoringFunction"]["Properties"]["CodeUri"] = "s3://packages/package.zip"
    logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it regrets that nobody wants its own figures
    return transform(template, dict(parameters), types.SimpleNamespace(load=dict))


class Deployment:
    def __init__(self, client):
        (stack,) = client.describe_stacks(StackName=STACK)["Stacks"]
        found = client.describe_stack_resources(StackName=STACK)["StackResources"]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
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


def messages(url):
    return [json.loads(each["Body"]) for each in boto3.client("sqs").receive_message(QueueUrl=url).get("Messages", [])]


def upload(*keys):
    """Puts objects into the input bucket; without its policy, since moto refuses what that refuses on conditions, always."""
    s3 = boto3.client("s3")
    s3.delete_bucket_policy(Bucket=INPUT)
    for key in keys:
        s3.put_object(Bucket=INPUT, Key=key, Body=b"pixels")


def statements(role):
    iam = boto3.client("iam")
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    return {statement["Sid"]: statement for document in documents for statement in document["Statement"]}


ALWAYS = {
    "ScoringFunction",
    "ScoringFunctionAliaslive",
    "ScoringFunctionEventInvokeConfig",
    "ScoringFunctionUploads",
    "ScoringRole",
    "ScoringLogGroup",
    "InputBucket",
    "InputBucketPolicy",
    "OutputBucket",
    "OutputBucketPolicy",
    "UploadQueue",
    "UploadQueuePolicy",
    "DeadLetterQueue",
    "DeadLetterQueuePolicy",
}
ALARMS = {"AlarmTopic", "DeadLettersAlarm", "WaitingUploadsAlarm", "ErrorsAlarm", "ThrottlesAlarm"}


@pytest.mark.parametrize(
    ("parameters", "extra"),
    [
        ({}, set()),
        ({"UploadTrigger": "direct"}, {"DirectPermission"}),
        ({"UploadTrigger": "eventbridge"}, {"UploadRule", "UploadRulePermission"}),
        ({"SweepSchedule": "cron(0 3 * * ? *)"}, {"Sweep", "SweepRole"}),
        ({"AlarmEmail": "me@example.com"}, ALARMS),
        ({"SnapStart": "on", "ModelUri": MODEL}, set()),
        (EVERYTHING, {"UploadRule", "UploadRulePermission", "Sweep", "SweepRole", *ALARMS}),
    ],
    ids=lambda value: ", ".join(sorted(value)) or "default",
)
def test_what_was_asked_for_is_made_and_nothing_else(deploy, parameters, extra):
    deployment = deploy(**parameters)
    versions = {name for name in deployment.resources if name.startswith("ScoringFunctionVersion")}

    assert deployment.status == "CREATE_COMPLETE"
    assert len(versions) == 1
    assert set(deployment.resources) - versions == ALWAYS | extra


@pytest.mark.parametrize("parameters", DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_what_sam_makes_of_the_template_is_valid(parameters, environment):
    """cfn-lint reads the template as it stands; the resources that SAM adds are checked here."""
    template = transformed(parameters)
    faults = cfnlint.api.lint_all(json.dumps(template))

    assert [(fault.rule.id, fault.path, fault.message) for fault in faults if fault.rule.id[0] == "E"] == []


@pytest.mark.parametrize("parameters", DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_the_function_knows_the_real_buckets_and_the_real_queue(deploy, parameters):
    deployment = deploy(**parameters)
    configuration = boto3.client("lambda").get_function_configuration(FunctionName=deployment.alias)
    buckets = {bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]}
    model = {"MODEL_URI": MODEL} if parameters is EVERYTHING else {}

    assert configuration["Environment"]["Variables"] == model | {
        "INPUT_URIS": f"s3://{INPUT}/uploads/",
        "OUTPUT_URI": f"s3://{OUTPUT}/predictions/",
        "QUEUE_URL": deployment.queue,
    }
    assert {INPUT, OUTPUT} <= buckets
    assert set(boto3.client("sqs").list_queues()["QueueUrls"]) == {deployment.queue, deployment.dead_letters}
    assert (configuration["MemorySize"], configuration["Timeout"], configuration["Runtime"]) == (1769, 120, "python3.13")
    assert configuration["Role"] == boto3.client("iam").get_role(RoleName=deployment.resources["ScoringRole"])["Role"]["Arn"]


def test_the_queue_feeds_the_function_and_its_failures_go_to_the_dead_letters(deploy):
    deployment = deploy()
    (mapping,) = boto3.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    queue = queue_attributes(deployment.queue)

    assert mapping["EventSourceArn"] == queue["QueueArn"]
    assert deployment.evaluated["ScoringFunctionUploads"]["FunctionName"] == deployment.alias
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (25, 2)
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 10}
    assert json.loads(queue["RedrivePolicy"]) == {"deadLetterTargetArn": arn_of(deployment.dead_letters), "maxReceiveCount": 5}
    assert int(queue["VisibilityTimeout"]) == 6 * 120 + 2
    assert queue_attributes(deployment.dead_letters)["MessageRetentionPeriod"] == str(14 * 24 * 3600)


def test_the_alias_leads_to_the_version_that_was_published(deploy):
    deployment = deploy()
    client = boto3.client("lambda")
    alias = client.get_alias(FunctionName=deployment.function, Name="live")
    published = [each["Version"] for each in client.list_versions_by_function(FunctionName=deployment.function)["Versions"]]

    assert alias["AliasArn"] == deployment.alias
    assert alias["FunctionVersion"] in published
    assert alias["FunctionVersion"] != "$LATEST"


@pytest.mark.parametrize(
    ("parameters", "description"),
    [
        ({}, "uploads/ predictions/  x86_64 SnapStart=off"),
        ({"InputPrefix": "in/"}, "in/ predictions/  x86_64 SnapStart=off"),
        ({"OutputPrefix": "out/"}, "uploads/ out/  x86_64 SnapStart=off"),
        ({"ModelUri": MODEL}, f"uploads/ predictions/ {MODEL} x86_64 SnapStart=off"),
        ({"Architecture": "arm64"}, "uploads/ predictions/  arm64 SnapStart=off"),
        ({"SnapStart": "on"}, "uploads/ predictions/  x86_64 SnapStart=on"),
    ],
)
def test_a_changed_parameter_is_published(deploy, parameters, description):
    """CloudFormation publishes anew if the version's name changes, which a parameter's value does not, or its description."""
    deployment = deploy(**parameters)
    (version,) = (name for name in deployment.resources if name.startswith("ScoringFunctionVersion"))

    assert version in transformed({})["Resources"]
    assert deployment.evaluated[version]["Description"] == description


@pytest.mark.parametrize(("parameters", "expected"), [({}, "None"), ({"SnapStart": "on"}, "PublishedVersions")])
def test_snapshots_are_taken_on_demand_alone(deploy, parameters, expected):
    assert deploy(**parameters).evaluated["ScoringFunction"]["SnapStart"] == {"ApplyOn": expected}


@pytest.mark.parametrize(("parameters", "days"), [({}, 30), ({"LogRetentionDays": "7"}, 7)])
def test_the_log_goes_to_a_group_that_forgets(deploy, parameters, days):
    deployment = deploy(**parameters)
    (group,) = boto3.client("logs").describe_log_groups()["logGroups"]

    assert group["logGroupName"] == deployment.outputs["LogGroup"] == "/aws/lambda/coatcheck"
    assert int(group["retentionInDays"]) == days
    assert deployment.evaluated["ScoringFunction"]["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": group["logGroupName"]}


def test_failed_invocations_go_to_the_dead_letters(deploy):
    deployment = deploy()
    config = boto3.client("lambda").get_function_event_invoke_config(FunctionName=deployment.function, Qualifier="live")

    assert config["DestinationConfig"]["OnFailure"]["Destination"] == arn_of(deployment.dead_letters)
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (2, 21600)


@pytest.mark.parametrize("bucket", [INPUT, OUTPUT])
def test_buckets_are_private_encrypted_and_refuse_plain_http(deploy, bucket):
    deploy()
    s3 = boto3.client("s3")
    (encryption,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    (refusal,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    blocks = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]

    assert encryption["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert set(blocks.values()) == {True}
    assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"] == [
        {"ObjectOwnership": "BucketOwnerEnforced"}
    ]
    assert refusal["Resource"] == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    assert (refusal["Effect"], refusal["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_only_the_input_keeps_what_was_replaced_and_for_a_month(deploy):
    deploy()
    s3 = boto3.client("s3")
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=INPUT)["Rules"]

    assert s3.get_bucket_versioning(Bucket=INPUT)["Status"] == "Enabled"
    assert "Status" not in s3.get_bucket_versioning(Bucket=OUTPUT)
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert rule["Expiration"] == {"ExpiredObjectDeleteMarker": True}  # and no object by its age


@pytest.mark.parametrize("parameters", DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_queues_take_messages_from_those_who_have_some_and_by_https(deploy, parameters):
    deployment = deploy(**parameters)
    allowed = {}
    for url in (deployment.queue, deployment.dead_letters):
        rules = json.loads(queue_attributes(url)["Policy"])["Statement"]
        (refusal,) = (each for each in rules if each["Effect"] == "Deny")
        assert (refusal["Resource"], refusal["Condition"]) == (arn_of(url), {"Bool": {"aws:SecureTransport": "false"}})
        assert queue_attributes(url)["SqsManagedSseEnabled"] == "true"
        allowed |= {each["Principal"]["Service"]: each["Condition"] for each in rules if each["Effect"] == "Allow"}

    bucket = {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{INPUT}"}, "StringEquals": {"aws:SourceAccount": "123456789012"}}
    if parameters is EVERYTHING:
        (rule,) = boto3.client("events").list_rules()["Rules"]
        assert allowed.pop("events.amazonaws.com") == {"ArnEquals": {"aws:SourceArn": rule["Arn"]}}
    assert allowed == {"s3.amazonaws.com": bucket}


@pytest.mark.parametrize("parameters", DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_the_function_may_use_what_it_is_told_of(deploy, parameters):
    deployment = deploy(**parameters)
    granted = {sid: statement["Resource"] for sid, statement in statements(deployment.resources["ScoringRole"]).items()}
    queue, dead_letters = arn_of(deployment.queue), arn_of(deployment.dead_letters)
    model = {"ReadModel": "arn:aws:s3:::models/fashion-mnist/2.0.0/*"} if parameters is EVERYTHING else {}

    assert granted == model | {
        "ReadInput": f"arn:aws:s3:::{INPUT}/uploads/*",
        "ListInput": f"arn:aws:s3:::{INPUT}",
        "WriteDocuments": f"arn:aws:s3:::{OUTPUT}/predictions/*",
        "RecogniseDocuments": f"arn:aws:s3:::{OUTPUT}/predictions/*",
        "TellMissingDocuments": f"arn:aws:s3:::{OUTPUT}",
        "SendSweptWork": queue,
        "TakeWork": queue,
        "KeepFailedInvocations": dead_letters,
        "WriteLogs": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/coatcheck:*",
    }
    assert (
        boto3.client("iam").list_attached_role_policies(RoleName=deployment.resources["ScoringRole"])["AttachedPolicies"] == []
    )


def test_an_upload_reaches_the_function_by_the_queue(deploy, monkeypatch):
    invoked = []
    monkeypatch.setattr(
        LambdaSimpleBackend, "invoke", lambda _, function_name, body, **__: invoked.append((function_name, json.loads(body)))
    )
    deployment = deploy()
    upload("uploads/a.png", "elsewhere/a.png")

    test_event, notified = (json.loads(record["body"]) for _, event in invoked for record in event["Records"])
    assert test_event["Event"] == "s3:TestEvent"
    assert [unquote_plus(record["s3"]["object"]["key"]) for record in notified["Records"]] == ["uploads/a.png"]
    assert {arn.split(":")[6] for arn, _ in invoked} == {deployment.function}


def test_an_upload_reaches_the_function_directly(deploy, monkeypatch):
    deployment = deploy(UploadTrigger="direct")
    invoked = []
    monkeypatch.setattr(moto.s3.notifications, "_invoke_awslambda", lambda _, event, arn, __: invoked.append((arn, event)))
    upload("uploads/a.png", "elsewhere/a.png")

    ((arn, event),) = invoked
    assert arn == deployment.alias
    assert [unquote_plus(record["s3"]["object"]["key"]) for record in event["Records"]] == ["uploads/a.png"]


def test_an_upload_reaches_the_rule(deploy):
    """moto's rules send to no function, so a queue takes its place."""
    deployment = deploy(UploadTrigger="eventbridge")
    instead = {"Id": "ScoringFunction", "Arn": arn_of(deployment.dead_letters)}
    boto3.client("events").put_targets(Rule=deployment.resources["UploadRule"], Targets=[instead])
    upload("uploads/a b.png", "elsewhere/a.png")

    (message,) = messages(deployment.dead_letters)
    assert (message["source"], message["detail-type"]) == ("aws.s3", "Object Created")
    assert message["detail"]["bucket"]["name"] == INPUT
    assert unquote_plus(message["detail"]["object"]["key"]) == "uploads/a b.png"
    assert messages(deployment.dead_letters) == []


@pytest.mark.parametrize(
    ("trigger", "principal", "source"),
    [("direct", "s3.amazonaws.com", f"arn:aws:s3:::{INPUT}"), ("eventbridge", "events.amazonaws.com", None)],
)
def test_who_delivers_uploads_may_invoke_the_function_for_its_source_alone(deploy, trigger, principal, source):
    deployment = deploy(UploadTrigger=trigger)
    rules = boto3.client("events").list_rules()["Rules"]
    (statement,) = json.loads(boto3.client("lambda").get_policy(FunctionName=deployment.alias)["Policy"])["Statement"]

    assert statement["Principal"] == {"Service": principal}
    assert statement["Action"] == "lambda:InvokeFunction"
    assert statement["Condition"]["ArnLike"]["AWS:SourceArn"] == (source or rules[0]["Arn"])
    assert ("StringEquals" in statement["Condition"]) is (trigger == "direct")


def test_the_rule_invokes_the_function_and_keeps_what_it_cannot_deliver(deploy):
    deployment = deploy(UploadTrigger="eventbridge")
    (target,) = boto3.client("events").list_targets_by_rule(Rule=deployment.resources["UploadRule"])["Targets"]

    assert target["Arn"] == deployment.alias
    assert target["DeadLetterConfig"] == {"Arn": arn_of(deployment.dead_letters)}
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400}


def test_the_schedule_starts_sweeps_by_a_role_of_its_own(deploy):
    deployment = deploy(SweepSchedule="rate(1 hour)")
    schedule = boto3.client("scheduler").get_schedule(Name=deployment.resources["Sweep"])
    role = boto3.client("iam").get_role(RoleName=deployment.resources["SweepRole"])["Role"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]

    assert schedule["ScheduleExpression"] == "rate(1 hour)"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["Target"] == {
        "Arn": deployment.alias,
        "RoleArn": role["Arn"],
        "Input": '{"job":"sweep","scheduled_time":"<aws.scheduler.scheduled-time>"}',
        "RetryPolicy": {"MaximumRetryAttempts": 10, "MaximumEventAgeInSeconds": 3600},
        "DeadLetterConfig": {"Arn": arn_of(deployment.dead_letters)},
    }
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    assert {sid: each["Resource"] for sid, each in statements(deployment.resources["SweepRole"]).items()} == {
        "StartSweeps": deployment.alias,
        "KeepSweepsThatNeverStarted": arn_of(deployment.dead_letters),
    }


def test_alarms_watch_the_real_queues_and_the_real_function(deploy):
    deployment = deploy(AlarmEmail="me@example.com")
    alarms = boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
    (subscription,) = boto3.client("sns").list_subscriptions()["Subscriptions"]
    watched = {alarm["MetricName"]: alarm["Dimensions"][0]["Value"] for alarm in alarms}

    assert watched == {
        "ApproximateNumberOfMessagesVisible": deployment.dead_letters.rsplit("/", 1)[1],
        "ApproximateAgeOfOldestMessage": deployment.queue.rsplit("/", 1)[1],
        "Errors": deployment.function,
        "Throttles": deployment.function,
    }
    assert {alarm["TreatMissingData"] for alarm in alarms} == {"notBreaching"}
    assert {action for alarm in alarms for action in alarm["AlarmActions"]} == {subscription["TopicArn"]}
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "me@example.com")


def arn_of_queue(url):
    return boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def test_the_outputs_say_where_everything_is(deploy):
    deployment = deploy(InputPrefix="in/", OutputPrefix="out/")
    function = boto3.client("lambda").get_function_configuration(FunctionName=deployment.function)

    assert deployment.outputs == {
        "InputUri": f"s3://{INPUT}/in/",
        "OutputUri": f"s3://{OUTPUT}/out/",
        "QueueUrl": deployment.queue,
        "QueueArn": arn_of_queue(deployment.queue),
        "DeadLetterQueueUrl": deployment.dead_letters,
        "DeadLetterQueueArn": arn_of_queue(deployment.dead_letters),
        "FunctionName": deployment.function,
        "FunctionArn": f"{function['FunctionArn'].removesuffix(':$LATEST')}:live",
        "LogGroup": "/aws/lambda/coatcheck",
    }
