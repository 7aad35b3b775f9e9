"""The template as deployed, looked at through the services. Each set of parameters is deployed once, and only looked at."""

import json

import boto3
import cfnlint.api
import pytest

from tests.deployment import INPUT, OUTPUT, arn_of, decided, deploy, queue_attributes, statements, transformed

MODEL = "s3://models/fashion-mnist/2.0.0/"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
EXISTING = {"ExistingInputBucket": "photos", "InputPrefix": "raw/,camera/front/"}
DEPLOYMENTS = {
    "default": {},
    "direct": {"UploadTrigger": "direct"},
    "eventbridge": {"UploadTrigger": "eventbridge"},
    "sweeps": {"SweepSchedule": "cron(0 3 * * ? *)"},
    "alarms": {"AlarmEmail": "me@example.com"},
    "scheduled backlogs": {
        "Backlogs": "on",
        "SweepBy": "backlog",
        "SweepSchedule": "cron(0 3 * * ? *)",
        "BacklogConcurrency": "200",
        "BacklogToleratedFailures": "0",
        "OutputPrefix": "out/",
        "OutputKmsKeyArn": KEY,
    },
    "snapshots of a model": {"SnapStart": "on", "ModelUri": MODEL},
    "elsewhere": {"InputPrefix": "in/", "OutputPrefix": "out/", "Architecture": "arm64", "S3Client": "obstore"},
    "older names": {"BucketNames": "without-region"},
    "two prefixes": {"InputPrefix": "raw/,camera/front/", "InputKmsKeyArn": KEY, "OutputKmsKeyArn": KEY},
    "existing input": EXISTING,
    "existing input, eventbridge": {**EXISTING, "UploadTrigger": "eventbridge", "InputKmsKeyArn": KEY},
    "existing buckets": {**EXISTING, "ExistingOutputBucket": "photos", "InputKmsKeyArn": KEY, "OutputKmsKeyArn": KEY},
    "everything": {
        "UploadTrigger": "eventbridge",
        "SweepSchedule": "rate(1 hour)",
        "Backlogs": "on",
        "ModelUri": MODEL,
        "SnapStart": "on",
        "AlarmEmail": "me@example.com",
        "LogRetentionDays": "7",
        "DocumentEvents": "on",
    },
}


@pytest.fixture(scope="module")
def deployment(request, botocore_data):
    """The deployment of that name; pytest runs the tests of one after the other, so that each is made once."""
    with deploy(DEPLOYMENTS[request.param]) as deployment:
        deployment.name = request.param
        yield deployment


def deployed(*names):
    """Marks a test to be given each of these deployments."""
    return pytest.mark.parametrize("deployment", names, indirect=True)


ALL_TRIGGERS = ("default", "direct", "everything")
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
    "ScoringDashboard",
}
ALARMS = {"AlarmTopic", "DeadLettersAlarm", "WaitingUploadsAlarm", "ErrorsAlarm", "ThrottlesAlarm"}
DRIFT = "DriftAlarm"  # only with the bundled model, whose classes the template knows
EXTRA = {
    "default": set(),
    "direct": {"DirectPermission"},
    "eventbridge": {"UploadRule", "UploadRulePermission"},
    "sweeps": {"Sweep", "SweepRole"},
    "alarms": {*ALARMS, DRIFT},
    "scheduled backlogs": {"Backlog", "BacklogRole", "ScheduledBacklog", "ScheduledBacklogRole"},
    "snapshots of a model": set(),
    "elsewhere": set(),
    "older names": set(),
    "two prefixes": set(),
    "existing input": {"UploadRule"},
    "existing input, eventbridge": {"UploadRule", "UploadRulePermission"},
    "existing buckets": {"UploadRule"},
    "everything": {
        *("UploadRule", "UploadRulePermission", "Sweep", "SweepRole", "Backlog", "BacklogRole", "FailedBacklogsAlarm"),
        *ALARMS,
    },
}


def not_made(parameters):
    """The resources of the buckets that exist already."""
    existing = [kind for kind in ("Input", "Output") if f"Existing{kind}Bucket" in parameters]
    return {name for kind in existing for name in (f"{kind}Bucket", f"{kind}BucketPolicy")}


@deployed(*DEPLOYMENTS)
def test_what_was_asked_for_is_made_and_nothing_else(deployment):
    versions = {name for name in deployment.resources if name.startswith("ScoringFunctionVersion")}

    assert deployment.status == "CREATE_COMPLETE"
    assert len(versions) == 1
    assert set(deployment.resources) - versions == (ALWAYS | EXTRA[deployment.name]) - not_made(deployment.parameters)


COMBINATIONS = {
    f"{'existing' if bucket else 'own'} bucket, {trigger}, {'KMS' if keys else 'no KMS'}": {
        "UploadTrigger": trigger,
        **bucket,
        **keys,
    }
    for bucket in ({}, EXISTING)
    for trigger in ("queue", "direct", "eventbridge")
    if not (bucket and trigger == "direct")  # refused by a rule
    for keys in ({}, {"InputKmsKeyArn": KEY, "OutputKmsKeyArn": KEY, "ModelKmsKeyArn": KEY, "ModelUri": MODEL})
}


CHECKED = COMBINATIONS | {name: DEPLOYMENTS[name] for name in ("everything", "scheduled backlogs")}


@pytest.mark.parametrize("parameters", CHECKED.values(), ids=CHECKED)
def test_what_sam_makes_of_the_template_is_valid(parameters, environment):
    """cfn-lint reads the template as it stands; what SAM and the conditions make of it is checked here.

    Each condition is decided first: cfn-lint would take minutes to try all their combinations.
    """
    faults = cfnlint.api.lint(json.dumps(decided(parameters)), config={"regions": ["us-east-1"]})

    assert [(fault.rule.id, fault.path, fault.message) for fault in faults if fault.rule.id[0] == "E"] == []


@deployed("existing input", "existing input, eventbridge", "existing buckets")
def test_an_existing_bucket_is_read_by_a_rule_and_belongs_to_nobody_but_the_user(deployment):
    buckets = {bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]}
    (rule,) = boto3.client("events").list_rules()["Rules"]
    (target,) = boto3.client("events").list_targets_by_rule(Rule=rule["Name"])["Targets"]
    pattern = json.loads(rule["EventPattern"])["detail"]
    policy = json.loads(queue_attributes(deployment.queue)["Policy"])["Statement"]
    senders = {each["Principal"]["Service"]: each["Condition"] for each in policy if each["Effect"] == "Allow"}

    assert "photos" not in buckets
    assert pattern["bucket"] == {"name": ["photos"]}
    assert [each for each in pattern["object"]["key"] if each] == [{"prefix": "raw/"}, {"prefix": "camera/front/"}]
    if deployment.name == "existing input, eventbridge":
        assert (target["Arn"], senders) == (deployment.alias, {})
    else:
        assert target["Arn"] == arn_of(deployment.queue)
        assert senders == {"events.amazonaws.com": {"ArnEquals": {"aws:SourceArn": rule["Arn"]}}}


@deployed("existing input", "existing input, eventbridge", "existing buckets", "two prefixes")
def test_each_prefix_of_an_input_is_read_and_nothing_besides(deployment):
    configuration = boto3.client("lambda").get_function_configuration(FunctionName=deployment.alias)
    granted = statements(deployment.resources["ScoringRole"])
    bucket = INPUT if deployment.name == "two prefixes" else "photos"

    assert configuration["Environment"]["Variables"]["INPUT_URIS"] == f"s3://{bucket}/raw/,s3://{bucket}/camera/front/"
    assert granted["ReadInput"]["Resource"] == [f"arn:aws:s3:::{bucket}/raw/*", f"arn:aws:s3:::{bucket}/camera/front/*"]
    assert granted["ListInput"]["Resource"] == f"arn:aws:s3:::{bucket}"
    assert granted["ListInput"]["Condition"] == {"StringLikeIfExists": {"s3:prefix": ["raw/*", "camera/front/*"]}}


@deployed("two prefixes")
def test_each_prefix_of_a_bucket_of_the_stack_is_told_of(deployment):
    notification = boto3.client("s3").get_bucket_notification_configuration(Bucket=INPUT)
    filters = [each["Filter"]["Key"]["FilterRules"] for each in notification["QueueConfigurations"]]

    assert [[rule["Value"] for rule in rules] for rules in filters] == [["raw/"], ["camera/front/"]]


@deployed("two prefixes", "existing input, eventbridge", "existing buckets")
def test_keys_are_granted_and_used_where_they_are_given(deployment):
    granted = statements(deployment.resources["ScoringRole"])
    given = {name for name in ("InputKmsKeyArn", "OutputKmsKeyArn") if name in deployment.parameters}

    sids = {"InputKmsKeyArn": "DecryptInput", "OutputKmsKeyArn": "EncryptDocuments"}
    assert {sid for sid, each in granted.items() if each["Resource"] == KEY} == {sids[name] for name in given}
    if deployment.name == "two prefixes":
        for bucket in (INPUT, OUTPUT):
            (rule,) = boto3.client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
            assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}


@deployed("older names", "everything")
def test_buckets_have_the_names_that_were_chosen(deployment):
    buckets = {bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]}
    older = {"coatcheck-input-123456789012", "coatcheck-output-123456789012"}

    assert buckets - {"packages"} == (older if deployment.name == "older names" else {INPUT, OUTPUT})


@deployed("default", "everything")
def test_eventbridge_is_told_of_documents_on_demand_alone(deployment):
    told = deployment.evaluated["OutputBucket"].get("NotificationConfiguration")

    assert told == ({"EventBridgeConfiguration": {"EventBridgeEnabled": True}} if deployment.name == "everything" else None)


@deployed(*ALL_TRIGGERS)
def test_the_function_knows_the_real_buckets_and_the_real_queue(deployment):
    configuration = boto3.client("lambda").get_function_configuration(FunctionName=deployment.alias)
    buckets = {bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]}
    model = {"MODEL_URI": MODEL} if "ModelUri" in deployment.parameters else {}

    assert configuration["Environment"]["Variables"] == model | {
        "INPUT_URIS": f"s3://{INPUT}/uploads/",
        "OUTPUT_URI": f"s3://{OUTPUT}/predictions/",
        "QUEUE_URL": deployment.queue,
        "S3_CLIENT": deployment.parameters.get("S3Client", "boto3"),
    }
    assert {INPUT, OUTPUT} <= buckets
    assert set(boto3.client("sqs").list_queues()["QueueUrls"]) == {deployment.queue, deployment.dead_letters}
    assert configuration["Role"] == boto3.client("iam").get_role(RoleName=deployment.resources["ScoringRole"])["Role"]["Arn"]


@deployed("default")
def test_the_queue_feeds_the_function_and_its_failures_go_to_the_dead_letters(deployment):
    (mapping,) = boto3.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    queue = queue_attributes(deployment.queue)

    assert mapping["EventSourceArn"] == queue["QueueArn"]
    assert deployment.evaluated["ScoringFunctionUploads"]["FunctionName"] == deployment.alias
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert json.loads(queue["RedrivePolicy"]) == {"deadLetterTargetArn": arn_of(deployment.dead_letters), "maxReceiveCount": 8}
    assert queue_attributes(deployment.dead_letters)["MessageRetentionPeriod"] == str(14 * 24 * 3600)


@deployed("default")
def test_the_alias_leads_to_the_version_that_was_published(deployment):
    client = boto3.client("lambda")
    alias = client.get_alias(FunctionName=deployment.function, Name="live")
    published = [each["Version"] for each in client.list_versions_by_function(FunctionName=deployment.function)["Versions"]]

    assert alias["AliasArn"] == deployment.alias
    assert alias["FunctionVersion"] in published
    assert alias["FunctionVersion"] != "$LATEST"


DESCRIPTIONS = {
    "default": " uploads/  predictions/ with-region  x86_64 boto3 SnapStart=off",
    "snapshots of a model": f" uploads/  predictions/ with-region {MODEL} x86_64 boto3 SnapStart=on",
    "elsewhere": " in/  out/ with-region  arm64 obstore SnapStart=off",
    "existing buckets": "photos raw/,camera/front/ photos predictions/ with-region  x86_64 boto3 SnapStart=off",
}


@deployed(*DESCRIPTIONS)
def test_a_changed_parameter_is_published(deployment):
    """CloudFormation publishes anew if the version's name changes, which a parameter's value does not, or its description."""
    (version,) = (name for name in deployment.resources if name.startswith("ScoringFunctionVersion"))

    assert version in transformed({})["Resources"]
    assert deployment.evaluated[version]["Description"] == DESCRIPTIONS[deployment.name]


@deployed("default", "snapshots of a model")
def test_snapshots_are_taken_on_demand_alone(deployment):
    expected = "PublishedVersions" if "SnapStart" in deployment.parameters else "None"

    assert deployment.evaluated["ScoringFunction"]["SnapStart"] == {"ApplyOn": expected}


@deployed("everything")
def test_the_log_goes_to_a_group_that_forgets(deployment):
    (group,) = boto3.client("logs").describe_log_groups()["logGroups"]

    assert group["logGroupName"] == deployment.outputs["LogGroup"] == "/aws/lambda/coatcheck"
    assert int(group["retentionInDays"]) == 7
    assert deployment.evaluated["ScoringFunction"]["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": group["logGroupName"]}


@deployed("default")
def test_failed_invocations_go_to_the_dead_letters(deployment):
    config = boto3.client("lambda").get_function_event_invoke_config(FunctionName=deployment.function, Qualifier="live")

    assert config["DestinationConfig"]["OnFailure"]["Destination"] == arn_of(deployment.dead_letters)
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (2, 21600)


@deployed("default")
@pytest.mark.parametrize("bucket", [INPUT, OUTPUT])
def test_buckets_are_private_encrypted_and_refuse_plain_http(deployment, bucket):
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


@deployed("default")
def test_only_the_input_keeps_what_was_replaced_and_for_a_month(deployment):
    s3 = boto3.client("s3")
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=INPUT)["Rules"]

    assert s3.get_bucket_versioning(Bucket=INPUT)["Status"] == "Enabled"
    assert "Status" not in s3.get_bucket_versioning(Bucket=OUTPUT)
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert rule["Expiration"] == {"ExpiredObjectDeleteMarker": True}  # and no object by its age
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=OUTPUT)["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert "Expiration" not in rule


@deployed(*ALL_TRIGGERS)
def test_queues_take_messages_from_those_who_have_some_and_by_https(deployment):
    allowed = {}
    for url in (deployment.queue, deployment.dead_letters):
        rules = json.loads(queue_attributes(url)["Policy"])["Statement"]
        (refusal,) = (each for each in rules if each["Effect"] == "Deny")
        assert (refusal["Resource"], refusal["Condition"]) == (arn_of(url), {"Bool": {"aws:SecureTransport": "false"}})
        assert queue_attributes(url)["SqsManagedSseEnabled"] == "true"
        allowed |= {each["Principal"]["Service"]: each["Condition"] for each in rules if each["Effect"] == "Allow"}

    bucket = {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{INPUT}"}, "StringEquals": {"aws:SourceAccount": "123456789012"}}
    if deployment.parameters.get("UploadTrigger") == "eventbridge":
        (rule,) = boto3.client("events").list_rules()["Rules"]
        assert allowed.pop("events.amazonaws.com") == {"ArnEquals": {"aws:SourceArn": rule["Arn"]}}
    assert allowed == {"s3.amazonaws.com": bucket}


@deployed(*ALL_TRIGGERS)
def test_the_function_may_use_what_it_is_told_of(deployment):
    granted = {sid: statement["Resource"] for sid, statement in statements(deployment.resources["ScoringRole"]).items()}
    queue, dead_letters = arn_of(deployment.queue), arn_of(deployment.dead_letters)
    model = {"ReadModel": "arn:aws:s3:::models/fashion-mnist/2.0.0/*"} if "ModelUri" in deployment.parameters else {}

    assert granted == model | {
        "ReadInput": [f"arn:aws:s3:::{INPUT}/uploads/*"],
        "ListInput": f"arn:aws:s3:::{INPUT}",
        "WriteDocuments": f"arn:aws:s3:::{OUTPUT}/predictions/*",
        "RecogniseDocuments": f"arn:aws:s3:::{OUTPUT}/predictions/*",
        "TellMissingDocuments": f"arn:aws:s3:::{OUTPUT}",
        "SendSweptWork": queue,
        "TakeWork": queue,
        "TimeRetries": queue,
        "KeepFailedInvocations": dead_letters,
        "WriteLogs": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/coatcheck:*",
    }
    assert (
        boto3.client("iam").list_attached_role_policies(RoleName=deployment.resources["ScoringRole"])["AttachedPolicies"] == []
    )


@deployed("direct", "eventbridge")
def test_who_delivers_uploads_may_invoke_the_function_for_its_source_alone(deployment):
    is_direct = deployment.name == "direct"
    rules = boto3.client("events").list_rules()["Rules"]
    (statement,) = json.loads(boto3.client("lambda").get_policy(FunctionName=deployment.alias)["Policy"])["Statement"]

    assert statement["Principal"] == {"Service": "s3.amazonaws.com" if is_direct else "events.amazonaws.com"}
    assert statement["Action"] == "lambda:InvokeFunction"
    assert statement["Condition"]["ArnLike"]["AWS:SourceArn"] == (f"arn:aws:s3:::{INPUT}" if is_direct else rules[0]["Arn"])
    assert ("StringEquals" in statement["Condition"]) is is_direct


@deployed("eventbridge")
def test_the_rule_invokes_the_function_and_keeps_what_it_cannot_deliver(deployment):
    (target,) = boto3.client("events").list_targets_by_rule(Rule=deployment.resources["UploadRule"])["Targets"]

    assert target["Arn"] == deployment.alias
    assert target["DeadLetterConfig"] == {"Arn": arn_of(deployment.dead_letters)}
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400}


@deployed("sweeps")
def test_the_schedule_starts_sweeps_by_a_role_of_its_own(deployment):
    schedule = boto3.client("scheduler").get_schedule(Name=deployment.resources["Sweep"])
    role = boto3.client("iam").get_role(RoleName=deployment.resources["SweepRole"])["Role"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]

    assert schedule["ScheduleExpression"] == "cron(0 3 * * ? *)"
    assert schedule["Target"]["Arn"] == deployment.alias
    assert schedule["Target"]["RoleArn"] == role["Arn"]
    assert schedule["Target"]["DeadLetterConfig"] == {"Arn": arn_of(deployment.dead_letters)}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    assert {sid: each["Resource"] for sid, each in statements(deployment.resources["SweepRole"]).items()} == {
        "StartSweeps": deployment.alias,
        "KeepSweepsThatNeverStarted": arn_of(deployment.dead_letters),
    }


@deployed("scheduled backlogs", "everything")
def test_the_state_machine_is_the_file_with_the_real_function_and_the_chosen_limits(deployment):
    machine = boto3.client("stepfunctions").describe_state_machine(stateMachineArn=deployment.outputs["BacklogArn"])
    states = json.loads(machine["definition"])["States"]
    tasks = [states["Plan"], states["Score"]["ItemProcessor"]["States"]["ScoreShard"], states["Summarise"]]
    is_scheduled = deployment.name == "scheduled backlogs"

    assert (machine["name"], machine["type"]) == ("coatcheck-backlog", "STANDARD")
    assert machine["roleArn"] == boto3.client("iam").get_role(RoleName=deployment.resources["BacklogRole"])["Role"]["Arn"]
    assert {task["Parameters"]["FunctionName"] for task in tasks} == {deployment.alias}
    assert {task["Resource"] for task in tasks} == {"arn:aws:states:::lambda:invoke"}
    assert states["Limits"]["Parameters"] == {
        "max_concurrency.$": f"States.StringToJson('{200 if is_scheduled else 16}')",
        "tolerated_failure_percentage.$": f"States.StringToJson('{0 if is_scheduled else 5}')",
    }
    assert "${" not in machine["definition"]


@deployed("scheduled backlogs", "everything")
def test_the_state_machine_may_use_what_it_is_made_of(deployment):
    machine = deployment.outputs["BacklogArn"]
    executions = machine.replace(":stateMachine:", ":execution:")
    is_scheduled = deployment.name == "scheduled backlogs"
    runs = f"arn:aws:s3:::{OUTPUT}/{'out' if is_scheduled else 'predictions'}/_coatcheck/runs"

    granted = {sid: each["Resource"] for sid, each in statements(deployment.resources["BacklogRole"]).items()}
    assert granted == ({"EncryptResults": KEY} if is_scheduled else {}) | {
        "TakeEachStep": deployment.alias,
        "ReadShards": f"{runs}/*/shards.json",
        "WriteResults": f"{runs}/*/results/*",
        "StartShards": machine,
        "FollowAndStopShards": [f"{executions}:*", f"{executions}/shards:*"],
        "RedriveShards": f"{executions}/shards:*",
    }


@deployed("scheduled backlogs")
def test_the_schedule_starts_backlogs_by_a_role_of_its_own(deployment):
    schedule = boto3.client("scheduler").get_schedule(Name=deployment.resources["ScheduledBacklog"])
    role = boto3.client("iam").get_role(RoleName=deployment.resources["ScheduledBacklogRole"])["Role"]

    assert schedule["ScheduleExpression"] == "cron(0 3 * * ? *)"
    assert schedule["Target"]["Arn"] == deployment.outputs["BacklogArn"]
    assert schedule["Target"]["RoleArn"] == role["Arn"]
    assert json.loads(schedule["Target"]["Input"]) == {"job": "plan", "run": "scheduled-<aws.scheduler.scheduled-time>"}
    assert schedule["Target"]["DeadLetterConfig"] == {"Arn": arn_of(deployment.dead_letters)}
    assert {sid: each["Resource"] for sid, each in statements(deployment.resources["ScheduledBacklogRole"]).items()} == {
        "StartBacklogs": deployment.outputs["BacklogArn"],
        "KeepBacklogsThatNeverStarted": arn_of(deployment.dead_letters),
    }


@deployed("everything")
def test_an_alarm_watches_the_real_state_machine(deployment):
    alarms = boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
    (alarm,) = (each for each in alarms if each["Namespace"] == "AWS/States")

    assert alarm["Dimensions"] == [{"Name": "StateMachineArn", "Value": deployment.outputs["BacklogArn"]}]
    assert (alarm["MetricName"], alarm["TreatMissingData"]) == ("ExecutionsFailed", "notBreaching")
    assert alarm["AlarmActions"] == [deployment.resources["AlarmTopic"]]


@deployed("alarms")
def test_alarms_watch_the_real_queues_and_the_real_function(deployment):
    alarms = boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
    (subscription,) = boto3.client("sns").list_subscriptions()["Subscriptions"]
    watched = {alarm["MetricName"]: alarm["Dimensions"][0]["Value"] for alarm in alarms if "MetricName" in alarm}

    assert watched == {
        "ApproximateNumberOfMessagesVisible": deployment.dead_letters.rsplit("/", 1)[1],
        "ApproximateAgeOfOldestMessage": deployment.queue.rsplit("/", 1)[1],
        "Errors": deployment.function,
        "Throttles": deployment.function,
    }
    assert {alarm["TreatMissingData"] for alarm in alarms} == {"notBreaching"}
    assert {action for alarm in alarms for action in alarm["AlarmActions"]} == {subscription["TopicArn"]}
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "me@example.com")


@deployed("alarms", "snapshots of a model")
def test_the_dashboard_shows_the_real_queues_and_the_real_function(deployment):
    body = boto3.client("cloudwatch").get_dashboard(DashboardName=deployment.outputs["DashboardName"])["DashboardBody"]
    rows = [row for widget in json.loads(body)["widgets"] for row in widget["properties"].get("metrics", ()) if len(row) > 1]
    places = {tuple(row[place : place + 2]) for row in rows for place in range(2, len(row) - 1, 2)}

    assert {place for place in places if place[0] not in {"class_name", "service"}} == {
        ("FunctionName", deployment.function),
        ("function_name", deployment.function),
        ("LogGroupName", "/aws/lambda/coatcheck"),
        *(("QueueName", url.rsplit("/", 1)[1]) for url in (deployment.queue, deployment.dead_letters)),
    }
    assert ("class_name" in dict(places)) is (deployment.name == "alarms")


@deployed("elsewhere")
def test_the_outputs_say_where_everything_is(deployment):
    function = boto3.client("lambda").get_function_configuration(FunctionName=deployment.function)

    assert deployment.outputs == {
        "InputUri": f"s3://{INPUT}/in/",
        "OutputUri": f"s3://{OUTPUT}/out/",
        "QueueUrl": deployment.queue,
        "QueueArn": arn_of(deployment.queue),
        "DeadLetterQueueUrl": deployment.dead_letters,
        "DeadLetterQueueArn": arn_of(deployment.dead_letters),
        "FunctionName": deployment.function,
        "FunctionArn": f"{function['FunctionArn'].removesuffix(':$LATEST')}:live",
        "LogGroup": "/aws/lambda/coatcheck",
        "DashboardName": deployment.resources["ScoringDashboard"],
    }
