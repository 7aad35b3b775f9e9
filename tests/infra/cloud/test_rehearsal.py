"""What `make rehearse` relies on; the rehearsal itself needs the built package."""

import json

import pytest
from botocore.exceptions import ClientError

from infra.cloud.ministack import serve
from infra.cloud.rehearsed import FURTHER_PREFIXES, MAX_INSTANCES, PLAIN_HTTP, for_ministack
from infra.cloud.samples import CLASSES, read_classes
from infra.cloud.stacks import PARTS, ROOT_USER, Stack, administrator, client
from infra.errors import InfraError
from infra.paths import TEMPLATE
from infra.template import read_template
from tests.ministack import reset

READ = read_template(TEMPLATE.read_text())


BATCHED = {"sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"}


def event_source(template):
    return template["Resources"]["ScoringFunction"]["Properties"]["Events"]["Uploads"]["Properties"]


def listed(value):
    return value if isinstance(value, list) else [value]


def statements(template):
    """The statements of every policy of a template, by resource and Sid; conditional ones are left out."""
    found = {}
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        documents = [
            properties.pop("PolicyDocument", None),
            *(it.pop("PolicyDocument") for it in properties.get("Policies", [])),
        ]
        found |= {(name, one.get("Sid")): one for it in documents if it for one in it["Statement"]}
    return found


def test_the_rehearsed_template_differs_in_its_conditions_as_ministack_needs_it():
    """Those of further prefixes are false for the one prefix of the default; ministack makes no alarm of an expression."""
    made = for_ministack(READ)["Conditions"]
    changed = {name for name, condition in made.items() if condition != READ["Conditions"][name]}

    assert changed - {"HasDriftAlarm"} == {name for name, it in READ["Conditions"].items() if "Fn::Split" in json.dumps(it)}
    assert changed == {*FURTHER_PREFIXES, "HasDriftAlarm"}
    assert "," not in READ["Parameters"]["InputPrefix"]["Default"]
    assert "Metrics" in READ["Resources"]["DriftAlarm"]["Properties"]


def test_the_rehearsed_policies_differ_in_plain_http_and_in_batches_of_messages_alone():
    """AWS asks for the permission of the single call where a batch is sent; ministack asks for one of its own."""
    made, read = for_ministack(READ), read_template(TEMPLATE.read_text())
    mine, theirs = statements(made), statements(read)
    for template in (made, read):
        del template["Conditions"], event_source(template)["ScalingConfig"]

    assert made == read
    assert theirs.keys() - mine.keys() == {key for key in theirs if key[1] == PLAIN_HTTP}
    for key, statement in mine.items():
        actions = listed(theirs[key].get("Action", []))
        batches = [f"{action}Batch" for action in actions if action in BATCHED]
        assert listed(statement.get("Action", [])) == [*actions, *batches]
    assert {sid for (name, sid), it in mine.items() if name == "ScoringRole" and it != theirs[(name, sid)]} == {
        *("SendSweptWork", "TakeWork", "TimeRetries", "KeepFailedInvocations")
    }


def test_the_queue_is_rehearsed_with_fewer_instances():
    assert event_source(for_ministack(READ)).pop("ScalingConfig") == {"MaximumConcurrency": MAX_INSTANCES}
    assert event_source(READ)["ScalingConfig"]["MaximumConcurrency"] > MAX_INSTANCES


def test_the_template_itself_stays_as_it_is():
    before = json.dumps(READ)
    for_ministack(READ)

    assert json.dumps(READ) == before


def documents(**classes):
    named = CLASSES | classes
    return {
        f"predictions/uploads/1/{name}.json": json.dumps({"predictions": [{"class_name": named[name]}]}).encode()
        for name in CLASSES
    }


def test_a_wrong_class_ends_the_rehearsal():
    assert read_classes(documents()) == ["Ankle boot", "Bag", "Coat"]
    with pytest.raises(InfraError, match=r"Expected the classes .* Received: .*'bag-0.png': 'Coat'"):
        read_classes(documents(**{"bag-0.png": "Coat"}))


def test_where_policies_are_enforced_a_buckets_own_one_holds_back_even_who_may_do_everything(environment):
    refusal = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::photos/*"}

    with serve(enforces_policies=True) as endpoint:
        s3 = client(endpoint, "s3", administrator(endpoint, "operator"))
        s3.create_bucket(Bucket="photos")
        s3.put_object(Bucket="photos", Key="before", Body=b"")
        s3.put_bucket_policy(Bucket="photos", Policy=json.dumps({"Version": "2012-10-17", "Statement": [refusal]}))
        with pytest.raises(ClientError, match=r"AccessDenied.*user/operator"):
            s3.put_object(Bucket="photos", Key="after", Body=b"")
        client(endpoint, "s3", ROOT_USER).put_object(Bucket="photos", Key="by its owner", Body=b"")


@pytest.fixture
def stack(ministack, environment):
    """A stack of any template that is given."""
    reset(ministack)

    def stack(template):
        s3 = client(ministack, "s3")
        s3.create_bucket(Bucket=PARTS)
        s3.put_object(Bucket=PARTS, Key="template.json", Body=json.dumps(template).encode())
        return Stack("coatcheck", ministack, f"{ministack}/{PARTS}/template.json")

    return stack


QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": {"Ref": "Seconds"}}}
SECONDS = {"Seconds": {"Type": "Number", "Default": 30}}


def test_a_stack_is_created_updated_and_deleted(stack):
    deployed = stack({"Parameters": SECONDS, "Resources": {"Queue": QUEUE}, "Outputs": {"Url": {"Value": {"Ref": "Queue"}}}})

    def timeout():
        asked = {"QueueUrl": deployed.outputs["Url"], "AttributeNames": ["VisibilityTimeout"]}
        return deployed.client("sqs").get_queue_attributes(**asked)["Attributes"]["VisibilityTimeout"]

    deployed.deploy()
    assert (deployed.resources, timeout()) == ({"Queue"}, "30")
    deployed.deploy(Seconds="60")
    assert timeout() == "60"
    deployed.delete()
    assert deployed.resources == frozenset()


def test_a_stack_that_fails_is_told_with_the_reason(stack):
    """There is such a bucket already."""
    failing = stack({"Resources": {"Again": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": PARTS}}}})

    with pytest.raises(
        InfraError,
        match=r"Expected the stack coatcheck to be deployed or deleted. Received: .*coatcheck: Validation failed with 1 error",
    ):
        failing.deploy()
