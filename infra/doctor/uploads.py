"""Examines how uploads reach the queue or the function: by the bucket's own notification, or by a rule of EventBridge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from handler.objects import Prefix
from infra.doctor.asking import Cloud
from infra.doctor.findings import Finding, ok, unknown, wrong

_CREATED = "s3:ObjectCreated:"
_KINDS = {"QueueConfigurations": "QueueArn", "LambdaFunctionConfigurations": "LambdaFunctionArn"}


def examine_uploads(cloud: Cloud, prefix: Prefix, targets: frozenset[str]) -> Finding:
    """Returns whether uploads under `prefix` reach one of `targets`, the ARNs of the queue and the function."""
    subject = f"uploads to {prefix}"
    answer = cloud.ask("s3", "get_bucket_notification_configuration", Bucket=prefix.bucket)
    if answer.code:
        return answer.failure(subject, "create the bucket, or name another in the settings")
    rows = [row | {"target": row[key]} for kind, key in _KINDS.items() for row in answer.value.get(kind, []) if key in row]
    created = [row for row in rows if any(event.startswith(_CREATED) for event in row.get("Events", []))]
    leading = [row for row in created if _is_one_of(row["target"], targets)]
    if any(_covers(row, prefix) for row in leading):
        return ok(subject, "the bucket's notification leads them to the queue or the function")
    if "EventBridgeConfiguration" in answer.value:
        return _by_rules(cloud, subject, prefix, targets)
    if leading:
        filters = ", ".join(_filter(row) for row in leading)
        return wrong(subject, f"the notification is for {filters}", f"set its prefix to {prefix.prefix!r}, without a suffix")
    if created:
        others = ", ".join(sorted({row["target"] for row in created}))
        return wrong(subject, f"the notification leads to {others}", f"lead it to {_named(targets)}")
    advice = f"deploy again, or send s3:ObjectCreated:* to {_named(targets)}"
    return wrong(subject, "reach nobody: the bucket has no notification", advice)


def _by_rules(cloud: Cloud, subject: str, prefix: Prefix, targets: frozenset[str]) -> Finding:
    """Returns whether a rule of EventBridge, to which the bucket sends, brings uploads to one of `targets`."""
    found: list[str] = []
    for target in sorted(targets):
        answer = cloud.ask("events", "list_rule_names_by_target", TargetArn=target)
        if answer.code:
            return unknown(subject, f"EventBridge is on, and {answer.operation} failed with {answer.code}")
        found += answer.value.get("RuleNames", [])
    for rule in found:
        described = cloud.ask("events", "describe_rule", Name=rule).value
        if described.get("State") == "ENABLED" and _matches(described.get("EventPattern", ""), prefix):
            return ok(subject, f"EventBridge's rule {rule} leads them to the queue or the function")
    if found:
        named = ", ".join(found)
        return wrong(subject, f"the rule {named} is off, or of another bucket or prefix", "mend its pattern or enable it")
    return wrong(subject, "EventBridge is on, and no rule leads to the queue", f"make a rule whose target is {_named(targets)}")


def _matches(pattern: str, prefix: Prefix) -> bool:
    """Returns whether the pattern of a rule names the bucket, if any, and a prefix that covers `prefix`, if any."""
    try:
        detail: Any = json.loads(pattern).get("detail", {})
        buckets = detail.get("bucket", {}).get("name", [prefix.bucket])
        keys = detail.get("object", {}).get("key", [{"prefix": ""}])
        prefixes = [key["prefix"] for key in keys if isinstance(key, dict) and isinstance(key.get("prefix"), str)]
    except (ValueError, AttributeError, TypeError):
        return False
    return prefix.bucket in buckets and any(prefix.prefix.startswith(one) for one in prefixes)


def _rules(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for rule in row.get("Filter", {}).get("Key", {}).get("FilterRules", []):
        yield str(rule.get("Name", "")).lower(), str(rule.get("Value", ""))


def _covers(row: dict[str, Any], prefix: Prefix) -> bool:
    return all(name == "prefix" and prefix.prefix.startswith(value) for name, value in _rules(row) if value)


def _filter(row: dict[str, Any]) -> str:
    return " and ".join(f"{name} {value!r}" for name, value in _rules(row)) or "every key"


def _is_one_of(arn: str, targets: frozenset[str]) -> bool:
    return any(arn == target or arn.startswith(f"{target}:") for target in targets)


def _named(targets: frozenset[str]) -> str:
    return " or ".join(sorted(targets)) or "the queue"
