"""Examines the deployed function: its state, its alias, its concurrency, its event source, and its variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from infra.doctor.asking import Cloud
from infra.doctor.deployment import Deployment
from infra.doctor.findings import Finding, judge, ok, unknown, wrong

_SUBJECT = "function"
_PROMISED = {"OUTPUT_URI": "OutputUri", "QUEUE_URL": "QueueUrl"}  # variables, by the outputs that must say the same
_ALIVE = {"Creating", "Enabling", "Enabled", "Updating"}  # states of an event source that takes messages, or soon will
_NAMES_FAILURES = "ReportBatchItemFailures"


def examine_function(cloud: Cloud, deployment: Deployment, queue: Mapping[str, str]) -> Iterator[Finding]:
    """Yields what is found about the function of a deployment; nothing can be told if no stack was named.

    `queue` holds the attributes of the queue of uploads, and is empty if they cannot be read.
    """
    name = deployment.function
    if name is None:
        yield unknown(_SUBJECT, "no stack was named", "name it with --stack and --region")
        return
    answer = cloud.ask("lambda", "get_function_configuration", FunctionName=name)
    if answer.code:
        yield answer.failure(_SUBJECT, "deploy the stack again")
        return
    state, update = answer.value.get("State", "Active"), answer.value.get("LastUpdateStatus", "Successful")
    reason = answer.value.get("StateReason") or answer.value.get("LastUpdateStatusReason") or "see the Lambda console"
    is_right = state in {"Active", "Inactive"} and update == "Successful"  # an idle function becomes inactive
    yield judge(_SUBJECT, f"{state}, last update {update}, timeout {deployment.timeout_s} s", reason, is_right=is_right)
    yield from _alias(cloud, name)
    yield from _concurrency(cloud, name)
    is_known = "VisibilityTimeout" in queue and deployment.timeout_s is not None
    spare_s = int(queue["VisibilityTimeout"]) - (deployment.timeout_s or 0) if is_known else inf
    yield from _event_source(cloud, name, queue.get("QueueArn"), spare_s)
    yield from _variables(deployment.environ, deployment.promised)


def _alias(cloud: Cloud, name: str) -> Iterator[Finding]:
    function, alias = _parts(name)
    if alias is None:
        yield unknown(_SUBJECT, "the stack names no alias")
        return
    answer = cloud.ask("lambda", "get_alias", FunctionName=function, Name=alias)
    yield (
        answer.failure(f"{_SUBJECT}'s alias {alias}", "deploy the stack again")
        if answer.code
        else ok(_SUBJECT, f"alias {alias} is version {answer.value.get('FunctionVersion')}")
    )


def _concurrency(cloud: Cloud, name: str) -> Iterator[Finding]:
    answer = cloud.ask("lambda", "get_function_concurrency", FunctionName=_parts(name)[0])
    if answer.code:
        yield answer.failure(_SUBJECT, "deploy the stack again")
        return
    reserved = answer.value.get("ReservedConcurrentExecutions")
    found = "no reserved concurrency" if reserved is None else f"reserved concurrency of {reserved}"
    yield judge(_SUBJECT, found, "raise it: with 0 nothing is ever invoked", is_right=reserved != 0)


def _event_source(cloud: Cloud, name: str, queue_arn: str | None, spare_s: float = inf) -> Iterator[Finding]:
    """Yields what is found about what leads from the queue, which hides a message `spare_s` longer than the function runs."""
    answer = cloud.ask("lambda", "list_event_source_mappings", FunctionName=name)
    if answer.code:
        yield answer.failure(_SUBJECT, "deploy the stack again")
        return
    if queue_arn is None:
        yield unknown(_SUBJECT, "whether it takes anything from the queue, whose attributes are not known")
        return
    mapped = [row for row in answer.value.get("EventSourceMappings", []) if row.get("EventSourceArn") == queue_arn]
    alive = [row for row in mapped if row.get("State") in _ALIVE]
    if not mapped:
        yield wrong(_SUBJECT, "takes nothing from the queue", "deploy the stack again: no event source leads from it")
    for row in alive or mapped:  # one that is switched off is harmless beside one that is not
        advice = "deploy the stack again" if row.get("State") == "Deleting" else "enable it"
        yield judge(_SUBJECT, f"its event source is {row.get('State')}", advice, is_right=row in alive)
        yield from _mapping(row, spare_s)
    yield from _rivals(cloud, queue_arn, {row.get("UUID") for row in mapped})


def _mapping(row: Mapping[str, Any], spare_s: float) -> Iterator[Finding]:
    """Yields what is found about how an event source hands messages over."""
    types, source = row.get("FunctionResponseTypes") or [], f"event source {row.get('UUID')}"
    yield judge(
        _SUBJECT,
        f"its event source has FunctionResponseTypes [{', '.join(types)}]",
        f"set {_NAMES_FAILURES} on {source}: Lambda deletes the messages that failed, with those that did not",
        is_right=_NAMES_FAILURES in types,
    )
    window_s = row.get("MaximumBatchingWindowInSeconds") or 0
    if 0 < spare_s <= window_s:  # with less, the queue's own finding says it
        found = f"its event source gathers for {window_s} s, and the queue hides a message {spare_s} s longer than it runs"
        advice = "set VisibilityTimeout of the queue above the two together: messages come again while they are being scored"
        yield wrong(_SUBJECT, found, advice)
    if (row.get("FilterCriteria") or {}).get("Filters"):
        reason = "whether the filters of its event source let every message through"
        yield unknown(_SUBJECT, reason, f"remove FilterCriteria of {source}: Lambda deletes what they do not match")


def _rivals(cloud: Cloud, queue_arn: str, own: set[str | None]) -> Iterator[Finding]:
    """Yields the event sources that lead from the queue to others, which take its messages away."""
    answer = cloud.ask("lambda", "list_event_source_mappings", EventSourceArn=queue_arn)
    if answer.code:
        yield answer.failure(_SUBJECT, "deploy the stack again")
        return
    for row in answer.value.get("EventSourceMappings", []):
        if row.get("State") in _ALIVE and row.get("UUID") not in own:
            found = f"shares the queue with {row.get('FunctionArn')}"
            yield wrong(_SUBJECT, found, f"delete event source {row.get('UUID')}: what it takes does not reach this function")


def _variables(environ: Mapping[str, str], promised: Mapping[str, str]) -> Iterator[Finding]:
    for variable, output in _PROMISED.items():
        if output in promised:
            found = f"{variable}={environ.get(variable)!r}, the stack says {promised[output]!r}"
            is_right = environ.get(variable) == promised[output]
            yield judge(_SUBJECT, found, "deploy again: somebody changed it by hand", is_right=is_right)


def _parts(name: str) -> tuple[str, str | None]:
    """Returns the name or ARN of the function itself, and the alias that `name` ends with, if any."""
    parts = name.split(":")
    return (name.rpartition(":")[0], parts[7]) if len(parts) == 8 else (name, None)
