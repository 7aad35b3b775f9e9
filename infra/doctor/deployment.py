"""Finds what is to be examined: the variables of a deployed function by the name of its stack, or those of this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.doctor.asking import Answer, Cloud
from infra.errors import InfraError, WrongUse

_NO_SUCH_STACK = "ValidationError"


@dataclass(frozen=True, slots=True)
class Deployment:
    """The variables that the function runs with; `function` is its ARN or name and `promised` a stack's outputs, if known."""

    environ: Mapping[str, str]
    function: str | None = None
    timeout_s: int | None = None
    promised: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stack:
    """What a stack of `template.yaml` tells of itself: the ARN or name of its function, its outputs, and its parameters."""

    name: str
    function: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]


def find_stack(cloud: Cloud, name: str) -> Stack:
    """Returns the stack of a name.

    Raises:
        WrongUse: there is no such stack, or its outputs are not those of the template.
        InfraError: the stack may not be read, or nobody answers.
    """
    answer = cloud.ask("cloudformation", "describe_stacks", StackName=name)
    if answer.is_refused:
        raise _unreadable(f"the stack {name!r}", answer)
    stacks = answer.value.get("Stacks", [])
    if not stacks:
        if answer.code != _NO_SUCH_STACK:
            raise _unreadable(f"the stack {name!r}", answer)
        where = f"the region {cloud.region_name}" if cloud.region_name else "--region"
        raise WrongUse(
            f"Expected a stack in {where}. Received: {name!r}, {answer.code}: {answer.text}; check the name and --region."
        )
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stacks[0].get("Outputs", [])}
    function = outputs.get("FunctionArn") or outputs.get("FunctionName")
    if not function:
        raise WrongUse(
            f"Expected a stack of template.yaml. Received: {name!r}, without the output FunctionArn; name another, or "
            "deploy it again."
        )
    parameters = {one["ParameterKey"]: one.get("ParameterValue", "") for one in stacks[0].get("Parameters", [])}
    return Stack(name, function, outputs, parameters)


def of_stack(cloud: Cloud, name: str) -> Deployment:
    """Returns the deployment that a stack has made.

    Raises:
        WrongUse: there is no such stack, or its outputs are not those of the template.
        InfraError: the stack or its function may not be read, or nobody answers.
    """
    stack = find_stack(cloud, name)
    function = stack.function
    described = cloud.ask("lambda", "get_function_configuration", FunctionName=function)
    if described.code:
        raise _unreadable(f"the function {function}", described)
    configuration = described.value
    return Deployment(
        environ=configuration.get("Environment", {}).get("Variables", {}),
        function=function,
        timeout_s=configuration.get("Timeout"),
        promised=stack.outputs,
    )


def _unreadable(what: str, answer: Answer) -> InfraError:
    reason = f"{answer.operation} failed with {answer.code}{f', {answer.text}' if answer.text else ''}"
    advice = "deploy again" if answer.is_missing else answer.advice
    return InfraError(f"Expected to read {what}. Received: {reason}; {advice}.")
