"""The template as data: what must hold for nothing to be lost, read or written that should not be.

A fact is a function over the template that fails where the fact does not hold. Each stands with mutants, changes of the
template that it must not let pass, so that none of them is a fact about nothing.
"""

import copy
import json
import re
from pathlib import Path

import pytest

from handler.custody import MAX_FAILURES
from handler.delivery import FIRST_RETRY_S, MAX_RETRY_S, RETRY_FACTOR
from handler.model import BUNDLED_ARTIFACT
from handler.settings import S3_CLIENTS
from infra.dashboard.rendering import read_mix, read_stack, render
from infra.package import PYTHON_VERSION
from infra.template import read_template
from tests.intrinsics import Evaluator
from tests.permissions import KMS_CALLS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "template.yaml").read_text()
TEMPLATE = read_template(TEXT)
INPUT = "coatcheck-input-123456789012-us-east-1"
OUTPUT = "coatcheck-output-123456789012-us-east-1"
QUEUE, DEAD_LETTER_QUEUE = (
    f"arn:aws:sqs:us-east-1:123456789012:coatcheck-{name}*" for name in ("UploadQueue", "DeadLetterQueue")
)
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ALIAS = {"Ref": "ScoringFunction.Alias"}
ACCOUNT = {"Ref": "AWS::AccountId"}
NOTHING = {"Ref": "AWS::NoValue"}
DEAD_LETTERS = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
ALARMS = ("DeadLettersAlarm", "WaitingUploadsAlarm", "ErrorsAlarm", "ThrottlesAlarm", "FailedBacklogsAlarm")
DRIFT = "DriftAlarm"  # which watches an expression; tests/infra/dashboard tells of it
ROLES = ("ScoringRole", "SweepRole", "BacklogRole", "ScheduledBacklogRole")
DEFINITION = ROOT / "infra/backlog/machine.asl.json"

WRITTEN = read_template("Resources:\n" + render(read_stack(TEXT), read_mix(BUNDLED_ARTIFACT)))["Resources"]

PAIRS = []  # of a fact and one of its mutants


def fact(mutant, *more):
    """Enters a fact and its mutants, of which there is at least one."""

    def enter(check):
        PAIRS.extend((check, each) for each in (mutant, *more))
        return check

    return enter


def put(path, value):
    """A mutant that sets what is at `path`: "Resource/property/…" or, from the top, "Outputs/…"; statements go by Sid."""

    def mutate(template):
        node, last = _walk(template, path)
        node[_place(node, last)] = value

    mutate.__name__ = f"{path}={json.dumps(value)}"
    return mutate


def drop(path):
    """A mutant that removes what is at `path`."""

    def mutate(template):
        node, last = _walk(template, path)
        del node[_place(node, last)]

    mutate.__name__ = f"no {path}"
    return mutate


def _walk(template, path):
    """What holds the last step of `path`, and that step."""
    first, *rest = path.split("/")
    *parents, last = [first, *rest] if first in template else ["Resources", first, "Properties", *rest]
    node = template
    for step in parents:
        found = node[_place(node, step)]
        node = unwrap(found) if isinstance(node, list) and not step.isdigit() else found
    return node, last


def _place(node, step):
    if not isinstance(node, list):
        return step
    return int(step) if step.isdigit() else next(place for place, item in enumerate(node) if unwrap(item).get("Sid") == step)


def unwrap(value):
    """What a condition grants: the second of [condition, value, nothing]."""
    return value["Fn::If"][1] if isinstance(value, dict) and "Fn::If" in value else value


def properties(template, name):
    return template["Resources"][name]["Properties"]


def evaluated(template, name, **parameters):
    """The properties of a resource, as CloudFormation evaluates them with these parameters."""
    return Evaluator(template, parameters).value(properties(template, name))


def allowed(template, name, **parameters):
    """The statements of a role or of a resource policy that these parameters leave, and that allow something, by Sid."""
    described = evaluated(template, name, **parameters)
    documents = [policy["PolicyDocument"] for policy in described.get("Policies", [described])]
    rules = [statement for document in documents for statement in document["Statement"]]
    return {statement["Sid"]: statement for statement in rules if statement["Effect"] == "Allow"}


def named(template, kind):
    return [name for name, resource in template["Resources"].items() if resource["Type"] == kind]


def mapping(template):
    return properties(template, "ScoringFunction")["Events"]["Uploads"]["Properties"]


def made(template, **parameters):
    """The resources that these parameters leave."""
    evaluator = Evaluator(template, parameters)
    return {
        name for name, part in template["Resources"].items() if "Condition" not in part or evaluator.holds(part["Condition"])
    }


def statements(template, name):
    """The statements of a role's inline policies, or of a resource policy."""
    described = properties(template, name)
    documents = [policy["PolicyDocument"] for policy in described.get("Policies", [described])]
    return [unwrap(statement) for document in documents for statement in document["Statement"]]


def granted(template, name):
    """What each statement of a role is for: its actions and the resource, sorted by Sid."""
    return {statement["Sid"]: (statement["Action"], statement["Resource"]) for statement in statements(template, name)}


def inside(value):
    """Every value in a value, itself included."""
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from inside(item)


def mentioned(value, of):
    """Which names of `of` a value refers to, by Ref, Fn::GetAtt, Fn::Sub or Fn::If."""
    texts = {text for text in inside(value) if isinstance(text, str)}
    subbed = {name for text in texts for name in re.findall(r"\$\{([A-Za-z0-9]+)", text)}
    return (texts | subbed) & set(of)


# Uploads on their way


@fact(put("ScoringFunction/Events/Uploads/Properties/FunctionResponseTypes", []))
def only_unfinished_messages_come_back(template):
    assert mapping(template)["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@fact(
    put("ScoringFunction/Events/Uploads/Type", "SNS"),
    put("ScoringFunction/Events/Uploads/Properties/Queue", DEAD_LETTERS),
    put("ScoringFunction/Events/Uploads/Properties/BatchSize", 10_001),
)
def the_queue_feeds_the_function(template):
    assert properties(template, "ScoringFunction")["Events"]["Uploads"]["Type"] == "SQS"
    assert mapping(template)["Queue"] == {"Fn::GetAtt": ["UploadQueue", "Arn"]}
    assert 1 <= mapping(template)["BatchSize"] <= 10_000


@fact(
    drop("ScoringFunction/Events/Uploads/Properties/ScalingConfig"),
    put("ScoringFunction/Events/Uploads/Properties/ScalingConfig/MaximumConcurrency", 1),
    put("ScoringFunction/Events/Uploads/Properties/ScalingConfig/MaximumConcurrency", 1001),
    put("ScoringFunction/ReservedConcurrentExecutions", 9),
)
def messages_are_not_taken_faster_than_the_account_can_run_the_function(template):
    """A message whose invocation Lambda throttles has been delivered once more, and so comes nearer to the dead letters."""
    most = properties(template, "ScoringFunction").get("ReservedConcurrentExecutions", 1000)
    assert 2 <= mapping(template)["ScalingConfig"]["MaximumConcurrency"] <= most


@fact(put("UploadQueue/VisibilityTimeout", 901), put("ScoringFunction/Timeout", 120))
def a_message_stays_hidden_while_it_may_still_be_worked_on(template):
    """The function has as long as Lambda allows, and sets the visibility of its own messages as it needs it."""
    timeout = properties(template, "ScoringFunction")["Timeout"]

    assert timeout == 900
    assert (
        properties(template, "UploadQueue")["VisibilityTimeout"] > timeout + mapping(template)["MaximumBatchingWindowInSeconds"]
    )


@fact(
    put("UploadQueue/RedrivePolicy/maxReceiveCount", 5),
    put("UploadQueue/RedrivePolicy/deadLetterTargetArn", {"Fn::GetAtt": ["UploadQueue", "Arn"]}),
    put("DeadLetterQueue/MessageRetentionPeriod", 345600),
    put("UploadQueue/MessageRetentionPeriod", 1209600),
)
def what_fails_again_and_again_is_kept_for_two_weeks_from_when_it_was_sent(template):
    queue = properties(template, "UploadQueue")

    assert queue["RedrivePolicy"]["maxReceiveCount"] == MAX_FAILURES == 8
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == DEAD_LETTERS
    assert properties(template, "DeadLetterQueue")["MessageRetentionPeriod"] == 14 * 24 * 3600
    left_days = (14 * 24 * 3600 - queue["MessageRetentionPeriod"]) // (24 * 3600)  # a message keeps its age when it is moved
    assert left_days >= 10
    assert f"for {left_days} days at least" in properties(template, "DeadLettersAlarm")["AlarmDescription"]
    assert f"for {left_days} days at least" in template["Outputs"]["DeadLetterQueueUrl"]["Description"]
    waiting_days = queue["MessageRetentionPeriod"] // (24 * 3600)
    assert f"after {waiting_days} days" in properties(template, "WaitingUploadsAlarm")["AlarmDescription"]


@fact(
    put("InputBucket/NotificationConfiguration/QueueConfigurations/Fn::If/0", "TriggerIsDirect"),
    put("InputBucket/NotificationConfiguration/QueueConfigurations/Fn::If/1/0/Queue", DEAD_LETTERS),
    put("InputBucket/NotificationConfiguration/QueueConfigurations/Fn::If/1/2/Fn::If/0", "HasPrefix2"),
    put("InputBucket/NotificationConfiguration/LambdaConfigurations/Fn::If/2", []),
    put("InputBucket/NotificationConfiguration/LambdaConfigurations/Fn::If/1/0/Event", "s3:ObjectCreated:Put"),
    drop("InputBucket/NotificationConfiguration/LambdaConfigurations/Fn::If/1/0/Filter"),
    drop("InputBucket/NotificationConfiguration/LambdaConfigurations/Fn::If/1/3"),
    put("InputBucket/NotificationConfiguration/EventBridgeConfiguration/Fn::If/0", "TriggerIsQueue"),
)
def an_upload_is_told_of_once_and_by_what_was_chosen(template):
    """S3 refuses filters that overlap, so there is one for each prefix that was given, and no more."""

    def told(trigger, prefixes):
        parameters = {"UploadTrigger": trigger, "InputPrefix": ",".join(prefixes)}
        return evaluated(template, "InputBucket", **parameters)["NotificationConfiguration"]

    def entries(destination, prefixes):
        rules = [{"S3Key": {"Rules": [{"Name": "prefix", "Value": prefix}]}} for prefix in prefixes]
        return [{"Event": "s3:ObjectCreated:*", **destination, "Filter": rule} for rule in rules]

    for prefixes in (["a/"], ["a/", "b/"], ["a/", "b/", "c/"], ["a/", "b/c/", "d/", "e/"]):
        function = {"Function": "coatcheck-ScoringFunction.Alias"}
        assert told("queue", prefixes) == {"QueueConfigurations": entries({"Queue": QUEUE}, prefixes)}
        assert told("direct", prefixes) == {"LambdaConfigurations": entries(function, prefixes)}
        assert told("eventbridge", prefixes) == {"EventBridgeConfiguration": {"EventBridgeEnabled": "true"}}


@fact(
    put("InputBucket/NotificationConfiguration/EventBridgeConfiguration/Fn::If/1/EventBridgeEnabled", True),
)
def a_rule_is_there_before_the_bucket_tells_of_uploads(template):
    enabled = properties(template, "InputBucket")["NotificationConfiguration"]["EventBridgeConfiguration"]

    assert mentioned(enabled, template["Resources"]) == {"UploadRule", "UploadRulePermission"}


@fact(
    drop("Resources/InputBucket/DependsOn"),
    put("InputBucket/NotificationConfiguration/LambdaConfigurations/Fn::If/1/0/Function", ALIAS),
)
def s3_may_send_before_the_bucket_says_that_it_will(template):
    """S3 tries each destination, and a bucket that may not send to it is not made."""
    bucket = template["Resources"]["InputBucket"]

    assert bucket["DependsOn"] == "UploadQueuePolicy"
    for entry in bucket["Properties"]["NotificationConfiguration"]["LambdaConfigurations"]["Fn::If"][1]:
        assert mentioned(entry, ["DirectPermission"])


@fact(
    put("DirectPermission/FunctionName", {"Ref": "ScoringFunction"}),
    put("DirectPermission/Principal", "*"),
    put("DirectPermission/SourceArn", {"Fn::Sub": "arn:${AWS::Partition}:s3:::${AWS::StackName}-input-${AWS::AccountId}"}),
    drop("DirectPermission/SourceAccount"),
)
def s3_may_invoke_the_function_for_this_bucket_alone(template):
    assert properties(template, "DirectPermission") == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": ALIAS,
        "Principal": "s3.amazonaws.com",
        "SourceArn": properties(template, "DirectPermission")["SourceArn"],
        "SourceAccount": ACCOUNT,
    }
    assert evaluated(template, "DirectPermission")["SourceArn"] == f"arn:aws:s3:::{INPUT}"


@fact(
    put("UploadRule/EventPattern/detail-type", ["Object Deleted"]),
    drop("UploadRule/EventPattern/detail/bucket"),
    drop("UploadRule/EventPattern/detail/object"),
    put("UploadRule/State", "DISABLED"),
)
def the_rule_matches_what_may_be_read(template):
    for parameters, bucket in (({}, INPUT), ({"ExistingInputBucket": "photos"}, "photos")):
        for prefixes in (["a/"], ["a/", "b/"], ["a/", "b/c/", "d/", "e/"]):
            rule = evaluated(template, "UploadRule", InputPrefix=",".join(prefixes), **parameters)
            assert rule["State"] == "ENABLED"
            assert rule["EventPattern"] == {
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": prefix} for prefix in prefixes]}},
            }


_EXISTING = {"ExistingInputBucket": "photos"}


@fact(
    put("Conditions/HasUploadRule", {"Condition": "TriggerIsEventBridge"}),
    put("UploadRule/Targets/0/Arn", ALIAS),
    put("Resources/UploadRule/Condition", "TriggerIsEventBridge"),
    drop("UploadQueuePolicy/PolicyDocument/Statement/TakeEventsOfTheUploadRuleOnly"),
    put("UploadQueuePolicy/PolicyDocument/Statement/1/Fn::If/1/Condition/ArnEquals/aws:SourceArn", "*"),
    put("UploadQueuePolicy/PolicyDocument/Statement/0/Fn::If/0", "TriggerIsQueue"),
    put("Resources/InputBucket/Condition", "MakesOutput"),
    drop("Resources/InputBucketPolicy/Condition"),
)
def an_existing_bucket_tells_of_uploads_by_a_rule_to_the_queue_or_to_the_function(template):
    """And none of its own settings is the stack's, nor may S3 itself send to the queue."""
    for trigger, target in (("queue", QUEUE), ("eventbridge", "coatcheck-ScoringFunction.Alias")):
        parameters = {**_EXISTING, "UploadTrigger": trigger}
        present = made(template, **parameters)
        (allows,) = allowed(template, "UploadQueuePolicy", **parameters).values() if trigger == "queue" else [None]

        assert evaluated(template, "UploadRule", **parameters)["Targets"][0]["Arn"] == target
        assert "UploadRule" in present
        assert not {"InputBucket", "InputBucketPolicy", "DirectPermission"} & present
        assert ("UploadRulePermission" in present) is (trigger == "eventbridge")
        assert allowed(template, "DeadLetterQueuePolicy", **parameters)
        if trigger == "eventbridge":
            assert allowed(template, "UploadQueuePolicy", **parameters) == {}
            continue
        assert allows["Principal"] == {"Service": "events.amazonaws.com"}
        assert (allows["Action"], allows["Resource"]) == ("sqs:SendMessage", QUEUE)
        assert allows["Condition"] == {"ArnEquals": {"aws:SourceArn": "UploadRule.Arn"}}


@fact(
    put("Conditions/HasDocumentEvents", {"Condition": "MakesOutput"}),
    put("Resources/OutputBucket/Condition", "MakesInput"),
    drop("Resources/OutputBucketPolicy/Condition"),
    drop("OutputBucket/NotificationConfiguration"),
)
def documents_are_told_of_to_eventbridge_if_asked_for_and_an_existing_output_is_left_alone(template):
    silent = evaluated(template, "OutputBucket")
    telling = evaluated(template, "OutputBucket", DocumentEvents="on")
    evaluator = Evaluator(template, {"ExistingOutputBucket": "photos"})

    assert "NotificationConfiguration" not in silent
    assert telling["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    for name in ("OutputBucket", "OutputBucketPolicy"):
        assert not evaluator.holds(template["Resources"][name]["Condition"])


@fact(
    drop("UploadRule/Targets/0/RetryPolicy"),
    put("UploadRule/Targets/0/RetryPolicy/MaximumRetryAttempts", 0),
    drop("UploadRule/Targets/0/DeadLetterConfig"),
    put("UploadRule/Targets/0/DeadLetterConfig/Arn", {"Fn::GetAtt": ["UploadQueue", "Arn"]}),
    drop("DeadLetterQueuePolicy/PolicyDocument/Statement/TakeWhatTheRuleCouldNotDeliver"),
    drop("DeadLetterQueuePolicy/PolicyDocument/Statement/1/Fn::If/1/Condition"),
    put("UploadRulePermission/SourceArn", "*"),
)
def what_the_rule_cannot_deliver_is_tried_again_and_then_kept(template):
    (target,) = properties(template, "UploadRule")["Targets"]
    rule = {"Fn::GetAtt": ["UploadRule", "Arn"]}
    (kept,) = (each for each in statements(template, "DeadLetterQueuePolicy") if each["Effect"] == "Allow")

    assert allowed(template, "DeadLetterQueuePolicy") == {}  # there is no rule
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400}
    assert target["DeadLetterConfig"] == {"Arn": DEAD_LETTERS}
    assert kept["Principal"] == {"Service": "events.amazonaws.com"}
    assert (kept["Action"], kept["Resource"]) == ("sqs:SendMessage", DEAD_LETTERS)
    assert kept["Condition"] == {"ArnEquals": {"aws:SourceArn": rule}}
    assert properties(template, "UploadRulePermission") == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": ALIAS,
        "Principal": "events.amazonaws.com",
        "SourceArn": rule,
    }


@fact(
    put("ScoringFunction/EventInvokeConfig/MaximumRetryAttempts", 1),
    drop("ScoringFunction/EventInvokeConfig/MaximumEventAgeInSeconds"),
    drop("ScoringFunction/EventInvokeConfig/DestinationConfig"),
)
def an_invocation_that_nobody_waits_for_is_tried_again_and_then_kept(template):
    assert properties(template, "ScoringFunction")["EventInvokeConfig"] == {
        "MaximumRetryAttempts": 2,
        "MaximumEventAgeInSeconds": 21600,
        "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": DEAD_LETTERS}},
    }


# Sweeps


@fact(
    put("Sweep/Target/Input", '{"job": "sweep", "scheduled_time": "<aws.scheduler.scheduled-time>"}'),
    put("Sweep/ScheduleExpression", "rate(1 hour)"),
    put("Sweep/FlexibleTimeWindow/Mode", "FLEXIBLE"),
)
def a_sweep_is_told_what_it_is_and_for_when(template):
    sweep = properties(template, "Sweep")

    assert sweep["ScheduleExpression"] == {"Ref": "SweepSchedule"}
    assert sweep["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert sweep["Target"]["Input"] == '{"job":"sweep","scheduled_time":"<aws.scheduler.scheduled-time>"}'


@fact(
    drop("Sweep/Target/RetryPolicy"),
    drop("Sweep/Target/RetryPolicy/MaximumEventAgeInSeconds"),
    drop("Sweep/Target/DeadLetterConfig"),
    put("Sweep/Target/RoleArn", {"Fn::GetAtt": ["ScoringRole", "Arn"]}),
)
def a_sweep_that_does_not_start_is_tried_again_and_then_kept(template):
    target = properties(template, "Sweep")["Target"]

    assert 0 < target["RetryPolicy"]["MaximumRetryAttempts"] <= 185
    assert 60 <= target["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 86400
    assert target["DeadLetterConfig"] == {"Arn": DEAD_LETTERS}
    assert target["RoleArn"] == {"Fn::GetAtt": ["SweepRole", "Arn"]}


@fact(
    put("SweepRole/AssumeRolePolicyDocument/Statement/0/Principal", {"Service": "lambda.amazonaws.com"}),
    drop("SweepRole/AssumeRolePolicyDocument/Statement/0/Condition"),
    put("SweepRole/Policies/0/PolicyDocument/Statement/StartSweeps/Resource", {"Fn::GetAtt": ["ScoringFunction", "Arn"]}),
    drop("SweepRole/Policies/0/PolicyDocument/Statement/KeepSweepsThatNeverStarted"),
)
def the_scheduler_may_start_sweeps_for_this_account_and_no_more(template):
    (trust,) = properties(template, "SweepRole")["AssumeRolePolicyDocument"]["Statement"]

    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert granted(template, "SweepRole") == {
        "StartSweeps": ("lambda:InvokeFunction", ALIAS),
        "KeepSweepsThatNeverStarted": ("sqs:SendMessage", DEAD_LETTERS),
    }


_NIGHTLY = {"SweepSchedule": "cron(0 3 * * ? *)"}


@fact(
    put("Resources/Sweep/Condition", "HasScheduledBacklogs"),
    put("Resources/SweepRole/Condition", "HasScheduledBacklogs"),
    drop("Resources/ScheduledBacklog/Condition"),
    put("Conditions/HasScheduledBacklogs/Fn::And/2", {"Condition": "HasBacklogs"}),
    put("Conditions/HasScheduledBacklogs/Fn::And/0", {"Fn::Equals": ["a", "a"]}),
    put("Conditions/HasSweeps/Fn::And/1", {"Fn::Equals": ["a", "a"]}),
    put("Parameters/SweepBy/Default", "backlog"),
)
def a_schedule_starts_either_the_function_or_the_state_machine(template):
    sweeps, backlogs = {"Sweep", "SweepRole"}, {"ScheduledBacklog", "ScheduledBacklogRole"}

    def scheduled(**parameters):
        return made(template, **parameters) & (sweeps | backlogs)

    assert scheduled() == scheduled(Backlogs="on") == scheduled(Backlogs="on", SweepBy="backlog") == set()
    assert scheduled(**_NIGHTLY, SweepBy="backlog") == set()  # refused by a rule besides
    assert scheduled(**_NIGHTLY) == scheduled(**_NIGHTLY, Backlogs="on") == sweeps
    assert scheduled(**_NIGHTLY, Backlogs="on", SweepBy="backlog") == backlogs


@fact(
    put("ScheduledBacklog/ScheduleExpression", "rate(1 hour)"),
    put("ScheduledBacklog/FlexibleTimeWindow/Mode", "FLEXIBLE"),
    put("ScheduledBacklog/Target/Arn", ALIAS),
    put("ScheduledBacklog/Target/Input", '{"job":"sweep","scheduled_time":"<aws.scheduler.scheduled-time>"}'),
    put("ScheduledBacklog/Target/Input", '{"job":"plan","run":"scheduled-<aws.scheduler.execution-id>"}'),  # of each attempt
    drop("ScheduledBacklog/Target/RetryPolicy/MaximumEventAgeInSeconds"),
    drop("ScheduledBacklog/Target/DeadLetterConfig"),
    put("ScheduledBacklog/Target/RoleArn", {"Fn::GetAtt": ["SweepRole", "Arn"]}),
)
def a_scheduled_run_is_named_after_its_time_so_that_a_start_that_is_repeated_starts_no_other(template):
    schedule = properties(template, "ScheduledBacklog")
    target = schedule["Target"]

    assert schedule["ScheduleExpression"] == {"Ref": "SweepSchedule"}
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert target["Arn"] == {"Ref": "Backlog"}
    assert target["Input"] == '{"job":"plan","run":"scheduled-<aws.scheduler.scheduled-time>"}'
    assert target["RetryPolicy"] == properties(template, "Sweep")["Target"]["RetryPolicy"]
    assert target["DeadLetterConfig"] == {"Arn": DEAD_LETTERS}
    assert target["RoleArn"] == {"Fn::GetAtt": ["ScheduledBacklogRole", "Arn"]}


_SCHEDULED = "ScheduledBacklogRole/Policies/0/PolicyDocument/Statement"


@fact(
    put("ScheduledBacklogRole/AssumeRolePolicyDocument/Statement/0/Principal", {"Service": "states.amazonaws.com"}),
    drop("ScheduledBacklogRole/AssumeRolePolicyDocument/Statement/0/Condition"),
    put(f"{_SCHEDULED}/StartBacklogs/Action", "states:*"),
    put(f"{_SCHEDULED}/StartBacklogs/Resource", ALIAS),
    drop(f"{_SCHEDULED}/KeepBacklogsThatNeverStarted"),
)
def the_scheduler_may_start_backlogs_for_this_account_and_no_more(template):
    (trust,) = properties(template, "ScheduledBacklogRole")["AssumeRolePolicyDocument"]["Statement"]

    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert granted(template, "ScheduledBacklogRole") == {
        "StartBacklogs": ("states:StartExecution", {"Ref": "Backlog"}),
        "KeepBacklogsThatNeverStarted": ("sqs:SendMessage", DEAD_LETTERS),
    }


# Backlogs


@fact(
    put("Backlog/DefinitionUri", "machine.asl.json"),
    put("Backlog/DefinitionSubstitutions/FunctionArn", {"Fn::GetAtt": ["ScoringFunction", "Arn"]}),
    put("Backlog/DefinitionSubstitutions/MaxConcurrency", {"Ref": "BacklogToleratedFailures"}),
    drop("Backlog/DefinitionSubstitutions/Partition"),
    put("Backlog/DefinitionSubstitutions/Region", {"Ref": "AWS::Region"}),
    put("Backlog/Type", "EXPRESS"),
    put("Backlog/Role", {"Fn::GetAtt": ["ScoringRole", "Arn"]}),
    put("Backlog/Tracing", {"Enabled": True}),
    put("Resources/BacklogRole/Condition", "HasAlarms"),
    put("Parameters/Backlogs/Default", "on"),
    drop("Outputs/BacklogArn/Condition"),
)
def a_backlog_is_run_on_demand_by_the_definition_in_the_file(template):
    """A name in the file that is given no value would stay there, and one that is not in the file would do nothing."""
    machine = properties(template, "Backlog")
    names = set(re.findall(r"\$\{(\w+)\}", DEFINITION.read_text()))

    assert machine == {
        "Name": machine["Name"],
        "Type": "STANDARD",
        "DefinitionUri": str(DEFINITION.relative_to(ROOT)),
        "DefinitionSubstitutions": {
            "Partition": {"Ref": "AWS::Partition"},
            "FunctionArn": ALIAS,
            "MaxConcurrency": {"Ref": "BacklogConcurrency"},
            "ToleratedFailurePercentage": {"Ref": "BacklogToleratedFailures"},
        },
        "Role": {"Fn::GetAtt": ["BacklogRole", "Arn"]},
    }
    assert set(machine["DefinitionSubstitutions"]) == names
    assert {"Backlog", "BacklogRole"} & made(template) == set()
    assert {"Backlog", "BacklogRole"} <= made(template, Backlogs="on")
    assert template["Outputs"]["BacklogArn"]["Value"] == {"Ref": "Backlog"}
    assert template["Outputs"]["BacklogArn"]["Condition"] == template["Resources"]["Backlog"]["Condition"]


_BACKLOG = "BacklogRole/Policies/0/PolicyDocument/Statement"


@fact(
    put("Backlog/Name", {"Fn::Sub": "${AWS::StackName}-runs"}),
    put("BacklogRole/AssumeRolePolicyDocument/Statement/0/Principal", {"Service": "lambda.amazonaws.com"}),
    drop("BacklogRole/AssumeRolePolicyDocument/Statement/0/Condition"),
    put(f"{_BACKLOG}/TakeEachStep/Resource", {"Fn::GetAtt": ["ScoringFunction", "Arn"]}),
    put(f"{_BACKLOG}/ReadShards/Resource/Fn::Sub/0", "arn:${AWS::Partition}:s3:::${Bucket}/${OutputPrefix}*"),
    put(f"{_BACKLOG}/ReadShards/Action", ["s3:GetObject", "s3:ListBucket"]),
    put(f"{_BACKLOG}/WriteResults/Resource/Fn::Sub/0", "arn:${AWS::Partition}:s3:::${Bucket}/${OutputPrefix}_coatcheck/*"),
    put(f"{_BACKLOG}/WriteResults/Resource/Fn::Sub/1/Bucket", {"Ref": "ExistingOutputBucket"}),
    put(f"{_BACKLOG}/WriteResults/Action", "s3:PutObject"),
    put(f"{_BACKLOG}/StartShards/Action", "states:*"),
    put(f"{_BACKLOG}/FollowAndStopShards/Resource", ["*"]),
    drop(f"{_BACKLOG}/RedriveShards"),
    drop(f"{_BACKLOG}/6/Fn::If/1/Condition"),
    put(f"{_BACKLOG}/6/Fn::If/0", "HasInputKey"),
)
def the_state_machine_may_do_these_things_and_no_more(template):
    def may(**parameters):
        rules = allowed(template, "BacklogRole", **parameters)
        return {sid: (rule["Action"], rule["Resource"], rule.get("Condition")) for sid, rule in rules.items()}

    def expected(output):
        runs = f"arn:aws:s3:::{output}_coatcheck/runs"
        parts = ["s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"]
        states = "arn:aws:states:us-east-1:123456789012"
        shards = f"{states}:execution:{name}/{label}:*"
        return {
            "TakeEachStep": ("lambda:InvokeFunction", "coatcheck-ScoringFunction.Alias", None),
            "ReadShards": ("s3:GetObject", f"{runs}/*/shards.json", None),
            "WriteResults": (parts, f"{runs}/*/results/*", None),
            "StartShards": ("states:StartExecution", f"{states}:stateMachine:{name}", None),
            "FollowAndStopShards": (
                ["states:DescribeExecution", "states:StopExecution"],
                [f"{states}:execution:{name}:*", shards],
                None,
            ),
            "RedriveShards": ("states:RedriveExecution", shards, None),
        }

    name = evaluated(template, "Backlog")["Name"]
    label = json.loads(DEFINITION.read_text())["States"]["Score"]["Label"]
    (trust,) = properties(template, "BacklogRole")["AssumeRolePolicyDocument"]["Statement"]
    own = expected(f"{OUTPUT}/predictions/")

    assert trust["Principal"] == {"Service": "states.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert may() == may(InputKmsKeyArn=KEY) == own
    assert may(ExistingOutputBucket="results", OutputPrefix="o/") == expected("results/o/")
    actions, condition = ["kms:GenerateDataKey", "kms:Decrypt"], {"StringLike": {"kms:ViaService": "s3.*"}}
    assert may(OutputKmsKeyArn=KEY) == own | {"EncryptResults": (actions, KEY, condition)}


# The function


_ENVIRONMENT = "ScoringFunction/Environment/Variables"


@fact(
    put(f"{_ENVIRONMENT}/INPUT_URIS", "s3://coatcheck-output-123456789012-us-east-1/"),
    put(f"{_ENVIRONMENT}/INPUT_URIS/Fn::Select/1/Fn::Split/1/Fn::Sub/1/End2", ""),
    put(f"{_ENVIRONMENT}/OUTPUT_URI/Fn::Sub/1/Bucket", {"Ref": "ExistingOutputBucket"}),
    put("OutputBucket/BucketName", {"Fn::Sub": "${AWS::StackName}-input-${AWS::AccountId}-${AWS::Region}"}),
    drop(f"{_ENVIRONMENT}/QUEUE_URL"),
    put(f"{_ENVIRONMENT}/QUEUE_URL", {"Ref": "DeadLetterQueue"}),
    put(f"{_ENVIRONMENT}/MODEL_URI", {"Ref": "ModelUri"}),
    put(f"{_ENVIRONMENT}/S3_CLIENT", "boto3"),
    put("Parameters/S3Client/AllowedValues", ["boto3", "obstore", "another"]),
)
def the_function_knows_its_buckets_its_queue_its_model_and_its_client(template):
    """Input and output are buckets of their own, unless existing ones are named; an empty MODEL_URI would be no model."""
    cases = [
        ({}, [f"{INPUT}/uploads/"], f"{OUTPUT}/predictions/"),
        ({"InputPrefix": "a/,b/"}, [f"{INPUT}/a/", f"{INPUT}/b/"], f"{OUTPUT}/predictions/"),
        ({"InputPrefix": "a/,b/,c/"}, [f"{INPUT}/a/", f"{INPUT}/b/", f"{INPUT}/c/"], f"{OUTPUT}/predictions/"),
        ({**_EXISTING, "InputPrefix": "a/,b/,c/,d/"}, [f"photos/{each}/" for each in "abcd"], f"{OUTPUT}/predictions/"),
        ({**_EXISTING, "ExistingOutputBucket": "photos", "OutputPrefix": "o/"}, ["photos/uploads/"], "photos/o/"),
    ]
    names = [evaluated(template, name)["BucketName"] for name in ("InputBucket", "OutputBucket")]

    assert names == [INPUT, OUTPUT]
    for parameters, inputs, output in cases:
        assert evaluated(template, "ScoringFunction", **parameters)["Environment"]["Variables"] == {
            "INPUT_URIS": ",".join(f"s3://{place}" for place in inputs),
            "OUTPUT_URI": f"s3://{output}",
            "QUEUE_URL": "coatcheck-UploadQueue",
            "S3_CLIENT": "boto3",
        }
    options = {"ModelUri": "s3://models/v1/", "S3Client": "obstore"}
    variables = evaluated(template, "ScoringFunction", **options)["Environment"]["Variables"]
    assert (variables["MODEL_URI"], variables["S3_CLIENT"]) == ("s3://models/v1/", "obstore")
    assert tuple(template["Parameters"]["S3Client"]["AllowedValues"]) == S3_CLIENTS
    assert properties(template, "ScoringFunction")["Environment"]["Variables"]["QUEUE_URL"] == {"Ref": "UploadQueue"}


_LONGEST_REGION = "us-isof-south-1"


@fact(
    put("Parameters/BucketNames/Default", "without-region"),
    put("Conditions/HasRegionInNames", {"Fn::Equals": ["a", "a"]}),
    put("OutputBucket/BucketName", {"Fn::Sub": "${AWS::StackName}-output-${AWS::AccountId}"}),
)
def buckets_are_named_for_each_region_and_keep_their_older_names_if_asked_to(template):
    """A bucket's name belongs to all regions; a bucket whose name changes is replaced by an empty one."""
    for name, kind in (("InputBucket", "input"), ("OutputBucket", "output")):
        assert evaluated(template, name)["BucketName"] == f"coatcheck-{kind}-123456789012-us-east-1"
        assert evaluated(template, name, BucketNames="without-region")["BucketName"] == f"coatcheck-{kind}-123456789012"
    longest_stack = 63 - len(f"-output-123456789012-{_LONGEST_REGION}")
    assert f"at most {longest_stack} characters" in template["Description"]
    assert f"at most {longest_stack} characters" in (ROOT / "samconfig.toml").read_text()


_OLDER = {"Fn::Sub": "${AWS::StackName}-input"}
_NEWER = {"Fn::Sub": "${AWS::StackName}-input-${AWS::AccountId}-${AWS::Region}"}


@fact(
    put(f"{_ENVIRONMENT}/OUTPUT_URI/Fn::Sub/1/Bucket/Fn::If/1/Fn::If/2", _OLDER),
    put("ScoringRole/Policies/0/PolicyDocument/Statement/WriteDocuments/Resource/Fn::Sub/1/Bucket/Fn::If/1/Fn::If/2", _OLDER),
    put("UploadQueuePolicy/PolicyDocument/Statement/0/Fn::If/1/Condition/ArnEquals/aws:SourceArn/Fn::Sub/1/Bucket", _NEWER),
)
def whatever_names_a_bucket_names_it_as_it_is_called(template):
    """With older names, every resource and output says the same of the bucket of the older name."""

    def everything(**parameters):
        evaluator = Evaluator(template, {"AlarmEmail": "me@example.com", **parameters})
        parts = [part["Properties"] for part in template["Resources"].values()]
        values = [output["Value"] for output in template["Outputs"].values()]
        return json.dumps([evaluator.value(part) for part in [*parts, *values]])

    newer, older = everything(), everything(BucketNames="without-region")
    assert "-us-east-1" not in older
    assert older == re.sub("(-(?:input|output)-123456789012)-us-east-1", r"\1", newer).replace("with-region", "without-region")


_ON_DEMAND = {  # the parameters without which there is no such resource, besides those of buckets, which other facts tell of
    "DirectPermission": {"UploadTrigger": "direct"},
    "UploadRule": {"UploadTrigger": "eventbridge"},
    "UploadRulePermission": {"UploadTrigger": "eventbridge"},
    "Sweep": {"SweepSchedule": "rate(1 hour)"},
    "SweepRole": {"SweepSchedule": "rate(1 hour)"},
    "Backlog": {"Backlogs": "on"},
    "BacklogRole": {"Backlogs": "on"},
    **{name: {"AlarmEmail": "me@example.com", "Backlogs": "on"} for name in ("AlarmTopic", *ALARMS, DRIFT)},
    **{
        name: {"Backlogs": "on", "SweepSchedule": "rate(1 hour)", "SweepBy": "backlog"}
        for name in ("ScheduledBacklog", "ScheduledBacklogRole")
    },
}


@fact(
    drop("Resources/UploadRule/Condition"),
    drop("Resources/AlarmTopic/Condition"),
    drop("Conditions/HasUploadRule/Fn::Or/0"),
    put("Resources/DirectPermission/Condition", "TriggerIsQueue"),
    put("Resources/ScoringDashboard/Condition", "HasAlarms"),
)
def what_was_not_asked_for_is_not_made(template):
    assert made(template) == set(template["Resources"]) - set(_ON_DEMAND)
    for name, parameters in _ON_DEMAND.items():
        assert name in made(template, **parameters)


@fact(
    put("ScoringFunction/Handler", "app.lambda_handler"),
    put("ScoringFunction/CodeUri", "handler/"),
    drop("ScoringFunction/AutoPublishAlias"),
    drop("ScoringFunction/MemorySize"),
    put("ScoringFunction/Runtime", "python3.12"),
    put("ScoringFunction/Architectures", ["x86_64"]),
    put("Resources/ScoringFunction/Metadata/BuildMethod", "python3.13"),
)
def the_function_is_the_package_that_make_build_makes(template):
    function = properties(template, "ScoringFunction")

    assert function["Handler"] == "handler.app.lambda_handler"
    assert "\ndef lambda_handler(" in (ROOT / "handler" / "app.py").read_text()
    assert (ROOT / function["CodeUri"]) == ROOT
    assert function["AutoPublishAlias"]
    assert 128 <= function["MemorySize"] <= 10_240
    assert function["Runtime"] == f"python{PYTHON_VERSION}"
    assert function["Architectures"] == [{"Ref": "Architecture"}]
    assert template["Resources"]["ScoringFunction"]["Metadata"]["BuildMethod"] == "makefile"
    assert "\nbuild-ScoringFunction:" in (ROOT / "Makefile").read_text()


@fact(drop("ScoringFunction/RecursiveLoop"))
def a_long_chain_of_messages_to_itself_is_not_stopped(template):
    assert properties(template, "ScoringFunction")["RecursiveLoop"] == "Allow"


@fact(
    put("ScoringFunction/SnapStart/ApplyOn", "PublishedVersions"),
    put("Conditions/HasSnapStart/Fn::Equals/1", "yes"),
    drop("Resources/ScoringFunction/DeletionPolicy"),
)
def snapshots_are_paid_for_by_those_who_ask_and_for_one_version_only(template):
    function = template["Resources"]["ScoringFunction"]

    applied = [evaluated(template, "ScoringFunction", SnapStart=choice)["SnapStart"] for choice in ("off", "on")]
    assert applied == [{"ApplyOn": "None"}, {"ApplyOn": "PublishedVersions"}]
    assert function["DeletionPolicy"] == "Delete"


@fact(
    put("ScoringFunction/VersionDescription/Fn::Sub", "${InputPrefix} ${OutputPrefix} ${Architecture} ${SnapStart}"),
    put("ScoringFunction/VersionDescription/Fn::Sub", "a longer text " * 10 + "${InputPrefix}"),
    drop("ScoringFunction/AutoPublishAliasAllProperties"),
    put("ScoringFunction/Environment/Variables/LOG_DAYS", {"Ref": "LogRetentionDays"}),
)
def a_change_of_any_parameter_of_the_function_is_published(template):
    """A version keeps the settings it was published with, so what the alias leads to would go on with the old ones.

    Lambda refuses a description of more than 256 characters, and CloudFormation the deployment; some 200 are for the names.
    """
    parameters, function = template["Parameters"], properties(template, "ScoringFunction")
    described = mentioned(function["VersionDescription"], parameters)
    rest = {name: value for name, value in function.items() if name != "VersionDescription"}
    conditions = {name: template["Conditions"][name] for name in mentioned(rest, template["Conditions"])}
    around = re.sub(r"\$\{[^}]*\}", "", function["VersionDescription"]["Fn::Sub"])

    assert described == mentioned(rest, parameters) | mentioned(conditions, parameters)
    assert function["AutoPublishAliasAllProperties"] is True
    chosen = [name for name in described if "AllowedValues" in parameters[name]]
    assert len(around) + sum(max(map(len, parameters[name]["AllowedValues"])) for name in chosen) <= 56


@fact(
    put("Sweep/Target/Arn", {"Fn::GetAtt": ["ScoringFunction", "Arn"]}),
    put("UploadRule/Targets/0/Arn", {"Fn::GetAtt": ["ScoringFunction", "Arn"]}),
    put("UploadRulePermission/FunctionName", {"Ref": "ScoringFunction"}),
    put("Outputs/FunctionArn/Value", {"Fn::GetAtt": ["ScoringFunction", "Arn"]}),
)
def whoever_invokes_the_function_invokes_the_version_in_use(template):
    """Its own name stands where a figure or a person needs it, and nowhere else."""
    parts = {**template["Resources"], **{f"output {name}": output for name, output in template["Outputs"].items()}}
    by_name = {name for name, part in parts.items() if {"Ref": "ScoringFunction"} in inside(part)}

    assert by_name == {"ErrorsAlarm", "ThrottlesAlarm", DRIFT, "output FunctionName"}
    assert {"Fn::GetAtt": ["ScoringFunction", "Arn"]} not in inside(template)
    assert properties(template, "Sweep")["Target"]["Arn"] == ALIAS


@fact(
    drop("ScoringLogGroup/RetentionInDays"),
    put("ScoringFunction/LoggingConfig/LogGroup", "/aws/lambda/coatcheck"),
    put("ScoringFunction/LoggingConfig/LogFormat", "Text"),
    put("ScoringLogGroup/LogGroupName", "/aws/lambda/coatcheck"),  # in which a second stack could not be made
)
def the_log_is_json_and_does_not_grow_for_ever(template):
    assert properties(template, "ScoringLogGroup")["LogGroupName"] == {"Fn::Sub": "/aws/lambda/${AWS::StackName}"}
    assert properties(template, "ScoringLogGroup")["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert properties(template, "ScoringFunction")["LoggingConfig"] == {
        "LogFormat": "JSON",
        "LogGroup": {"Ref": "ScoringLogGroup"},
    }


# Who may do what

_ROLE = "ScoringRole/Policies/0/PolicyDocument/Statement"


_ALL_KEYS = {"InputKmsKeyArn": KEY, "OutputKmsKeyArn": f"{KEY}-o", "ModelKmsKeyArn": f"{KEY}-m", "ModelUri": "s3://models/v1/"}


@fact(
    put(f"{_ROLE}/ReadInput/Action", "s3:*"),
    put(f"{_ROLE}/ReadInput/Resource", [f"arn:aws:s3:::{INPUT}/*"]),
    put(f"{_ROLE}/ReadInput/Resource/Fn::Split/1/Fn::Select/1/Fn::Split/1/Fn::Sub/1/End1", ""),
    put(f"{_ROLE}/WriteDocuments/Action", ["s3:PutObject", "s3:DeleteObject"]),
    drop(f"{_ROLE}/TellMissingDocuments"),
    drop(f"{_ROLE}/TakeWork"),
    put(f"{_ROLE}/KeepFailedInvocations/Effect", "Deny"),
    put(f"{_ROLE}/10/Fn::If/0", "HasAlarms"),
    put(f"{_ROLE}/10/Fn::If/2", {"Sid": "Other", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}),
)
def the_function_may_do_these_things_and_no_more(template):
    def may(**parameters):
        rules = allowed(template, "ScoringRole", **parameters)
        return {sid: (rule["Action"], rule["Resource"]) for sid, rule in rules.items()}

    def expected(inputs, output):
        (bucket,) = {place.split("/")[0] for place in inputs}
        documents = f"arn:aws:s3:::{output}*"
        return {
            "ReadInput": ("s3:GetObject", [f"arn:aws:s3:::{place}*" for place in inputs]),
            "ListInput": ("s3:ListBucket", f"arn:aws:s3:::{bucket}"),
            "WriteDocuments": ("s3:PutObject", documents),
            "RecogniseDocuments": ("s3:GetObject", documents),
            "TellMissingDocuments": ("s3:ListBucket", documents.split("/", maxsplit=1)[0]),
            "SendSweptWork": (["sqs:SendMessage", "sqs:GetQueueAttributes"], QUEUE),
            "TakeWork": (["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], QUEUE),
            "TimeRetries": ("sqs:ChangeMessageVisibility", QUEUE),
            "KeepFailedInvocations": ("sqs:SendMessage", DEAD_LETTER_QUEUE),
            "WriteLogs": (
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                "arn:aws:logs:us-east-1:123456789012:log-group:coatcheck-ScoringLogGroup:*",
            ),
        }

    own = expected([f"{INPUT}/uploads/"], f"{OUTPUT}/predictions/")
    assert may() == own
    assert may(ModelUri="s3://models/v1/") == own | {"ReadModel": ("s3:GetObject", "arn:aws:s3:::models/v1/*")}
    for prefixes in (["a/", "b/"], ["a/", "b/", "c/"], ["a/", "b/", "c/", "d/"]):
        there = {"ExistingInputBucket": "photos", "ExistingOutputBucket": "results", "InputPrefix": ",".join(prefixes)}
        assert may(**there) == expected([f"photos/{prefix}" for prefix in prefixes], "results/predictions/")


@fact(
    put(f"{_ROLE}/DecryptInput/Action", "kms:*"),
    put(f"{_ROLE}/EncryptDocuments/Action", "kms:GenerateDataKey"),  # a document that is there could not be told
    put(f"{_ROLE}/DecryptModel/Resource", "*"),
    drop(f"{_ROLE}/DecryptInput/Condition"),
    put(f"{_ROLE}/11/Fn::If/0", "HasOutputKey"),
    put(f"{_ROLE}/13/Fn::If/0", "HasModel"),
)
def keys_are_used_through_s3_alone_and_where_they_are_given(template):
    def keys(**parameters):
        rules = allowed(template, "ScoringRole", **parameters).items()
        return {sid: rule for sid, rule in rules if any("kms:" in action for action in [rule["Action"], *rule["Action"]])}

    given = keys(**_ALL_KEYS)

    assert keys() == keys(ModelUri="s3://models/v1/") == {}
    assert {sid: rule["Resource"] for sid, rule in given.items()} == {
        "DecryptInput": KEY,
        "EncryptDocuments": f"{KEY}-o",
        "DecryptModel": f"{KEY}-m",
    }
    for sid, rule in given.items():
        actions = rule["Action"] if isinstance(rule["Action"], list) else [rule["Action"]]
        assert set(actions) == KMS_CALLS[sid]
        assert rule["Condition"] == {"StringLike": {"kms:ViaService": "s3.*"}}
    assert set(keys(InputKmsKeyArn=KEY)) == {"DecryptInput"}
    assert set(keys(OutputKmsKeyArn=KEY)) == {"EncryptDocuments"}


@fact(
    drop(f"{_ROLE}/ListInput/Condition"),
    put(f"{_ROLE}/ListInput/Condition/StringLikeIfExists/s3:prefix", ["uploads/*"]),
    put(f"{_ROLE}/TellMissingDocuments/Condition/StringLikeIfExists/s3:prefix", "*"),
)
def buckets_are_listed_under_their_prefix_only(template):
    """IfExists, because GetObject and HeadObject ask for the permission without naming a prefix, and answer 403 without it."""
    for prefixes in (["a/"], ["a/", "b/"], ["a/", "b/", "c/", "d/"]):
        rules = allowed(template, "ScoringRole", InputPrefix=",".join(prefixes))
        listings = {sid: rule["Condition"] for sid, rule in rules.items() if rule["Action"] == "s3:ListBucket"}
        assert listings == {
            "ListInput": {"StringLikeIfExists": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}},
            "TellMissingDocuments": {"StringLikeIfExists": {"s3:prefix": "predictions/*"}},
        }


@fact(
    put("ScoringRole/ManagedPolicyArns", ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]),
    put("SweepRole/Policies/0/PolicyDocument/Statement/StartSweeps/Resource", "*"),
    put(f"{_ROLE}/WriteLogs/Resource", ["*"]),
    drop(f"{_ROLE}/WriteLogs/Sid"),
    put("ScoringFunction/Policies", ["AmazonS3ReadOnlyAccess"]),
    put("ScoringFunction/Role", {"Fn::GetAtt": ["SweepRole", "Arn"]}),
    put("ScoringRole/AssumeRolePolicyDocument/Statement/0/Principal", {"AWS": "*"}),
    *(put(f"{role}/AssumeRolePolicyDocument/Statement/0/Effect", "Deny") for role in ROLES),
    *(put(f"{role}/AssumeRolePolicyDocument/Statement/0/Action", "sts:TagSession") for role in ROLES),
    *(put(f"{role}/Policies/0/PolicyDocument/Statement/0/Effect", "Deny") for role in ROLES),
    drop("SweepRole/Policies/0/PolicyDocument/Version"),
    put("UploadQueuePolicy/PolicyDocument/Version", "2008-10-17"),
)
def every_permission_is_spelt_out_here_with_its_reason(template):
    roles = named(template, "AWS::IAM::Role")

    assert properties(template, "ScoringFunction")["Role"] == {"Fn::GetAtt": ["ScoringRole", "Arn"]}
    assert "Policies" not in properties(template, "ScoringFunction")
    assert set(roles) == set(ROLES)
    for role in roles:
        assert set(properties(template, role)) == {"AssumeRolePolicyDocument", "Policies"}
        assert all(each["Sid"] for each in statements(template, role))
        assert all("*" not in (each["Resource"], *each["Resource"]) for each in statements(template, role))
        (trust,) = properties(template, role)["AssumeRolePolicyDocument"]["Statement"]
        assert (trust["Effect"], trust["Action"]) == ("Allow", "sts:AssumeRole")
        assert {each["Effect"] for each in statements(template, role)} == {"Allow"}
    (trust,) = properties(template, "ScoringRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
    documents = [value for value in inside(template) if isinstance(value, dict) and "Statement" in value]
    assert {document["Version"] for document in documents} == {"2012-10-17"}


_SENDER = "UploadQueuePolicy/PolicyDocument/Statement/TakeNotificationsOfTheInputBucketOnly"


@fact(
    drop(f"{_SENDER}/Condition/StringEquals"),
    put(f"{_SENDER}/Condition/ArnEquals/aws:SourceArn", f"arn:aws:s3:::{OUTPUT}"),
    put(f"{_SENDER}/Principal", "*"),
    put(f"{_SENDER}/Action", "sqs:*"),
    put("Conditions/QueueTakesRule", {"Condition": "TriggerIsQueue"}),
)
def the_queue_takes_messages_from_the_input_bucket_of_this_account_alone(template):
    for trigger in ("queue", "direct", "eventbridge"):
        (rule,) = allowed(template, "UploadQueuePolicy", UploadTrigger=trigger).values()
        assert rule["Principal"] == {"Service": "s3.amazonaws.com"}
        assert (rule["Action"], rule["Resource"]) == ("sqs:SendMessage", QUEUE)
        assert rule["Condition"] == {
            "ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{INPUT}"},
            "StringEquals": {"aws:SourceAccount": "123456789012"},
        }


@fact(
    drop("Resources/OutputBucketPolicy"),
    put("InputBucketPolicy/PolicyDocument/Statement/0/Effect", "Allow"),
    drop("InputBucketPolicy/PolicyDocument/Statement/0/Condition"),
    put("InputBucketPolicy/PolicyDocument/Statement/0/Condition/Bool/aws:SecureTransport", "true"),
    put("OutputBucketPolicy/PolicyDocument/Statement/0/Resource", [{"Fn::Sub": "${OutputBucket.Arn}/*"}]),
    put("OutputBucketPolicy/PolicyDocument/Statement/0/Principal", {"Service": "s3.amazonaws.com"}),
    drop("UploadQueuePolicy/PolicyDocument/Statement/RefusePlainHttp"),
    put("DeadLetterQueuePolicy/PolicyDocument/Statement/RefusePlainHttp/Action", "sqs:SendMessage"),
    put("DeadLetterQueuePolicy/Queues", [{"Ref": "UploadQueue"}]),
)
def plain_http_is_refused_everywhere(template):
    policies = [
        (properties(template, name), statements(template, name))
        for kind in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy")
        for name in named(template, kind)
    ]
    refused = {}
    for policy, rules in policies:
        (target,) = policy.get("Queues", [policy.get("Bucket")])
        (denied,) = (each for each in rules if each["Effect"] == "Deny")
        assert (denied["Principal"], denied["Condition"]) == ("*", {"Bool": {"aws:SecureTransport": "false"}})
        refused[target["Ref"]] = (denied["Action"], denied["Resource"])

    assert refused == {
        **{
            name: ("s3:*", [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}])
            for name in ("InputBucket", "OutputBucket")
        },
        "UploadQueue": ("sqs:*", {"Fn::GetAtt": ["UploadQueue", "Arn"]}),
        "DeadLetterQueue": ("sqs:*", DEAD_LETTERS),
    }
    assert set(refused) == {*named(template, "AWS::S3::Bucket"), *named(template, "AWS::SQS::Queue")}


# What is stored


def encryption(template, name, **parameters):
    (rule,) = evaluated(template, name, **parameters)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    return rule


_RULE = "BucketEncryption/ServerSideEncryptionConfiguration/0"


@fact(
    put(f"OutputBucket/{_RULE}/ServerSideEncryptionByDefault/KMSMasterKeyID", {"Ref": "InputKmsKeyArn"}),
    drop(f"InputBucket/{_RULE}/BucketKeyEnabled"),
    put(f"InputBucket/{_RULE}/ServerSideEncryptionByDefault/SSEAlgorithm", "AES256"),
)
def a_bucket_of_the_stack_is_encrypted_with_the_key_that_was_given(template):
    for name, parameter in (("InputBucket", "InputKmsKeyArn"), ("OutputBucket", "OutputKmsKeyArn")):
        assert encryption(template, name, **{parameter: KEY}) == {
            "BucketKeyEnabled": True,
            "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY},
        }


@fact(
    drop("InputBucket/PublicAccessBlockConfiguration/BlockPublicPolicy"),
    put("OutputBucket/PublicAccessBlockConfiguration/IgnorePublicAcls", False),
    drop("OutputBucket/BucketEncryption"),
    put("InputBucket/OwnershipControls/Rules/0/ObjectOwnership", "ObjectWriter"),
    put("UploadQueue/SqsManagedSseEnabled", False),
    drop("DeadLetterQueue/SqsManagedSseEnabled"),
)
def what_is_stored_is_private_and_encrypted(template):
    for name in named(template, "AWS::S3::Bucket"):
        bucket = properties(template, name)
        assert encryption(template, name) == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        assert list(bucket["PublicAccessBlockConfiguration"].values()) == [True] * 4
        assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    for name in named(template, "AWS::SQS::Queue"):
        assert properties(template, name)["SqsManagedSseEnabled"] is True


@fact(
    drop("InputBucket/VersioningConfiguration"),
    drop("InputBucket/LifecycleConfiguration/Rules/0/NoncurrentVersionExpiration"),
    put("InputBucket/LifecycleConfiguration/Rules/0/ExpirationInDays", 30),
    drop("InputBucket/LifecycleConfiguration/Rules/0/AbortIncompleteMultipartUpload"),
    put("InputBucket/LifecycleConfiguration/Rules/0/Status", "Disabled"),
)
def an_image_replaced_by_mistake_can_be_had_back_for_a_month(template):
    """And no image goes away by itself."""
    bucket = properties(template, "InputBucket")
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]

    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert rule == {
        "Id": rule["Id"],
        "Status": "Enabled",
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
        "ExpiredObjectDeleteMarker": True,
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }


@fact(
    drop("OutputBucket/LifecycleConfiguration"),
    put("OutputBucket/LifecycleConfiguration/Rules/0/ExpirationInDays", 30),
    put("OutputBucket/LifecycleConfiguration/Rules/0/Status", "Disabled"),
)
def parts_that_a_broken_off_run_has_written_do_not_stay_and_documents_do(template):
    """Step Functions writes large results in parts."""
    (rule,) = properties(template, "OutputBucket")["LifecycleConfiguration"]["Rules"]

    assert rule == {"Id": rule["Id"], "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}


@fact(
    put("Resources/InputBucket/DeletionPolicy", "Delete"),
    drop("Resources/OutputBucket/UpdateReplacePolicy"),
)
def buckets_outlive_the_stack(template):
    for name in named(template, "AWS::S3::Bucket"):
        assert template["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert template["Resources"][name]["UpdateReplacePolicy"] == "Retain"


@fact(
    put(f"{_ROLE}/ReadInput/Resource", {"Fn::GetAtt": ["InputBucket", "Arn"]}),
    put(f"{_SENDER}/Condition/ArnEquals/aws:SourceArn", {"Fn::GetAtt": ["InputBucket", "Arn"]}),
    put("ScoringFunction/Environment/Variables/INPUT_URIS", {"Fn::Sub": "s3://${InputBucket}/${InputPrefix}"}),
)
def buckets_are_referred_to_by_name_so_that_nothing_waits_for_itself(template):
    buckets = named(template, "AWS::S3::Bucket")
    others = {name: part for name, part in template["Resources"].items() if part["Type"] != "AWS::S3::BucketPolicy"}

    assert {name for name, part in others.items() if mentioned(part, buckets)} == set()


# What people see


@fact(
    drop("Resources/ScoringDashboard"),
    put("Resources/DriftAlarm/Condition", "HasAlarms"),
    put("Conditions/HasDashboard/Fn::Equals/1", "off"),
)
def the_dashboard_and_the_alarm_on_drift_are_those_that_are_defined(template):
    """tests/infra/dashboard tells what they show and watch."""
    assert {name: template["Resources"][name] for name in WRITTEN} == WRITTEN
    assert "ScoringDashboard" in made(template) - made(template, Dashboard="off")


@fact(
    *(drop(f"Resources/{name}") for name in ALARMS),
    put("DeadLettersAlarm/Dimensions/0/Value", {"Fn::GetAtt": ["UploadQueue", "QueueName"]}),
    put("ErrorsAlarm/Namespace", "AWS/SQS"),
    put("ThrottlesAlarm/MetricName", "Errors"),
    put("FailedBacklogsAlarm/Dimensions/0/Name", "StateMachineName"),
    put("Resources/FailedBacklogsAlarm/Condition", "HasAlarms"),
    put("Resources/DriftAlarm/Condition", "HasAlarms"),
)
def alarms_watch_what_a_person_must_know_of(template):
    function = ("FunctionName", {"Ref": "ScoringFunction"})
    watched = {
        name: (alarm["Namespace"], alarm["MetricName"], *((each["Name"], each["Value"]) for each in alarm["Dimensions"]))
        for name in set(named(template, "AWS::CloudWatch::Alarm")) - {DRIFT}
        for alarm in [properties(template, name)]
    }

    assert watched == {
        "DeadLettersAlarm": (
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            ("QueueName", {"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}),
        ),
        "WaitingUploadsAlarm": (
            "AWS/SQS",
            "ApproximateAgeOfOldestMessage",
            ("QueueName", {"Fn::GetAtt": ["UploadQueue", "QueueName"]}),
        ),
        "ErrorsAlarm": ("AWS/Lambda", "Errors", function),
        "ThrottlesAlarm": ("AWS/Lambda", "Throttles", function),
        "FailedBacklogsAlarm": ("AWS/States", "ExecutionsFailed", ("StateMachineArn", {"Ref": "Backlog"})),
    }
    asked = {"AlarmEmail": "me@example.com"}
    assert set(ALARMS) & made(template, **asked) == set(ALARMS) - {"FailedBacklogsAlarm"}
    assert set(ALARMS) & made(template, **asked, Backlogs="on") == set(ALARMS)
    assert set(ALARMS) & made(template, Backlogs="on") == set()
    assert DRIFT in made(template, **asked) - made(template, **asked, ModelUri="s3://models/mine/")
    assert DRIFT not in made(template)


@fact(
    put("DeadLettersAlarm/Threshold", 1),
    put("WaitingUploadsAlarm/Threshold", 60),
    put("ErrorsAlarm/ComparisonOperator", "LessThanThreshold"),
    put("ThrottlesAlarm/TreatMissingData", "missing"),
    put("DeadLettersAlarm/AlarmActions", []),
    put("ErrorsAlarm/Statistic", "Average"),
    *(put(f"{name}/Period", 3600) for name in ALARMS),
    *(put(f"{name}/EvaluationPeriods", 12) for name in ALARMS),
    put("AlarmTopic/Subscription", []),
    put("FailedBacklogsAlarm/Threshold", 1),
    put("FailedBacklogsAlarm/Statistic", "Average"),
    put("DriftAlarm/Threshold", 0),
    put("DriftAlarm/TreatMissingData", "breaching"),
    put("DriftAlarm/EvaluationPeriods", 2),
    put("DriftAlarm/AlarmActions", []),
)
def alarms_go_off_when_they_should_and_reach_the_person(template):
    retries = properties(template, "UploadQueue")["RedrivePolicy"]["maxReceiveCount"] - 1
    waiting = sum(min(MAX_RETRY_S, FIRST_RETRY_S * RETRY_FACTOR**retry) for retry in range(retries))
    for name in ALARMS:
        alarm = properties(template, name)
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
        assert alarm["Statistic"] == ("Maximum" if alarm["Namespace"] == "AWS/SQS" else "Sum")
        assert alarm["TreatMissingData"] == "notBreaching"
        assert (alarm["Period"], alarm["EvaluationPeriods"]) == (300, 1)
        assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]
    drift = properties(template, DRIFT)
    assert (drift["ComparisonOperator"], drift["Threshold"], drift["EvaluationPeriods"]) == ("GreaterThanThreshold", 0.25, 1)
    assert (drift["TreatMissingData"], drift["AlarmActions"]) == ("notBreaching", [{"Ref": "AlarmTopic"}])
    thresholds = {name: properties(template, name)["Threshold"] for name in ALARMS}
    assert {name for name in ALARMS if thresholds[name] == 0} == set(ALARMS) - {"WaitingUploadsAlarm"}
    assert 3000 <= thresholds["WaitingUploadsAlarm"] <= waiting
    assert properties(template, "AlarmTopic")["Subscription"] == [{"Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}}]


@fact(
    *(put(f"{name}/AlarmDescription", "Something is wrong.") for name in (*ALARMS, DRIFT)),
    put("ErrorsAlarm/AlarmDescription", '"coatcheck doctor" mends it. ' * 40),
    put("ErrorsAlarm/AlarmDescription", 'Run "coatcheck heal".'),
)
def an_alarm_says_what_to_do(template):
    """CloudWatch refuses a text of more than 1,024 characters."""
    commands = {"doctor", "redrive", "sheet", "evaluate"}
    done_by_hand = {"ThrottlesAlarm": "ask for a higher quota", "FailedBacklogsAlarm": "start the run again by its name"}
    for name in (*ALARMS, DRIFT):
        text = properties(template, name)["AlarmDescription"]
        told = set(re.findall(r"coatcheck (\w+)", text))
        assert len(text) <= 1024
        assert told <= commands
        assert told or done_by_hand[name] in text


FACTS = list(dict.fromkeys(check for check, _ in PAIRS))


@pytest.mark.parametrize("check", FACTS, ids=lambda check: check.__name__)
def test_the_template_keeps_to_it(check):
    check(TEMPLATE)


@pytest.mark.parametrize(("check", "mutate"), PAIRS, ids=lambda part: part.__name__)
def test_a_template_that_does_not_is_noticed(check, mutate):
    mutant = copy.deepcopy(TEMPLATE)
    mutate(mutant)

    assert mutant != TEMPLATE
    with pytest.raises((AssertionError, KeyError, ValueError)):  # something is wrong, or missing, or not the only one
        check(mutant)


# What may be left out of a resource without a fact being broken: words for people and names that nothing refers to.
_WORDS = {"Description", "AlarmDescription", "Metadata", "Sid", "PolicyName", "Id"}


def _places(node, path=()):
    """The path of every part of a template that is more than words."""
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, inner in steps:
        if step not in _WORDS:
            yield (*path, step)
            yield from _places(inner, (*path, step))


def _is_noticed(template, facts):
    """Whether one of `facts` is broken; it is moved to the front, where it is broken soonest by the next mutant."""
    for place, check in enumerate(facts):
        try:
            check(template)
        except Exception:  # noqa: BLE001  # whatever a fact stumbles over
            facts.insert(0, facts.pop(place))
            return True
    return False


def test_whatever_is_left_out_of_the_resources_and_their_conditions_is_noticed():
    """Each part of them in turn, the parts of parts as well."""
    template, facts = copy.deepcopy(TEMPLATE), list(FACTS)
    unnoticed, tried = [], 0
    for path in [path for part in ("Resources", "Conditions") for path in _places(template[part], (part,))]:
        *parents, last = path
        node = template
        for step in parents:
            node = node[step]
        saved = copy.copy(node)
        del node[last]
        tried += 1
        if not _is_noticed(template, facts):
            unnoticed.append("/".join(map(str, path)))
        node.clear()
        node.update(saved) if isinstance(node, dict) else node.extend(saved)

    assert template == TEMPLATE
    assert tried > 1000
    assert unnoticed == []


def test_no_fact_is_left_out():
    """A function over the template that is neither a fact nor used by one would check nothing."""
    source = Path(__file__).read_text()
    defined = re.findall(r"^def (\w+)\(template\):", source, re.MULTILINE)
    helpers = {"mapping"}

    assert {check.__name__ for check in FACTS} == set(defined) - helpers


@pytest.mark.parametrize(
    ("prefix", "is_allowed"),
    [("uploads/", True), ("a/b-1/", True), ("", False), ("no slash", False), ("*/", False), ("a|b/", False)],
)
def test_prefixes_are_such_as_need_no_encoding(prefix, is_allowed):
    """S3 matches its filter with encoded keys, and a star would be one in a policy."""
    for name in ("InputPrefix", "OutputPrefix"):
        assert bool(re.fullmatch(TEMPLATE["Parameters"][name]["AllowedPattern"], prefix)) is is_allowed


@pytest.mark.parametrize(
    ("prefixes", "is_allowed"),
    [("a/,b/", True), ("a/,b/c/,d/,e/", True), ("a/,", False), (",a/", False), ("a/, b/", False), ("a/,b/,c/,d/,e/", False)],
)
def test_inputs_have_one_to_four_prefixes(prefixes, is_allowed):
    assert bool(re.fullmatch(TEMPLATE["Parameters"]["InputPrefix"]["AllowedPattern"], prefixes)) is is_allowed
    assert not re.fullmatch(TEMPLATE["Parameters"]["OutputPrefix"]["AllowedPattern"], prefixes)


@pytest.mark.parametrize(
    ("parameters", "broken"),
    [
        ({}, ""),
        ({"UploadTrigger": "direct"}, ""),
        ({"UploadTrigger": "direct", **_EXISTING}, "UploadTrigger=direct needs"),
        ({"UploadTrigger": "eventbridge", **_EXISTING}, ""),
        ({"DocumentEvents": "on"}, ""),
        ({"DocumentEvents": "on", "ExistingOutputBucket": "photos"}, "DocumentEvents=on needs"),
        ({"ModelKmsKeyArn": KEY}, "ModelKmsKeyArn needs"),
        (_ALL_KEYS, ""),
        ({"SweepBy": "backlog"}, "SweepBy=backlog needs"),
        ({"SweepBy": "backlog", "Backlogs": "on"}, ""),
        ({"SweepBy": "function", "Backlogs": "on"}, ""),
        ({**_EXISTING, "ExistingOutputBucket": "photos"}, ""),
        ({**_EXISTING, "ExistingOutputBucket": "photos", "OutputPrefix": "uploads/"}, "In one bucket"),
        ({**_EXISTING, "ExistingOutputBucket": "results", "OutputPrefix": "uploads/"}, ""),
    ],
    ids=str,
)
def test_parameters_that_contradict_each_other_are_refused_before_anything_is_made(parameters, broken):
    messages = Evaluator(TEMPLATE, parameters).broken_rules()

    assert [message.startswith(broken) for message in messages] == ([True] if broken else [])


@pytest.mark.parametrize("name", TEMPLATE["Parameters"])
def test_every_parameter_is_described_in_whole_sentences_with_its_default_explained(name):
    text = TEMPLATE["Parameters"][name]["Description"]

    assert re.fullmatch(r"[A-Z].{40,4000}\.", text)
    assert "default" in text or name in {"InputPrefix", "OutputPrefix"}


@pytest.mark.parametrize(
    ("name", "value", "is_allowed"),
    [
        ("ModelUri", "", True),
        ("ModelUri", "s3://models-1/fashion/1.0.0/", True),
        ("ModelUri", "s3://models-1/", False),  # the function could read the whole bucket
        ("ModelUri", "s3://models-1/fashion", False),
        ("ModelUri", "s3://models-1/*/", False),
        ("ModelUri", "/var/task/artifact/", False),
        ("SweepSchedule", "", True),
        ("SweepSchedule", "rate(1 hour)", True),
        ("SweepSchedule", "cron(0 3 * * ? *)", True),
        ("SweepSchedule", "1 hour", False),
        ("SweepSchedule", "at(2026-01-01T00:00:00)", False),
        ("ExistingInputBucket", "", True),
        ("ExistingInputBucket", "photos.example-1", True),
        ("ExistingInputBucket", "s3://photos", False),
        ("ExistingInputBucket", "photos/raw", False),
        ("ExistingOutputBucket", "*", False),
        ("InputKmsKeyArn", "", True),
        ("InputKmsKeyArn", KEY, True),
        ("OutputKmsKeyArn", KEY.replace("1234abcd", "mrk-1234abcd").replace("arn:aws:", "arn:aws-us-gov:"), True),
        ("ModelKmsKeyArn", "arn:aws:kms:us-east-1:123456789012:alias/photos", False),  # a policy does not follow an alias
        ("ModelKmsKeyArn", "1234abcd-12ab-34cd-56ef-1234567890ab", False),
        ("BacklogConcurrency", "1", True),
        ("BacklogConcurrency", "9999", True),
        ("BacklogConcurrency", "0", False),  # as many as there are shards, to Step Functions
        ("BacklogConcurrency", "050", False),  # no JSON, which the definition reads it as
        ("BacklogConcurrency", "2.5", False),
        ("BacklogConcurrency", "10000", False),
        ("BacklogToleratedFailures", "0", True),
        ("BacklogToleratedFailures", "5", True),
        ("BacklogToleratedFailures", "100", True),
        ("BacklogToleratedFailures", "101", False),
        ("BacklogToleratedFailures", "05", False),
        ("BacklogToleratedFailures", "", False),
        ("AlarmEmail", "", True),
        ("AlarmEmail", "me@example.com", True),
        ("AlarmEmail", "me", False),
    ],
)
def test_a_parameter_that_cannot_be_meant_is_refused_before_anything_is_made(name, value, is_allowed):
    assert bool(re.fullmatch(TEMPLATE["Parameters"][name]["AllowedPattern"], value)) is is_allowed
