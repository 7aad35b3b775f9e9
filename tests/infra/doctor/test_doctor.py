"""`coatcheck doctor` on the embedded cloud: each fault is named with what to do, and no call changes anything."""

import io
import json
import shutil
import zipfile
from types import SimpleNamespace

import boto3
import botocore.client
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from typer.testing import CliRunner

from handler.model import BUNDLED_ARTIFACT
from handler.objects import Prefix
from infra.__main__ import app
from infra.cloud.names import REGION, STACK
from infra.doctor.findings import lines, wrong
from infra.doctor.uploads import _matches

READ_ONLY = {
    *("DescribeStacks", "GetFunctionConfiguration", "GetAlias", "GetFunctionConcurrency", "ListEventSourceMappings"),
    *("HeadBucket", "GetBucketVersioning", "GetBucketEncryption", "GetBucketNotificationConfiguration", "ListObjectsV2"),
    *("HeadObject", "GetObject", "GetQueueAttributes", "GetQueueUrl", "GetMetricStatistics", "ListRuleNamesByTarget"),
    "DescribeRule",
}


@pytest.fixture
def calls(monkeypatch):
    """The names of all calls to AWS; `refused` and `broken` hold those that are answered by an error instead."""

    calls = SimpleNamespace(made=[], refused=set(), broken=set(), answers={})
    make = botocore.client.BaseClient._make_api_call

    def recorded(client, operation, arguments):
        calls.made.append(operation)
        if operation in calls.refused:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)
        if operation in calls.broken:
            raise ConnectTimeoutError(endpoint_url="http://nobody")
        return calls.answers.get(operation) or make(client, operation, arguments)

    calls.watch = lambda: monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", recorded)

    return calls


@pytest.fixture
def doctor(cloud, calls):
    def doctor(*arguments):
        calls.watch()
        done = CliRunner().invoke(app, ["doctor", "--json", *arguments])
        assert set(calls.made) <= READ_ONLY
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        findings = json.loads(done.stdout)
        assert done.exit_code == int(any(one["state"] == "wrong" for one in findings))
        return [(one["subject"], one["found"], one["advice"]) for one in findings if one["state"] == "wrong"]

    return doctor


def test_nothing_is_wrong_with_the_embedded_cloud(doctor, cloud):
    assert doctor() == []


def test_what_is_found_is_printed_with_what_cannot_be_told(cloud):
    done = CliRunner().invoke(app, ["doctor"])

    assert done.exit_code == 0
    assert "ok     model bundled: fashion-mnist" in done.stdout
    assert "?      function: cannot be told: no stack was named -> name it with --stack and --region" in done.stdout
    assert done.stdout.endswith("nothing is wrong\n")


def test_every_bad_variable_is_named_and_nothing_is_asked(doctor, calls, monkeypatch):
    monkeypatch.setenv("MAX_OBJECT_BYTES", "many")
    monkeypatch.setenv("QUEUE_URL", "nowhere")
    subjects = [subject for subject, _, _ in doctor()]

    assert subjects == ["setting QUEUE_URL", "setting MAX_OBJECT_BYTES"]
    assert calls.made == []


def test_a_missing_bucket_is_named(doctor, cloud):
    cloud.s3.delete_bucket(Bucket=cloud.output_bucket)
    found = doctor()

    assert found[0] == (
        f"bucket {cloud.output_bucket}",
        "is not there (head_bucket: 404)",
        "create it, or name another in the settings",
    )


def test_a_missing_notification_is_named(doctor, cloud):
    cloud.s3.put_bucket_notification_configuration(Bucket=cloud.input_bucket, NotificationConfiguration={})
    ((subject, found, advice),) = doctor()

    assert (subject, found) == (
        f"uploads to s3://{cloud.input_bucket}/uploads/",
        "reach nobody: the bucket has no notification",
    )
    assert advice == f"deploy again, or send s3:ObjectCreated:* to {cloud.queue_arn}"


def notify(cloud, arn, *rules):
    queue = {
        "QueueArn": arn,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in rules]}},
    }
    cloud.s3.put_bucket_notification_configuration(
        Bucket=cloud.input_bucket, NotificationConfiguration={"QueueConfigurations": [queue]}
    )


@pytest.mark.parametrize("rules", [[("prefix", "other/")], [("prefix", "uploads/"), ("suffix", ".png")]])
def test_a_notification_that_leaves_uploads_out_is_named(doctor, cloud, rules):
    notify(cloud, cloud.queue_arn, *rules)
    ((_, found, advice),) = doctor()

    assert found == "the notification is for " + " and ".join(f"{name} {value!r}" for name, value in rules)
    assert advice == "set its prefix to 'uploads/', without a suffix"


def test_a_notification_of_a_shorter_prefix_is_right(doctor, cloud):
    notify(cloud, cloud.queue_arn, ("prefix", "up"))

    assert doctor() == []


def test_a_notification_that_leads_elsewhere_is_named(doctor, cloud):
    other = cloud.sqs.create_queue(QueueName="other")["QueueUrl"]
    arn = cloud.sqs.get_queue_attributes(QueueUrl=other, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    notify(cloud, arn, ("prefix", "uploads/"))

    ((_, found, advice),) = doctor()

    assert (found, advice) == (f"the notification leads to {arn}", f"lead it to {cloud.queue_arn}")


def use_eventbridge(calls):
    """moto takes this configuration and does not tell it again, as S3 does."""
    calls.answers["GetBucketNotificationConfiguration"] = {"EventBridgeConfiguration": {}}


def test_eventbridge_without_a_rule_is_named(doctor, calls):
    use_eventbridge(calls)
    ((_, found, _),) = doctor()

    assert found == "EventBridge is on, and no rule leads to the queue"


@pytest.mark.parametrize(("prefix", "faults"), [("uploads/", 0), ("other/", 1)])
def test_a_rule_of_eventbridge_must_cover_the_prefix(doctor, cloud, calls, prefix, faults):
    use_eventbridge(calls)
    events = boto3.client("events")
    detail = {"bucket": {"name": [cloud.input_bucket]}, "object": {"key": [{"prefix": prefix}]}}
    events.put_rule(Name="uploads", EventPattern=json.dumps({"source": ["aws.s3"], "detail": detail}), State="ENABLED")
    events.put_targets(Rule="uploads", Targets=[{"Id": "queue", "Arn": cloud.queue_arn}])

    assert len(doctor()) == faults


@pytest.mark.parametrize("pattern", ["", "[]", "7", '{"detail": 3}', '{"detail": {"object": {"key": 5}}}'])
def test_a_pattern_of_a_rule_that_is_not_understood_leads_nothing_to_the_queue(pattern):
    assert not _matches(pattern, Prefix("b", "uploads/"))


def change(cloud, **attributes):
    cloud.sqs.set_queue_attributes(QueueUrl=cloud.queue_url, Attributes=attributes)


def test_a_visibility_timeout_below_the_function_s_timeout_is_named(doctor, cloud):
    change(cloud, VisibilityTimeout="30")
    ((subject, found, advice),) = doctor()

    assert (subject, found) == ("queue", "visibility timeout of 30 s, the function's timeout is 900 s")
    assert advice == "set VisibilityTimeout above 900 s: messages come again while they are still being scored"


def test_a_missing_redrive_policy_is_named(doctor, cloud):
    change(cloud, RedrivePolicy="")
    ((subject, found, _),) = doctor()

    assert (subject, found) == ("queue", "has no redrive policy")


def test_too_few_deliveries_are_named(doctor, cloud):
    policy = json.loads(
        cloud.sqs.get_queue_attributes(QueueUrl=cloud.queue_url, AttributeNames=["All"])["Attributes"]["RedrivePolicy"]
    )
    change(cloud, RedrivePolicy=json.dumps(policy | {"maxReceiveCount": 1}))
    ((_, found, advice),) = doctor()

    assert found == "a message becomes a dead letter after 1 deliveries"
    assert advice == "set maxReceiveCount to 3 or more; the template has 8"


def test_dead_letters_that_nobody_has_are_named(doctor, cloud):
    cloud.sqs.delete_queue(QueueUrl=cloud.dead_letter_url)
    ((subject, found, _),) = doctor()

    assert subject == "dead letters"
    assert found.startswith("is not there (get_queue_url:")


def test_dead_letters_that_wait_are_counted_and_left_alone(doctor, cloud):
    for body in ("one", "two"):
        cloud.sqs.send_message(QueueUrl=cloud.dead_letter_url, MessageBody=body)

    assert doctor() == [("dead letters", "2 wait", "mend the cause, then run coatcheck redrive: docs/dead-letters.md")]
    received = cloud.sqs.receive_message(QueueUrl=cloud.dead_letter_url, AttributeNames=["All"], MaxNumberOfMessages=10)
    assert {message["Attributes"]["ApproximateReceiveCount"] for message in received["Messages"]} == {"1"}


def test_a_missing_queue_is_named(doctor, cloud, monkeypatch):
    monkeypatch.setenv("QUEUE_URL", f"{cloud.queue_url}-gone")
    subjects = [subject for subject, _, _ in doctor()]

    assert f"queue {cloud.queue_url}-gone" in subjects


def test_a_broken_artifact_is_named(doctor, tmp_path, monkeypatch):
    folder = tmp_path / "artifact"
    shutil.copytree(BUNDLED_ARTIFACT, folder)
    (folder / "model.tflite").write_bytes((folder / "model.tflite").read_bytes()[::-1])
    monkeypatch.setenv("MODEL_URI", str(folder))
    ((subject, found, _),) = doctor()

    assert subject == f"model {folder}"
    assert "with sha256" in found


def test_an_artifact_in_s3_is_read_from_there(doctor, cloud, monkeypatch):
    monkeypatch.setenv("MODEL_URI", f"s3://{cloud.input_bucket}/models/1/")
    ((subject, found, _),) = doctor()

    assert subject == f"model s3://{cloud.input_bucket}/models/1/"
    assert "no readable manifest.json" in found


def test_an_artifact_in_s3_that_is_whole_is_right(doctor, cloud, monkeypatch):
    for path in BUNDLED_ARTIFACT.iterdir():
        cloud.s3.upload_file(str(path), cloud.input_bucket, f"models/1/{path.name}")
    monkeypatch.setenv("MODEL_URI", f"s3://{cloud.input_bucket}/models/1/")

    assert doctor() == []


@pytest.mark.parametrize(("operation", "name"), [("ListObjectsV2", "LIST"), ("HeadObject", "HEAD"), ("GetObject", "GET")])
def test_what_is_refused_to_the_present_identity_is_named(doctor, cloud, calls, operation, name):
    cloud.s3.put_object(Bucket=cloud.input_bucket, Key="uploads/a.png", Body=b"x")
    calls.refused.add(operation)
    found = doctor()

    assert f"access to s3://{cloud.input_bucket}/uploads/" in [subject for subject, _, _ in found]
    assert {text for _, text, _ in found} == {f"{name} is refused (AccessDenied)"}


@pytest.mark.parametrize("operation", sorted(READ_ONLY - {"DescribeStacks", "DescribeRule"}))
@pytest.mark.parametrize("failure", ["refused", "broken"])
def test_no_call_that_fails_ends_the_examination(doctor, calls, operation, failure):
    getattr(calls, failure).add(operation)
    doctor()


def test_a_service_that_does_not_answer_is_a_row_that_cannot_be_told(doctor, calls):
    calls.broken |= READ_ONLY

    assert doctor() == []
    assert set(calls.made) <= READ_ONLY


# --- a deployed stack ---


@pytest.fixture
def stack(cloud):
    """A stack with the outputs of the template, and a function with the cloud's variables and an alias."""
    role = boto3.client("iam").create_role(RoleName="role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    functions = boto3.client("lambda")
    variables = {name: value for name, value in cloud.environment.items() if not name.startswith("AWS_")}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("app.py", "")
    arn = functions.create_function(
        FunctionName="scorer", Runtime="python3.13", Role=role, Handler="app.run", Code={"ZipFile": content.getvalue()},
        Timeout=900, Environment={"Variables": variables}, Publish=True,
    )["FunctionArn"]  # fmt: skip
    arn = arn if arn.endswith(":scorer") else arn.rpartition(":")[0]
    functions.create_alias(FunctionName="scorer", Name="live", FunctionVersion="1")
    outputs = {"FunctionArn": f"{arn}:live", "OutputUri": variables["OUTPUT_URI"], "QueueUrl": cloud.queue_url}
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    boto3.client("cloudformation").create_stack(StackName="deployed", TemplateBody=json.dumps(template))
    return functions


def test_a_stack_is_examined_by_its_name(doctor, stack):
    found = doctor("--stack", "deployed", "--region", REGION)

    assert found == [("function", "takes nothing from the queue", "deploy the stack again: no event source leads from it")]


@pytest.fixture
def source(stack, cloud):
    """The event source of the template."""
    found = stack.create_event_source_mapping(
        FunctionName="scorer", EventSourceArn=cloud.queue_arn, BatchSize=100, MaximumBatchingWindowInSeconds=2,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )  # fmt: skip
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


@pytest.fixture
def examined(doctor, source, calls):
    """Returns what is wrong with a function whose event sources are some that differ from the template's."""

    def examined(*changes):
        rows = [source | change for change in changes]
        calls.answers["ListEventSourceMappings"] = {"EventSourceMappings": rows}
        return doctor("--stack", "deployed", "--region", REGION)

    return examined


@pytest.mark.parametrize("state", ["Creating", "Enabling", "Enabled", "Updating"])
def test_the_event_source_of_the_template_is_right(examined, state):
    assert examined({"State": state}) == []


@pytest.mark.parametrize("types", [None, [], ["Other"]])
def test_an_event_source_that_deletes_messages_that_failed_is_named(examined, source, types):
    ((subject, found, advice),) = examined({"FunctionResponseTypes": types})

    assert (subject, found) == ("function", f"its event source has FunctionResponseTypes [{', '.join(types or [])}]")
    assert advice.startswith(f"set ReportBatchItemFailures on event source {source['UUID']}: Lambda deletes the messages that ")


@pytest.mark.parametrize(
    ("state", "advice"),
    [("Disabled", "enable it"), ("Disabling", "enable it"), ("Deleting", "deploy the stack again")],
)
def test_an_event_source_that_takes_no_messages_is_named_unless_another_does(examined, state, advice):
    assert examined({"State": state}) == [("function", f"its event source is {state}", advice)]
    assert examined({"State": state, "UUID": "old"}, {}) == []


def test_a_window_that_outlasts_the_visibility_timeout_is_named(examined, cloud):
    change(cloud, VisibilityTimeout="930")
    assert examined({"MaximumBatchingWindowInSeconds": 29}) == []
    ((subject, found, advice),) = examined({"MaximumBatchingWindowInSeconds": 30})

    assert subject == "function"
    assert found == "its event source gathers for 30 s, and the queue hides a message 30 s longer than it runs"
    assert advice.startswith("set VisibilityTimeout of the queue above the two together: ")


def test_filters_of_an_event_source_are_pointed_out(examined, source):
    assert examined({"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}) == []
    shown = CliRunner().invoke(app, ["doctor", "--stack", "deployed", "--region", REGION]).stdout

    assert f"let every message through -> remove FilterCriteria of event source {source['UUID']}: Lambda deletes what" in shown


@pytest.mark.parametrize("is_enabled", [True, False])
def test_another_function_that_takes_messages_of_the_queue_is_named(doctor, stack, cloud, is_enabled):
    role = stack.get_function_configuration(FunctionName="scorer")["Role"]
    other = stack.create_function(
        FunctionName="other", Runtime="python3.13", Role=role, Handler="app.run", Code={"ZipFile": b"x"}
    )["FunctionArn"]  # fmt: skip
    asked = {"FunctionName": "other", "EventSourceArn": cloud.queue_arn, "Enabled": is_enabled}
    rival = stack.create_event_source_mapping(**asked)["UUID"]
    advice = f"delete event source {rival}: what it takes does not reach this function"
    expected = ("function", f"shares the queue with {other}", advice)

    assert (expected in doctor("--stack", "deployed", "--region", REGION)) == is_enabled


def test_of_a_queue_that_cannot_be_read_it_is_not_said_that_nothing_is_taken_from_it(doctor, source, calls):
    calls.refused.add("GetQueueAttributes")
    found = doctor("--stack", "deployed", "--region", REGION)

    assert "get_queue_attributes is refused (AccessDenied)" in [text for _, text, _ in found]
    assert "takes nothing from the queue" not in [text for _, text, _ in found]


def test_what_the_embedded_cloud_lacks_of_lambda_cannot_be_told(doctor):
    """It has no alias, no concurrency and no event source that could be asked for, and nothing is wrong with that."""
    assert doctor("--stack", STACK, "--region", REGION) == []
    shown = CliRunner().invoke(app, ["doctor", "--stack", STACK]).stdout
    assert shown.count("failed with NotImplementedException: the embedded cloud has no such part of Lambda") == 3


def test_a_function_that_is_switched_off_is_named(doctor, stack):
    stack.put_function_concurrency(FunctionName="scorer", ReservedConcurrentExecutions=0)

    assert ("function", "reserved concurrency of 0", "raise it: with 0 nothing is ever invoked") in doctor(
        "--stack", "deployed"
    )


@pytest.mark.parametrize(
    ("operation", "call"),
    [("DescribeStacks", "describe_stacks"), ("GetFunctionConfiguration", "get_function_configuration")],
)
def test_a_stack_or_function_that_may_not_be_read_is_an_error_that_names_the_call(stack, calls, operation, call):
    calls.refused.add(operation)
    calls.watch()
    done = CliRunner().invoke(app, ["doctor", "--stack", "deployed"])

    assert type(done.exception).__name__ == "InfraError"
    assert f"{call} failed with AccessDenied, no; allow {operation} to the identity that you run this with." in str(
        done.exception
    )


@pytest.mark.parametrize("operation", ["GetAlias", "GetFunctionConcurrency", "ListEventSourceMappings"])
def test_what_may_not_be_read_of_a_function_is_a_row(doctor, stack, calls, operation):
    calls.refused.add(operation)
    found = [text for subject, text, _ in doctor("--stack", "deployed") if subject.startswith("function")]

    assert any(text.endswith("is refused (AccessDenied)") for text in found)


def test_a_function_whose_variables_are_not_the_stack_s_is_named(doctor, stack, cloud):
    changed = {name: value for name, value in cloud.environment.items() if not name.startswith("AWS_")}
    changed["OUTPUT_URI"] = f"s3://{cloud.output_bucket}/elsewhere/"
    stack.update_function_configuration(FunctionName="scorer", Environment={"Variables": changed})
    stack.update_alias(
        FunctionName="scorer", Name="live", FunctionVersion=stack.publish_version(FunctionName="scorer")["Version"]
    )
    advice = [advice for _, found, advice in doctor("--stack", "deployed") if found.startswith("OUTPUT_URI='s3:")]

    assert advice == ["deploy again: somebody changed it by hand"]


def test_a_stack_that_is_not_there_is_a_wrong_use(cloud, monkeypatch):
    done = CliRunner().invoke(app, ["doctor", "--stack", "nosuch"])

    assert type(done.exception).__name__ == "WrongUse"
    assert "Received: 'nosuch'" in str(done.exception)


def test_a_hostile_name_cannot_move_the_cursor():
    (line,) = lines([wrong("bucket \x1b[2J", "a\nb", "c\r")])

    assert line.isprintable()
    assert line.startswith("WRONG  bucket ")
