"""Makes of the template what ministack can deploy, with all policies enforced. Pure.

It is the template but for these five things, which ministack does otherwise than AWS:

    conditions of further prefixes   given as false, since ministack's CloudFormation splits no text in a condition
    RefusePlainHttp                  left out of the policies of buckets and queues, since ministack is asked by plain HTTP
    actions on batches of messages   allowed where those on single ones are, which AWS takes for both
    the alarm on drift               left out, since ministack makes no alarm of an expression
    instances for the queue          two at most, since each unpacks the package, which takes seconds and 240 MB here
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

FURTHER_PREFIXES = ("HasPrefix2", "HasPrefix3", "HasPrefix4")
PLAIN_HTTP = "RefusePlainHttp"

MAX_INSTANCES = 2  # the fewest that Lambda takes

_NEVER: Mapping[str, Any] = {"Fn::Equals": ["never", "true"]}
_BATCHES = ("sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")


def for_ministack(template: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the template as ministack can deploy it."""
    made: dict[str, Any] = copy.deepcopy(dict(template))
    made["Conditions"] |= dict.fromkeys((*FURTHER_PREFIXES, "HasDriftAlarm"), _NEVER)
    event_source = made["Resources"]["ScoringFunction"]["Properties"]["Events"]["Uploads"]["Properties"]
    event_source["ScalingConfig"] = {"MaximumConcurrency": MAX_INSTANCES}
    for document in _policies(made["Resources"]):
        statements = [one for one in document["Statement"] if one.get("Sid") != PLAIN_HTTP]
        document["Statement"] = [_with_batches(one) for one in statements]
    return made


def _policies(resources: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields the documents of all policies, of buckets, of queues and of roles."""
    for resource in resources.values():
        properties = resource.get("Properties", {})
        if "PolicyDocument" in properties:
            yield properties["PolicyDocument"]
        for policy in properties.get("Policies", []):
            yield policy["PolicyDocument"]


def _with_batches(statement: dict[str, Any]) -> dict[str, Any]:
    """Returns a statement that allows each action on batches too; a statement under a condition stays as it is."""
    if "Action" not in statement:
        return statement
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    batches = [f"{action}Batch" for action in actions if action in _BATCHES]
    return statement | ({"Action": [*actions, *batches]} if batches else {})
