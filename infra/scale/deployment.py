"""Reads what the template, the state machine and the handler's settings say of the stack. Reads their files, and no AWS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from handler.settings import DEFAULTS
from infra.cost.times import Client
from infra.errors import InfraError
from infra.paths import ROOT, TEMPLATE
from infra.template import read_template

MACHINE = ROOT / "infra" / "backlog" / "machine.asl.json"


class Repetition(msgspec.Struct, frozen=True):
    """How Step Functions repeats what failed: up to `attempts` times, after a random part of a wait that grows by `factor`."""

    first_s: float
    factor: float
    attempts: int
    max_s: float

    def longest_s(self, repeated: int) -> float:
        """Returns the longest wait before the next attempt, if there were `repeated` ones besides the first."""
        return min(self.first_s * self.factor**repeated, self.max_s)


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a stack: of its queue and its event source, of its function, and of its backlogs.

    `max_receives` is how often a message is delivered before it is a dead letter, `s3_concurrency` the number of objects that
    an instance reads or writes at the same time, and `reserve_s` what an invocation keeps of `timeout_s` for its end. A run of
    a backlog stops when more than `tolerated_percent` of its shards have failed after all repetition.
    """

    batch_objects: int
    window_s: float
    max_concurrency: int
    visibility_s: float
    max_receives: int
    memory_mb: int
    timeout_s: float
    reserve_s: float
    client: Client
    s3_concurrency: int
    backlog_concurrency: int
    tolerated_percent: int
    repetition: Repetition


def read_deployment(template: Path = TEMPLATE, machine: Path = MACHINE) -> Deployment:
    """Returns the parameters of the stack that `template` deploys with its defaults.

    Raises:
        InfraError: the template or the state machine has no such parameter.
        OSError: a file cannot be read.
    """
    text = read_template(template.read_text(encoding="utf-8"))
    states = json.loads(machine.read_bytes())["States"]
    try:
        return _deployment(text, states)
    except (KeyError, StopIteration) as error:
        raise InfraError(
            f"Expected a template and a state machine whose parameters can be simulated. Received: {template} and {machine}, "
            f"one of which lacks {error}; teach infra/scale/deployment.py where it is now."
        ) from error


def _deployment(template: dict[str, Any], states: dict[str, Any]) -> Deployment:
    resources, parameters = template["Resources"], template["Parameters"]
    function = resources["ScoringFunction"]["Properties"]
    source = function["Events"]["Uploads"]["Properties"]
    queue = resources["UploadQueue"]["Properties"]
    settings = DEFAULTS | {name: value for name, value in function["Environment"]["Variables"].items() if str(value).isdigit()}
    return Deployment(
        batch_objects=source["BatchSize"],
        window_s=source["MaximumBatchingWindowInSeconds"],
        max_concurrency=source["ScalingConfig"]["MaximumConcurrency"],
        visibility_s=queue["VisibilityTimeout"],
        max_receives=queue["RedrivePolicy"]["maxReceiveCount"],
        memory_mb=function["MemorySize"],
        timeout_s=function["Timeout"],
        reserve_s=int(settings["DEADLINE_RESERVE_MS"]) / 1000,
        client=Client(parameters["S3Client"]["Default"]),
        s3_concurrency=int(settings["S3_CONCURRENCY"]),
        backlog_concurrency=int(parameters["BacklogConcurrency"]["Default"]),
        tolerated_percent=int(parameters["BacklogToleratedFailures"]["Default"]),
        repetition=_repetition(states["Score"]["ItemProcessor"]["States"]["ScoreShard"]["Retry"]),
    )


def _repetition(rules: list[dict[str, Any]]) -> Repetition:
    rule = next(rule for rule in rules if rule["ErrorEquals"] == ["States.ALL"])
    return Repetition(rule["IntervalSeconds"], rule["BackoffRate"], rule["MaxAttempts"], rule["MaxDelaySeconds"])
