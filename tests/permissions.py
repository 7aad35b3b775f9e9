"""What the template's role allows, evaluated as IAM does, and what each recorded call of the function needs of it.

Used by `tests/conftest.py`, which checks every call that the function makes in any test, and by `tests/test_permissions.py`.
"""

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from infra.template import read_template

TEMPLATE = read_template((Path(__file__).parent.parent / "template.yaml").read_text())
NAMES = {"Partition": "aws", "Region": "us-east-1", "AccountId": "123456789012", "StackName": "coatcheck"}

# Lambda itself does these in the function's name; no test of ours can see it.
LAMBDAS_OWN = {"TakeWork", "KeepFailedInvocations", "WriteLogs"}


@dataclass(frozen=True)
class Need:
    """One permission that a call asks for, with the condition keys that it brings along."""

    action: str
    resource: str
    context: dict = field(default_factory=dict)


def statements(template=TEMPLATE, **parameters):
    """The statements of the function's role by Sid, all references resolved."""
    values = {name: parameter.get("Default", "") for name, parameter in template["Parameters"].items()} | parameters
    (policy,) = template["Resources"]["ScoringRole"]["Properties"]["Policies"]
    resolved = [resolve(statement, values) for statement in policy["PolicyDocument"]["Statement"]]
    return {statement["Sid"]: statement for statement in resolved if statement != {"Ref": "AWS::NoValue"}}


def resolve(value, values):  # noqa: PLR0911  # one for each intrinsic function
    """Evaluates the intrinsic functions that stand in the role; queues are named as CloudFormation names them."""
    if isinstance(value, list):
        return [resolve(item, values) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Fn::If": [_, there, _]}:
            return resolve(there, values)  # every conditional statement is looked at
        case {"Fn::Sub": [text, extra]}:
            return substitute(text, values | resolve(extra, values))
        case {"Fn::Sub": text}:
            return substitute(text, values)
        case {"Fn::GetAtt": [name, "Arn"]}:
            return f"arn:aws:sqs:us-east-1:123456789012:coatcheck-{name}*"
        case {"Fn::Select": [index, items]}:
            return resolve(items, values)[int(index)]
        case {"Fn::Split": [separator, text]}:
            return resolve(text, values).split(separator)
        case {"Ref": name} if name in values:
            return values[name]
    return {name: resolve(item, values) for name, item in value.items()}


def substitute(text, values):
    names = {f"AWS::{name}": value for name, value in NAMES.items()} | values
    return re.sub(r"\$\{([\w:]+)\}", lambda match: names.get(match[1], f"coatcheck-{match[1]}"), text)


def needs(operation, arguments, status):
    """What IAM asks of a call, given how it ended: S3 tells "not there" only to those who may list."""
    bucket = f"arn:aws:s3:::{arguments.get('Bucket')}"
    key = f"{bucket}/{arguments.get('Key')}"
    if operation == "ListObjectsV2":
        return [Need("s3:ListBucket", bucket, {"s3:prefix": arguments["Prefix"]})]
    if operation in {"GetObject", "HeadObject"}:
        return [Need("s3:GetObject", key)] + ([Need("s3:ListBucket", bucket)] if status == 404 else [])
    if operation == "PutObject":
        return [Need("s3:PutObject", key)]
    if operation in {"SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"}:
        account, name = arguments["QueueUrl"].rsplit("/", 2)[1:]
        return [Need(f"sqs:{operation.removesuffix('Batch')}", f"arn:aws:sqs:us-east-1:{account}:{name}")]
    return [Need(f"unknown:{operation}", "")]


def allows(statement, need):
    """Whether one statement allows one need. What is not understood here allows nothing."""
    if set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"} or statement["Effect"] != "Allow":
        return False
    matches = any(fnmatchcase(need.action, action) for action in aslist(statement["Action"]))
    covers = any(fnmatchcase(need.resource, resource) for resource in aslist(statement["Resource"]))
    return matches and covers and meets(statement.get("Condition", {}), need.context)


def meets(conditions, context):
    for operator, wanted in conditions.items():
        if operator != "StringLikeIfExists":
            return False
        for name, pattern in wanted.items():
            if name in context and not any(fnmatchcase(context[name], one) for one in aslist(pattern)):
                return False
    return True


def aslist(value):
    return value if isinstance(value, list) else [value]


def granting(call, granted):
    """The Sids that allow each need of a call, one set for each need."""
    return [{sid for sid, statement in granted.items() if allows(statement, need)} for need in needs(*call)]
