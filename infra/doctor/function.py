"""Examines the deployed function: its state, its alias, its concurrency, its event source, and its variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.doctor.asking import Cloud
from infra.doctor.deployment import Deployment
from infra.doctor.findings import Finding, judge, ok, unknown, wrong

_SUBJECT = "function"
_PROMISED = {"OUTPUT_URI": "OutputUri", "QUEUE_URL": "QueueUrl"}  # variables, by the outputs that must say the same


def examine_function(cloud: Cloud, deployment: Deployment, queue_arn: str | None) -> Iterator[Finding]:
    """Yields what is found about the function of a deployment; nothing can be told if no stack was named."""
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
    yield from _event_source(cloud, name, queue_arn)
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


def _event_source(cloud: Cloud, name: str, queue_arn: str | None) -> Iterator[Finding]:
    answer = cloud.ask("lambda", "list_event_source_mappings", FunctionName=name)
    if answer.code:
        yield answer.failure(_SUBJECT, "deploy the stack again")
        return
    mapped = {row.get("EventSourceArn"): row.get("State") for row in answer.value.get("EventSourceMappings", [])}
    state = mapped.get(queue_arn)
    if state is None:
        yield wrong(_SUBJECT, "takes nothing from the queue", "deploy the stack again: no event source leads from it")
    else:
        yield judge(
            _SUBJECT, f"its event source is {state}", "enable it", is_right=state in {"Enabled", "Enabling", "Updating"}
        )


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
