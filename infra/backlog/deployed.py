"""Finds a deployed stack that runs backlogs, and asks its function."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from botocore.exceptions import BotoCoreError

import handler.errors
from handler.backlog.runs import Places
from handler.errors import StaleRun, TransientError, UnacceptedObject
from handler.objects import parse_prefix
from infra.doctor.asking import Answer, Cloud
from infra.doctor.deployment import find_stack
from infra.errors import InfraError, WrongUse

_ATTEMPTS = 5  # of an invocation that fails for a reason that may pass
_FIRST_PAUSE_S = 1.0
_BUSY = {"TooManyRequestsException", "ServiceException", "ThrottlingException"}
_MAX_CHARACTERS = 1000  # of an answer that an error quotes

_Value = TypeVar("_Value", bound=msgspec.Struct)


class Stale(InfraError):
    """Raised for a run that was planned for another model than the one that is deployed now, so that it cannot go on."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack that runs backlogs: its function, its state machine, the places of its runs, and its parameters."""

    cloud: Cloud
    stack: str
    function: str
    machine: str
    places: Places
    parameters: Mapping[str, str]


def find_deployed(cloud: Cloud, name: str) -> Deployed:
    """Returns the stack of a name.

    Raises:
        WrongUse: there is no such stack, it is not of the template, or it runs no backlogs.
        InfraError: the stack may not be read, or nobody answers.
    """
    stack = find_stack(cloud, name)
    machine = stack.outputs.get("BacklogArn")
    if not machine:
        raise WrongUse(
            f"Expected a stack with the parameter Backlogs=on. Received: {name!r}, without the output BacklogArn; deploy it "
            "again with --parameter-overrides Backlogs=on."
        )
    output = parse_prefix(stack.outputs.get("OutputUri", ""))
    if output is None:
        raise WrongUse(f"Expected a stack of template.yaml. Received: {name!r}, without the output OutputUri; deploy it again.")
    return Deployed(cloud, name, stack.function, machine, Places(output), stack.parameters)


def invoke(
    deployed: Deployed, event: Mapping[str, Any], kind: type[_Value], sleep: Callable[[float], None] = time.sleep
) -> _Value:
    """Invokes the function with an event that it may get any number of times, and returns its answer.

    What may pass, such as a function that is busy, is tried again some times.

    Raises:
        WrongUse: the function may not read what the event names.
        Stale: the run was planned for another model.
        InfraError: the function may not be invoked, fails, or answers something else.
    """
    for attempt in range(_ATTEMPTS):
        answer = deployed.cloud.ask("lambda", "invoke", FunctionName=deployed.function, Payload=json.dumps(event).encode())
        content = _read(answer) if not answer.code else b""
        problem = _problem(deployed, answer, content)
        if problem is None:
            return _parse(deployed, content, kind)
        if not problem.may_pass or attempt == _ATTEMPTS - 1:
            raise problem.error
        sleep(_FIRST_PAUSE_S * 2**attempt)
    raise InfraError(f"Expected an answer of {deployed.function}. Received: none.")  # pragma: no cover - the loop ends above


@dataclass(frozen=True, slots=True)
class _Problem:
    error: InfraError
    may_pass: bool


def _problem(deployed: Deployed, answer: Answer, content: bytes) -> _Problem | None:
    """Returns what went wrong with an invocation; None if nothing did."""
    if answer.code:
        advice = "allow lambda:InvokeFunction to the identity that you run this with" if answer.is_refused else answer.advice
        if answer.is_missing:
            advice = "deploy the stack again"
        message = f"Expected to invoke {deployed.function}. Received: {answer.code}, {answer.text}; {advice}."
        return _Problem(InfraError(message), answer.code in _BUSY)
    if not answer.value.get("FunctionError"):
        return None
    try:
        error = msgspec.json.decode(content, type=_FunctionError)
    except msgspec.MsgspecError:
        error = _FunctionError("an error without a name", content[:_MAX_CHARACTERS].decode(errors="replace"))
    known = getattr(handler.errors, error.type, object)
    may_pass = isinstance(known, type) and issubclass(known, TransientError) and error.type != "UnrecognisedEvent"
    advice = _ADVICE.get(error.type, "the function's log tells more")
    kind = _KINDS.get(error.type, InfraError)
    return _Problem(kind(f"The function failed with {error.type}: {error.message} -> {advice}"), may_pass)


_KINDS = {UnacceptedObject.__name__: WrongUse, StaleRun.__name__: Stale}
_ADVICE = {
    "StaleRun": "name another --run",
    "UnrecognisedEvent": "it knows no backlogs; deploy the stack again, from this version",
    "UnacceptedObject": "name a prefix under the stack's InputPrefix, or deploy it with another",
    "StorageUnavailable": "try again; the same command goes on",
    "OutOfTime": "try again; the same command goes on",
}


class _FunctionError(msgspec.Struct, frozen=True):
    type: str = msgspec.field(name="errorType", default="an error")
    message: str = msgspec.field(name="errorMessage", default="")


def _read(answer: Answer) -> bytes:
    try:
        content: bytes = answer.value["Payload"].read()
    except (BotoCoreError, OSError) as error:
        raise InfraError(
            f"Expected the function's answer. Received: {str(error).rstrip('.')}; try again, the same command goes on."
        ) from error
    return content


def _parse(deployed: Deployed, content: bytes, kind: type[_Value]) -> _Value:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        shown = content[:_MAX_CHARACTERS].decode(errors="replace")
        raise InfraError(
            f"Expected an answer as this version's function gives it. Received from {deployed.function}: {shown} ({error}); "
            "deploy the stack again, from this version."
        ) from error
