"""The template as data: what must hold for nothing to be lost, read or written that should not be.

A fact is a function over the template that fails where the fact does not hold. Each stands with mutants, changes of the
template that it must not let pass, so that none of them is a fact about nothing.
"""

import copy
import json
import re
from pathlib import Path

import pytest

from handler.delivery import FIRST_RETRY_S, MAX_RETRY_S, RETRY_FACTOR
from infra.package import PYTHON_VERSION
from infra.template import read_template

ROOT = Path(__file__).parent.parent
TEMPLATE = read_template((ROOT / "template.yaml").read_text())
INPUT = "arn:${AWS::Partition}:s3:::${AWS::StackName}-input-${AWS::AccountId}"
OUTPUT = "arn:${AWS::Partition}:s3:::${AWS::StackName}-output-${AWS::AccountId}"
ALIAS = {"Ref": "ScoringFunction.Alias"}
ACCOUNT = {"Ref": "AWS::AccountId"}
NOTHING = {"Ref": "AWS::NoValue"}
DEAD_LETTERS = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
ALARMS = ("DeadLettersAlarm", "WaitingUploadsAlarm", "ErrorsAlarm", "ThrottlesAlarm")

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
        *parents, last = _steps(template, path)
        node = template
        for step in parents:
            node = node[_place(node, step)]
        node[_place(node, last)] = value

    mutate.__name__ = f"{path}={json.dumps(value)}"
    return mutate


def drop(path):
    """A mutant that removes what is at `path`."""

    def mutate(template):
        *parents, last = _steps(template, path)
        node = template
        for step in parents:
            node = node[_place(node, step)]
        del node[_place(node, last)]

    mutate.__name__ = f"no {path}"
    return mutate


def _steps(template, path):
    first, *rest = path.split("/")
    return [first, *rest] if first in template else ["Resources", first, "Properties", *rest]


def _place(node, step):
    if not isinstance(node, list):
        return step
    return int(step) if step.isdigit() else next(place for place, item in enumerate(node) if unwrap(item).get("Sid") == step)


def unwrap(value):
    """What a condition grants: the second of [condition, value, nothing]."""
    return value["Fn::If"][1] if isinstance(value, dict) and "Fn::If" in value else value


def properties(template, name):
    return template["Resources"][name]["Properties"]


def named(template, kind):
    return [name for name, resource in template["Resources"].items() if resource["Type"] == kind]


def mapping(template):
    return properties(template, "ScoringFunction")["Events"]["Uploads"]["Properties"]


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
    subbed = {name for text in texts for name in re.findall(r"\$\{([A-Za-z]+)", text)}
    return (texts | subbed) & set(of)


# Uploads on their way


@fact(put("ScoringFunction/Events/Uploads/Properties/FunctionResponseTypes", []))
def only_unfinished_messages_come_back(template):
    assert mapping(template)["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@fact(drop("ScoringFunction/Events/Uploads/Properties/ScalingConfig"))
def messages_are_not_taken_faster_than_the_account_can_run_the_function(template):
    """A message whose invocation Lambda throttles has been delivered once more, and so comes nearer to the dead letters."""
    assert 2 <= mapping(template)["ScalingConfig"]["MaximumConcurrency"] <= 1000


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
def what_fails_again_and_again_is_kept_for_two_weeks(template):
    queue = properties(template, "UploadQueue")

    assert queue["RedrivePolicy"]["maxReceiveCount"] == 8
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == DEAD_LETTERS
    assert properties(template, "DeadLetterQueue")["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert queue["MessageRetentionPeriod"] < 14 * 24 * 3600  # a message keeps its age when it is moved


@fact(
    put("InputBucket/NotificationConfiguration/QueueConfigurations/Fn::If/0", "TriggerIsDirect"),
    put("InputBucket/NotificationConfiguration/QueueConfigurations/Fn::If/1/0/Queue", DEAD_LETTERS),
    put("InputBucket/NotificationConfiguration/LambdaConfigurations/Fn::If/2", []),
    put("InputBucket/NotificationConfiguration/LambdaConfigurations/Fn::If/1/0/Event", "s3:ObjectCreated:Put"),
    drop("InputBucket/NotificationConfiguration/LambdaConfigurations/Fn::If/1/0/Filter"),
    put("InputBucket/NotificationConfiguration/EventBridgeConfiguration/Fn::If/0", "TriggerIsQueue"),
    put("InputBucket/NotificationConfiguration/EventBridgeConfiguration/Fn::If/1/EventBridgeEnabled", True),  # before its rule
)
def an_upload_is_told_of_once_and_by_what_was_chosen(template):
    configuration = properties(template, "InputBucket")["NotificationConfiguration"]
    filtered = {"S3Key": {"Rules": [{"Name": "prefix", "Value": {"Ref": "InputPrefix"}}]}}
    common = {"Event": "s3:ObjectCreated:*", "Filter": filtered}
    function = {"Fn::Select": [0, [ALIAS, {"Ref": "DirectPermission"}]]}
    queue = {"Fn::GetAtt": ["UploadQueue", "Arn"]}
    enabled = {"Fn::Select": [0, ["true", {"Ref": "UploadRule"}, {"Ref": "UploadRulePermission"}]]}

    assert configuration == {
        "QueueConfigurations": {"Fn::If": ["TriggerIsQueue", [{**common, "Queue": queue}], NOTHING]},
        "LambdaConfigurations": {"Fn::If": ["TriggerIsDirect", [{**common, "Function": function}], NOTHING]},
        "EventBridgeConfiguration": {"Fn::If": ["TriggerIsEventBridge", {"EventBridgeEnabled": enabled}, NOTHING]},
    }


@fact(
    drop("Resources/InputBucket/DependsOn"),
    put("InputBucket/NotificationConfiguration/LambdaConfigurations/Fn::If/1/0/Function", ALIAS),
)
def s3_may_send_before_the_bucket_says_that_it_will(template):
    """S3 tries each destination, and a bucket that may not send to it is not made."""
    bucket = template["Resources"]["InputBucket"]

    assert bucket["DependsOn"] == "UploadQueuePolicy"
    assert mentioned(bucket["Properties"]["NotificationConfiguration"]["LambdaConfigurations"], ["DirectPermission"])


@fact(
    put("DirectPermission/FunctionName", {"Ref": "ScoringFunction"}),
    put("DirectPermission/Principal", "*"),
    drop("DirectPermission/SourceArn"),
    drop("DirectPermission/SourceAccount"),
)
def s3_may_invoke_the_function_for_this_bucket_alone(template):
    assert properties(template, "DirectPermission") == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": ALIAS,
        "Principal": "s3.amazonaws.com",
        "SourceArn": {"Fn::Sub": INPUT},
        "SourceAccount": ACCOUNT,
    }


@fact(
    put("UploadRule/EventPattern/detail-type", ["Object Deleted"]),
    drop("UploadRule/EventPattern/detail/bucket"),
    drop("UploadRule/EventPattern/detail/object"),
    put("UploadRule/State", "DISABLED"),
)
def the_rule_matches_what_may_be_read(template):
    assert properties(template, "UploadRule")["State"] == "ENABLED"
    assert properties(template, "UploadRule")["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [{"Fn::Sub": "${AWS::StackName}-input-${AWS::AccountId}"}]},
            "object": {"key": [{"prefix": {"Ref": "InputPrefix"}}]},
        },
    }


@fact(
    drop("UploadRule/Targets/0/RetryPolicy"),
    put("UploadRule/Targets/0/RetryPolicy/MaximumRetryAttempts", 0),
    drop("UploadRule/Targets/0/DeadLetterConfig"),
    put("UploadRule/Targets/0/DeadLetterConfig/Arn", {"Fn::GetAtt": ["UploadQueue", "Arn"]}),
    drop("DeadLetterQueuePolicy/PolicyDocument/Statement/TakeWhatTheRuleCouldNotDeliver"),
    drop("DeadLetterQueuePolicy/PolicyDocument/Statement/1/Fn::If/1/Condition"),
    put("UploadRulePermission/SourceArn", {"Fn::Sub": INPUT}),
)
def what_the_rule_cannot_deliver_is_tried_again_and_then_kept(template):
    (target,) = properties(template, "UploadRule")["Targets"]
    rule = {"Fn::GetAtt": ["UploadRule", "Arn"]}
    (kept,) = (each for each in statements(template, "DeadLetterQueuePolicy") if each["Effect"] == "Allow")

    assert target["Arn"] == ALIAS
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
)
def a_sweep_is_told_what_it_is_and_for_when(template):
    sweep = properties(template, "Sweep")

    assert sweep["ScheduleExpression"] == {"Ref": "SweepSchedule"}
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


# The function


@fact(
    put("ScoringFunction/Environment/Variables/INPUT_URIS/Fn::Sub", "s3://${AWS::StackName}-output-${AWS::AccountId}/"),
    put("OutputBucket/BucketName/Fn::Sub", "${AWS::StackName}-input-${AWS::AccountId}"),
    drop("ScoringFunction/Environment/Variables/QUEUE_URL"),
    put("ScoringFunction/Environment/Variables/QUEUE_URL", {"Ref": "DeadLetterQueue"}),
    put("ScoringFunction/Environment/Variables/MODEL_URI", {"Ref": "ModelUri"}),
)
def the_function_knows_its_buckets_its_queue_and_its_model(template):
    """Input and output are buckets of their own; an empty MODEL_URI would be no model, so there is none instead."""
    names = [properties(template, name)["BucketName"]["Fn::Sub"] for name in ("InputBucket", "OutputBucket")]

    assert names[0] != names[1]
    assert properties(template, "ScoringFunction")["Environment"]["Variables"] == {
        "INPUT_URIS": {"Fn::Sub": f"s3://{names[0]}/${{InputPrefix}}"},
        "OUTPUT_URI": {"Fn::Sub": f"s3://{names[1]}/${{OutputPrefix}}"},
        "QUEUE_URL": {"Ref": "UploadQueue"},
        "MODEL_URI": {"Fn::If": ["HasModel", {"Ref": "ModelUri"}, NOTHING]},
    }


@fact(
    put("ScoringFunction/Runtime", "python3.12"),
    put("ScoringFunction/Architectures", ["x86_64"]),
    put("Resources/ScoringFunction/Metadata/BuildMethod", "python3.13"),
)
def the_function_is_the_package_that_make_build_makes(template):
    function = properties(template, "ScoringFunction")

    assert function["Runtime"] == f"python{PYTHON_VERSION}"
    assert function["Architectures"] == [{"Ref": "Architecture"}]
    assert template["Resources"]["ScoringFunction"]["Metadata"]["BuildMethod"] == "makefile"
    assert "\nbuild-ScoringFunction:" in (ROOT / "Makefile").read_text()


@fact(drop("ScoringFunction/RecursiveLoop"))
def a_long_chain_of_messages_to_itself_is_not_stopped(template):
    assert properties(template, "ScoringFunction")["RecursiveLoop"] == "Allow"


@fact(
    put("ScoringFunction/SnapStart/ApplyOn", "PublishedVersions"),
    drop("Resources/ScoringFunction/DeletionPolicy"),
)
def snapshots_are_paid_for_by_those_who_ask_and_for_one_version_only(template):
    function = template["Resources"]["ScoringFunction"]

    assert function["Properties"]["SnapStart"] == {"ApplyOn": {"Fn::If": ["HasSnapStart", "PublishedVersions", "None"]}}
    assert function["DeletionPolicy"] == "Delete"


@fact(
    put("ScoringFunction/VersionDescription/Fn::Sub", "${InputPrefix} ${OutputPrefix} ${Architecture} ${SnapStart}"),
    drop("ScoringFunction/AutoPublishAliasAllProperties"),
    put("ScoringFunction/Environment/Variables/LOG_DAYS", {"Ref": "LogRetentionDays"}),
    drop("Parameters/ModelUri/MaxLength"),
    put("Parameters/InputPrefix/MaxLength", 200),
)
def a_change_of_any_parameter_of_the_function_is_published(template):
    """A version keeps the settings it was published with, so what the alias leads to would go on with the old ones."""
    parameters, function = template["Parameters"], properties(template, "ScoringFunction")
    described = mentioned(function["VersionDescription"], parameters)
    rest = {name: value for name, value in function.items() if name != "VersionDescription"}
    conditions = {name: template["Conditions"][name] for name in mentioned(rest, template["Conditions"])}
    longest = [parameters[name].get("MaxLength") or max(map(len, parameters[name]["AllowedValues"])) for name in described]
    around = re.sub(r"\$\{[^}]*\}", "", function["VersionDescription"]["Fn::Sub"])

    assert described == mentioned(rest, parameters) | mentioned(conditions, parameters)
    assert function["AutoPublishAliasAllProperties"] is True
    assert sum(longest) + len(around) <= 256


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

    assert by_name == {"ErrorsAlarm", "ThrottlesAlarm", "output FunctionName"}
    assert {"Fn::GetAtt": ["ScoringFunction", "Arn"]} not in inside(template)
    assert properties(template, "Sweep")["Target"]["Arn"] == ALIAS


@fact(
    drop("ScoringLogGroup/RetentionInDays"),
    put("ScoringFunction/LoggingConfig/LogGroup", "/aws/lambda/coatcheck"),
    put("ScoringFunction/LoggingConfig/LogFormat", "Text"),
)
def the_log_is_json_and_does_not_grow_for_ever(template):
    assert properties(template, "ScoringLogGroup")["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert properties(template, "ScoringFunction")["LoggingConfig"] == {
        "LogFormat": "JSON",
        "LogGroup": {"Ref": "ScoringLogGroup"},
    }


# Who may do what

_ROLE = "ScoringRole/Policies/0/PolicyDocument/Statement"


@fact(
    put(f"{_ROLE}/ReadInput/Action", "s3:*"),
    put(f"{_ROLE}/ReadInput/Resource/Fn::Sub", f"{INPUT}/*"),
    put(f"{_ROLE}/WriteDocuments/Action", ["s3:PutObject", "s3:DeleteObject"]),
    drop(f"{_ROLE}/TellMissingDocuments"),
    drop(f"{_ROLE}/TakeWork"),
    put(f"{_ROLE}/KeepFailedInvocations/Effect", "Deny"),
    put(f"{_ROLE}/10/Fn::If/0", "HasAlarms"),
    put(f"{_ROLE}/10/Fn::If/2", {"Sid": "Other", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}),
)
def the_function_may_do_these_things_and_no_more(template):
    upload_queue = {"Fn::GetAtt": ["UploadQueue", "Arn"]}
    logs = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${ScoringLogGroup}:*"
    model = {"Place": {"Fn::Select": [1, {"Fn::Split": ["s3://", {"Ref": "ModelUri"}]}]}}
    raw = properties(template, "ScoringRole")["Policies"][0]["PolicyDocument"]["Statement"]

    assert granted(template, "ScoringRole") == {
        "ReadInput": ("s3:GetObject", {"Fn::Sub": f"{INPUT}/${{InputPrefix}}*"}),
        "ListInput": ("s3:ListBucket", {"Fn::Sub": INPUT}),
        "WriteDocuments": ("s3:PutObject", {"Fn::Sub": f"{OUTPUT}/${{OutputPrefix}}*"}),
        "RecogniseDocuments": ("s3:GetObject", {"Fn::Sub": f"{OUTPUT}/${{OutputPrefix}}*"}),
        "TellMissingDocuments": ("s3:ListBucket", {"Fn::Sub": OUTPUT}),
        "SendSweptWork": ("sqs:SendMessage", upload_queue),
        "TakeWork": (["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], upload_queue),
        "TimeRetries": ("sqs:ChangeMessageVisibility", upload_queue),
        "KeepFailedInvocations": ("sqs:SendMessage", DEAD_LETTERS),
        "WriteLogs": (["logs:CreateLogStream", "logs:PutLogEvents"], {"Fn::Sub": logs}),
        "ReadModel": ("s3:GetObject", {"Fn::Sub": ["arn:${AWS::Partition}:s3:::${Place}*", model]}),
    }
    assert {statement["Effect"] for statement in statements(template, "ScoringRole")} == {"Allow"}
    assert [(each["Fn::If"][0], each["Fn::If"][2]) for each in raw if "Fn::If" in each] == [("HasModel", NOTHING)]


@fact(
    drop(f"{_ROLE}/ListInput/Condition"),
    put(f"{_ROLE}/TellMissingDocuments/Condition/StringLikeIfExists/s3:prefix", "*"),
)
def buckets_are_listed_under_their_prefix_only(template):
    """IfExists, because GetObject and HeadObject ask for the permission without naming a prefix, and answer 403 without it."""
    listings = [each for each in statements(template, "ScoringRole") if each["Action"] == "s3:ListBucket"]

    assert {each["Sid"]: each["Condition"] for each in listings} == {
        "ListInput": {"StringLikeIfExists": {"s3:prefix": {"Fn::Sub": "${InputPrefix}*"}}},
        "TellMissingDocuments": {"StringLikeIfExists": {"s3:prefix": {"Fn::Sub": "${OutputPrefix}*"}}},
    }


@fact(
    put("ScoringRole/ManagedPolicyArns", ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]),
    put("SweepRole/Policies/0/PolicyDocument/Statement/StartSweeps/Resource", "*"),
    put(f"{_ROLE}/WriteLogs/Resource", ["*"]),
    drop(f"{_ROLE}/WriteLogs/Sid"),
    put("ScoringFunction/Policies", ["AmazonS3ReadOnlyAccess"]),
    put("ScoringFunction/Role", {"Fn::GetAtt": ["SweepRole", "Arn"]}),
    put("ScoringRole/AssumeRolePolicyDocument/Statement/0/Principal", {"AWS": "*"}),
)
def every_permission_is_spelt_out_here_with_its_reason(template):
    roles = named(template, "AWS::IAM::Role")

    assert properties(template, "ScoringFunction")["Role"] == {"Fn::GetAtt": ["ScoringRole", "Arn"]}
    assert "Policies" not in properties(template, "ScoringFunction")
    for role in roles:
        assert set(properties(template, role)) == {"AssumeRolePolicyDocument", "Policies"}
        assert all(each["Sid"] for each in statements(template, role))
        assert all("*" not in (each["Resource"], *each["Resource"]) for each in statements(template, role))
    (trust,) = properties(template, "ScoringRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


@fact(
    drop("UploadQueuePolicy/PolicyDocument/Statement/0/Condition/StringEquals"),
    put("UploadQueuePolicy/PolicyDocument/Statement/0/Condition/ArnEquals/aws:SourceArn/Fn::Sub", OUTPUT),
    put("UploadQueuePolicy/PolicyDocument/Statement/0/Principal", "*"),
    put("UploadQueuePolicy/PolicyDocument/Statement/0/Action", "sqs:*"),
)
def the_queue_takes_messages_from_the_input_bucket_of_this_account_alone(template):
    (allowed,) = (each for each in statements(template, "UploadQueuePolicy") if each["Effect"] == "Allow")

    assert allowed["Principal"] == {"Service": "s3.amazonaws.com"}
    assert (allowed["Action"], allowed["Resource"]) == ("sqs:SendMessage", {"Fn::GetAtt": ["UploadQueue", "Arn"]})
    assert allowed["Condition"] == {
        "ArnEquals": {"aws:SourceArn": {"Fn::Sub": INPUT}},
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
    }


@fact(
    drop("Resources/OutputBucketPolicy"),
    put("InputBucketPolicy/PolicyDocument/Statement/0/Effect", "Allow"),
    drop("InputBucketPolicy/PolicyDocument/Statement/0/Condition"),
    put("InputBucketPolicy/PolicyDocument/Statement/0/Condition/Bool/aws:SecureTransport", "true"),
    put("OutputBucketPolicy/PolicyDocument/Statement/0/Resource", [{"Fn::Sub": f"{OUTPUT}/*"}]),
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
        "InputBucket": ("s3:*", [{"Fn::Sub": INPUT}, {"Fn::Sub": f"{INPUT}/*"}]),
        "OutputBucket": ("s3:*", [{"Fn::Sub": OUTPUT}, {"Fn::Sub": f"{OUTPUT}/*"}]),
        "UploadQueue": ("sqs:*", {"Fn::GetAtt": ["UploadQueue", "Arn"]}),
        "DeadLetterQueue": ("sqs:*", DEAD_LETTERS),
    }
    assert set(refused) == {*named(template, "AWS::S3::Bucket"), *named(template, "AWS::SQS::Queue")}


# What is stored


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
        (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert encryption == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
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
    put("Resources/InputBucket/DeletionPolicy", "Delete"),
    drop("Resources/OutputBucket/UpdateReplacePolicy"),
)
def buckets_outlive_the_stack(template):
    for name in named(template, "AWS::S3::Bucket"):
        assert template["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert template["Resources"][name]["UpdateReplacePolicy"] == "Retain"


@fact(
    put(f"{_ROLE}/ReadInput/Resource", {"Fn::GetAtt": ["InputBucket", "Arn"]}),
    put(
        "UploadQueuePolicy/PolicyDocument/Statement/0/Condition/ArnEquals/aws:SourceArn", {"Fn::GetAtt": ["InputBucket", "Arn"]}
    ),
    put("ScoringFunction/Environment/Variables/INPUT_URIS/Fn::Sub", "s3://${InputBucket}/${InputPrefix}"),
)
def buckets_are_referred_to_by_name_so_that_nothing_waits_for_itself(template):
    buckets = named(template, "AWS::S3::Bucket")
    others = {name: part for name, part in template["Resources"].items() if part["Type"] != "AWS::S3::BucketPolicy"}

    assert {name for name, part in others.items() if mentioned(part, buckets)} == set()


# What people see


@fact(
    *(drop(f"Resources/{name}") for name in ALARMS),
    put("DeadLettersAlarm/Dimensions/0/Value", {"Fn::GetAtt": ["UploadQueue", "QueueName"]}),
    put("ErrorsAlarm/Namespace", "AWS/SQS"),
    put("ThrottlesAlarm/MetricName", "Errors"),
)
def alarms_watch_what_a_person_must_know_of(template):
    function = ("FunctionName", {"Ref": "ScoringFunction"})
    watched = {
        name: (alarm["Namespace"], alarm["MetricName"], *((each["Name"], each["Value"]) for each in alarm["Dimensions"]))
        for name in named(template, "AWS::CloudWatch::Alarm")
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
    }


@fact(
    put("DeadLettersAlarm/Threshold", 1),
    put("WaitingUploadsAlarm/Threshold", 60),
    put("ErrorsAlarm/ComparisonOperator", "LessThanThreshold"),
    put("ThrottlesAlarm/TreatMissingData", "missing"),
    put("DeadLettersAlarm/AlarmActions", []),
    put("ErrorsAlarm/Statistic", "Average"),
    put("AlarmTopic/Subscription", []),
)
def alarms_go_off_when_they_should_and_reach_the_person(template):
    retries = properties(template, "UploadQueue")["RedrivePolicy"]["maxReceiveCount"] - 1
    waiting = sum(min(MAX_RETRY_S, FIRST_RETRY_S * RETRY_FACTOR**retry) for retry in range(retries))
    for name in ALARMS:
        alarm = properties(template, name)
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
        assert alarm["Statistic"] == ("Sum" if alarm["Namespace"] == "AWS/Lambda" else "Maximum")
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]
    thresholds = {name: properties(template, name)["Threshold"] for name in ALARMS}
    assert {name for name in ALARMS if thresholds[name] == 0} == set(ALARMS) - {"WaitingUploadsAlarm"}
    assert 3000 <= thresholds["WaitingUploadsAlarm"] <= waiting
    assert properties(template, "AlarmTopic")["Subscription"] == [{"Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}}]


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


def test_no_fact_is_left_out():
    """A function over the template that is neither a fact nor used by one would check nothing."""
    source = Path(__file__).read_text()
    defined = re.findall(r"^def (\w+)\(template\):", source, re.MULTILINE)
    helpers = {"mapping"}

    assert {check.__name__ for check in FACTS} == set(defined) - helpers


@pytest.mark.parametrize(
    ("prefix", "is_allowed"),
    [("uploads/", True), ("a/b-1/", True), ("", False), ("no slash", False), ("a,b/", False), ("*/", False)],
)
def test_prefixes_are_such_as_need_no_encoding(prefix, is_allowed):
    """S3 matches its filter with encoded keys, INPUT_URIS is split at commas, and a star would be one in a policy."""
    for name in ("InputPrefix", "OutputPrefix"):
        assert bool(re.fullmatch(TEMPLATE["Parameters"][name]["AllowedPattern"], prefix)) is is_allowed


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
        ("AlarmEmail", "", True),
        ("AlarmEmail", "me@example.com", True),
        ("AlarmEmail", "me", False),
    ],
)
def test_a_parameter_that_cannot_be_meant_is_refused_before_anything_is_made(name, value, is_allowed):
    assert bool(re.fullmatch(TEMPLATE["Parameters"][name]["AllowedPattern"], value)) is is_allowed
