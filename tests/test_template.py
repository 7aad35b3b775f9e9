"""The template as data: what must hold for nothing to be lost, read or written that should not be."""

import re
from pathlib import Path

import cfnlint.decode
import pytest

ROOT = Path(__file__).parent.parent
RESOURCES = cfnlint.decode.decode(str(ROOT / "template.yaml"))[0]["Resources"]
FUNCTION = RESOURCES["ScoringFunction"]["Properties"]
MAPPING = FUNCTION["Events"]["Uploads"]["Properties"]
QUEUE = RESOURCES["UploadQueue"]["Properties"]
STATEMENTS = {statement["Sid"]: statement for policy in FUNCTION["Policies"] for statement in policy["Statement"]}


def test_only_unfinished_messages_come_back():
    assert MAPPING["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_a_message_stays_hidden_while_it_may_still_be_worked_on():
    """Six times the timeout and the window, as Lambda's guide asks for."""
    assert QUEUE["VisibilityTimeout"] >= 6 * FUNCTION["Timeout"] + MAPPING["MaximumBatchingWindowInSeconds"]


def test_what_fails_again_and_again_is_kept_for_two_weeks():
    assert QUEUE["RedrivePolicy"]["maxReceiveCount"] >= 5
    assert QUEUE["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    assert RESOURCES["DeadLetterQueue"]["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert QUEUE["MessageRetentionPeriod"] < 14 * 24 * 3600


def test_input_and_output_are_buckets_of_their_own():
    names = [RESOURCES[name]["Properties"]["BucketName"]["Fn::Sub"] for name in ("InputBucket", "OutputBucket")]
    variables = FUNCTION["Environment"]["Variables"]

    assert names[0] != names[1]
    assert variables["INPUT_URIS"]["Fn::Sub"] == f"s3://{names[0]}/${{InputPrefix}}"
    assert variables["OUTPUT_URI"]["Fn::Sub"] == f"s3://{names[1]}/${{OutputPrefix}}"


def test_the_notification_covers_what_may_be_read():
    (notification,) = RESOURCES["InputBucket"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"]

    assert notification["Event"] == "s3:ObjectCreated:*"
    assert notification["Filter"]["S3Key"]["Rules"] == [{"Name": "prefix", "Value": {"Ref": "InputPrefix"}}]


@pytest.mark.parametrize("name", ["InputBucket", "OutputBucket"])
def test_buckets_are_private_and_encrypted(name):
    properties = RESOURCES[name]["Properties"]

    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["BucketEncryption"]


def test_the_function_may_do_these_four_things_and_no_more():
    granted = {sid: (statement["Action"], statement["Resource"]["Fn::Sub"]) for sid, statement in STATEMENTS.items()}
    arn = "arn:${AWS::Partition}:s3:::${AWS::StackName}"

    assert granted == {
        "ReadInput": ("s3:GetObject", f"{arn}-input-${{AWS::AccountId}}/${{InputPrefix}}*"),
        "TellGoneFromForbidden": ("s3:ListBucket", f"{arn}-input-${{AWS::AccountId}}"),
        "WriteDocuments": ("s3:PutObject", f"{arn}-output-${{AWS::AccountId}}/${{OutputPrefix}}*"),
        "RecogniseDocuments": ("s3:GetObject", f"{arn}-output-${{AWS::AccountId}}/${{OutputPrefix}}*"),
    }
    assert {statement["Effect"] for statement in STATEMENTS.values()} == {"Allow"}


def test_the_queue_takes_messages_from_the_input_bucket_of_this_account_alone():
    (statement,) = RESOURCES["UploadQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]

    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::Sub"].endswith("${AWS::StackName}-input-${AWS::AccountId}")
    assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}


@pytest.mark.parametrize(
    ("prefix", "is_allowed"), [("uploads/", True), ("a/b-1/", True), ("", False), ("no slash", False), ("a,b/", False)]
)
def test_prefixes_are_such_as_need_no_encoding(prefix, is_allowed):
    """S3 matches its filter with encoded keys, and INPUT_URIS is split at commas."""
    parameters = cfnlint.decode.decode(str(ROOT / "template.yaml"))[0]["Parameters"]

    for name in ("InputPrefix", "OutputPrefix"):
        assert bool(re.fullmatch(parameters[name]["AllowedPattern"], prefix)) is is_allowed


def test_the_makefile_builds_the_function_of_this_name():
    assert RESOURCES["ScoringFunction"]["Metadata"]["BuildMethod"] == "makefile"
    assert "\nbuild-ScoringFunction:" in (ROOT / "Makefile").read_text()
