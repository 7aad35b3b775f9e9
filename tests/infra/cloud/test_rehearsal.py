"""What `make rehearse` relies on; the rehearsal itself needs the built package."""

import json

import pytest

from infra.cloud import rehearsal
from infra.cloud.rehearsal import CLASSES
from infra.cloud.stacks import PARTS, Stack, client
from infra.errors import InfraError
from infra.paths import TEMPLATE
from infra.template import read_template
from tests.ministack import reset


def test_the_rehearsed_template_differs_in_the_conditions_of_further_prefixes_alone():
    """They are false for the one prefix of the template's default, and the only conditions that ministack cannot evaluate."""
    template, rehearsed = read_template(TEMPLATE.read_text()), rehearsal._template()
    conditions = template.pop("Conditions")
    changed = {name for name, condition in rehearsed.pop("Conditions").items() if condition != conditions[name]}

    assert changed == {name for name, condition in conditions.items() if "Fn::Split" in json.dumps(condition)}
    assert "," not in template["Parameters"]["InputPrefix"]["Default"]
    assert rehearsed == template


def documents(**classes):
    named = CLASSES | classes
    return {
        f"predictions/uploads/1/{name}.json": json.dumps({"predictions": [{"class_name": named[name]}]}).encode()
        for name in CLASSES
    }


def test_a_wrong_class_ends_the_rehearsal():
    assert rehearsal._judge(documents()) == "3 documents, Ankle boot, Bag, Coat"
    with pytest.raises(InfraError, match=r"Expected the classes .* Received: .*'bag-0.png': 'Coat'"):
        rehearsal._judge(documents(**{"bag-0.png": "Coat"}))


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
