"""What is advised after a call of AWS that failed."""

import pytest

from infra.advice import action_of, advise


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("describe_stacks", "DescribeStacks"),
        ("send_message_batch", "SendMessage"),
        ("head_object", "GetObject"),
        ("HeadObject", "GetObject"),
        ("list_objects_v2", "ListBucket"),
        ("GetFunctionConfiguration", "GetFunctionConfiguration"),
    ],
)
def test_the_action_that_allows_a_call_is_named_as_policies_name_it(operation, action):
    assert action_of(operation) == action
    assert advise("AccessDenied", operation) == f"allow {action} to the identity that you run this with"


def test_a_code_that_tells_nothing_brings_no_advice():
    assert advise("SlowDown", "PutObject") is None
