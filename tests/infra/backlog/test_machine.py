"""The state machine is one that Step Functions takes: cfn-lint says so, and what it does not look at is checked here."""

import copy
import json
import re

import cfnlint.api
import pytest

from handler import errors
from infra.paths import ROOT, TEMPLATE
from infra.template import read_template

FILE = (ROOT / "infra" / "backlog" / "machine.asl.json").read_text()
VALUES = {
    "Partition": "aws",
    "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:coatcheck:live",
    "MaxConcurrency": "50",
    "ToleratedFailurePercentage": "5",
}
DEFINITION = json.loads(re.sub(r"\$\{(\w+)\}", lambda name: VALUES[name[1]], FILE))
SHARD = "Score/ItemProcessor/States/ScoreShard"


def faults(definition):
    """What cfn-lint finds wrong with a definition."""
    role = "arn:aws:iam::123456789012:role/backlog"
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"RoleArn": role, "Definition": definition}}
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Backlog": machine}}
    return [f"{fault.rule.id} {fault.message}" for fault in cfnlint.api.lint(json.dumps(template), config={})]


def walk(definition):
    """The states that an execution can come to, and the names on its way that no state has."""
    states, found, missing, to_come = definition["States"], set(), set(), [definition["StartAt"]]
    while to_come:
        name = to_come.pop()
        if name not in states:
            missing.add(name)
        elif name not in found:
            found.add(name)
            state = states[name]
            to_come += [each["Next"] for each in (state, *state.get("Choices", ())) if "Next" in each]
            to_come += [state["Default"]] if "Default" in state else []
    return found, missing


def at(path, definition=DEFINITION):
    node = definition["States"]
    for step in path.split("/"):
        node = node[step]
    return node


def broken(path, value):
    """A copy of the definition, in which something else is at `path`."""
    definition = copy.deepcopy(DEFINITION)
    parent, _, last = path.rpartition("/")
    at(parent, definition)[last] = value
    return definition


def test_the_definition_is_valid():
    assert faults(DEFINITION) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Plan/Type", "Tusk"),
        ("Limits/Next", None),
        ("Score/Limit", 50),
        ("Score/ItemProcessor/StartAt", "Nowhere"),
        (f"{SHARD}/Retry", [{"MaxAttempts": 1}]),
        ("Summarise/Resource", None),
    ],
)
def test_a_broken_definition_is_noticed(path, value):
    found = faults(broken(path, value))

    assert found
    assert {fault.split(" ")[0] for fault in found} == {"E3601"}


def test_every_state_is_come_to_and_none_that_is_not_there():
    assert walk(DEFINITION) == (set(DEFINITION["States"]), set())
    assert walk(broken("IsPlanned/Default", "Nowhere"))[1] == {"Nowhere"}
    assert walk(broken("Plan/Next", "Score"))[0] == {"Plan", "Score", "Summarise"}


def test_a_map_gets_its_limits_as_numbers():
    """CloudFormation leaves the quotes of a text where they are, and a map refuses a text for a number."""
    limits, score = at("Limits"), at("Score")
    numbers = {
        name.removesuffix(".$"): json.loads(re.fullmatch(r"States\.StringToJson\('(.*)'\)", how)[1])
        for name, how in limits["Parameters"].items()
    }

    assert numbers == {"max_concurrency": 50, "tolerated_failure_percentage": 5}
    assert limits["ResultPath"] == "$.limits"
    assert score["MaxConcurrencyPath"] == "$.limits.max_concurrency"
    assert score["ToleratedFailurePercentagePath"] == "$.limits.tolerated_failure_percentage"
    assert not {"MaxConcurrency", "ToleratedFailurePercentage"} & set(score)


@pytest.mark.parametrize("task", ["Plan", SHARD, "Summarise"])
def test_a_step_is_tried_again_ever_more_slowly_and_not_where_a_person_must_mend_something(task):
    retriers = at(f"{task}/Retry")
    never = {error for retrier in retriers if not retrier["MaxAttempts"] for error in retrier["ErrorEquals"]}

    assert retriers[-1]["ErrorEquals"] == ["States.ALL"]  # what no other takes
    assert all(retrier["BackoffRate"] > 1 for retrier in retriers if retrier["MaxAttempts"])
    assert all(retrier["MaxDelaySeconds"] == 300 for retrier in retriers if retrier["MaxAttempts"])
    assert {kind.__name__ for kind in errors.MisconfiguredError.__subclasses__()} | {"UnrecognisedEvent"} <= never
    assert never <= set(vars(errors))


@pytest.mark.parametrize("task", ["Plan", SHARD, "Summarise"])
def test_a_step_whose_answer_never_comes_is_given_up_once_the_function_must_have_ended(task):
    """By default it would be waited for for years; `States.ALL` has it tried again."""
    function = read_template(TEMPLATE.read_text())["Resources"]["ScoringFunction"]["Properties"]

    assert at(task)["TimeoutSeconds"] == function["Timeout"] + 60
