"""What the template's role allows, evaluated as IAM does, and what each recorded call of the function needs of it.

Used by `tests/conftest.py`, which checks every call that the function makes in any test, and by `tests/test_permissions.py`.
"""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from infra.template import read_template
from tests.intrinsics import Evaluator

TEMPLATE = read_template((Path(__file__).parent.parent / "template.yaml").read_text())
# Lambda itself does these in the function's name; no test of ours can see it.
LAMBDAS_OWN = {"TakeWork", "KeepFailedInvocations", "WriteLogs"}

# S3 asks KMS for these in the function's name, where a key is given; no test of ours can see it either.
KMS_CALLS = {
    "DecryptInput": {"kms:Decrypt"},
    "EncryptDocuments": {"kms:GenerateDataKey", "kms:Decrypt"},
    "DecryptModel": {"kms:Decrypt"},
}


@dataclass(frozen=True)
class Need:
    """One permission that a call asks for, with the condition keys that it brings along."""

    action: str
    resource: str
    context: dict = field(default_factory=dict)


def statements(template=TEMPLATE, role="ScoringRole", **parameters):
    """The statements of a role, the function's or another, by Sid, as a deployment with these parameters has them.

    The buckets are named as in `events`, which is without the region.
    """
    evaluator = Evaluator(template, {"BucketNames": "without-region"} | parameters)
    (policy,) = evaluator.value(template["Resources"][role]["Properties"]["Policies"])
    return {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}


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
    if operation in {"SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "GetQueueAttributes"}:
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
