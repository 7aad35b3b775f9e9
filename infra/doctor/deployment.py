"""Finds what is to be examined: the variables of a deployed function by the name of its stack, or those of this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.doctor.asking import Cloud
from infra.errors import WrongUse


@dataclass(frozen=True, slots=True)
class Deployment:
    """The variables that the function runs with; `function` is its ARN or name and `promised` a stack's outputs, if known."""

    environ: Mapping[str, str]
    function: str | None = None
    timeout_s: int | None = None
    promised: Mapping[str, str] = field(default_factory=dict)


def of_stack(cloud: Cloud, name: str) -> Deployment:
    """Returns the deployment that a stack has made.

    Raises:
        WrongUse: there is no such stack, its outputs are not those of the template, or it may not be read.
    """
    answer = cloud.ask("cloudformation", "describe_stacks", StackName=name)
    stacks = answer.value.get("Stacks", [])
    if not stacks:
        raise WrongUse(f"Expected a stack in --region. Received: {name!r}, {answer.code}: {answer.text or 'no stack'}.")
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stacks[0].get("Outputs", [])}
    function = outputs.get("FunctionArn") or outputs.get("FunctionName")
    if not function:
        raise WrongUse(f"Expected a stack of template.yaml. Received: {name!r}, without the output FunctionArn.")
    configuration = cloud.ask("lambda", "get_function_configuration", FunctionName=function).value
    return Deployment(
        environ=configuration.get("Environment", {}).get("Variables", {}),
        function=function,
        timeout_s=configuration.get("Timeout"),
        promised=outputs,
    )
