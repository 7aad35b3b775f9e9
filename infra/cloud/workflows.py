"""Deploys the state machine of backlogs to the embedded cloud, once something asks for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from moto.core.config import default_user_config

from infra.cloud.names import ALIAS_ARN
from infra.paths import ROOT

MACHINE_FILE = ROOT / "infra" / "backlog" / "machine.asl.json"


@dataclass(slots=True)
class Workflows:
    """The state machine of a cloud at `endpoint`.

    Attributes:
        endpoint: Where it calls Lambda and S3.
        concurrency: The number of shards that are scored at once.
        tolerated_failures: The percentage of the shards of a run that may fail, as text.
    """

    endpoint: str
    concurrency: int
    tolerated_failures: str
    _is_started: bool = False
    _lock: Lock = field(default_factory=Lock)

    def start(self) -> None:
        """Creates the state machine, if that is not done yet; this imports moto's interpreter."""
        with self._lock:
            if self._is_started:
                return
            from infra.cloud import interpreter

            default_user_config["stepfunctions"] = {"execute_state_machine": True}
            values = {
                "Partition": "aws",
                "FunctionArn": ALIAS_ARN,
                "MaxConcurrency": str(self.concurrency),
                "ToleratedFailurePercentage": self.tolerated_failures,
            }
            interpreter.deploy(self.endpoint, without_waiting(substituted(MACHINE_FILE.read_text(), values)))
            self._is_started = True

    def stop(self) -> None:
        """Stops what runs, so that nothing goes on without the cloud."""
        with self._lock:
            if self._is_started:
                from infra.cloud import interpreter

                interpreter.stop_all()
                default_user_config["stepfunctions"] = {"execute_state_machine": False}


def substituted(text: str, values: Mapping[str, str]) -> str:
    """Returns the definition in `text` with each `${NAME}` replaced by its value, as CloudFormation does."""
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    return text


def without_waiting(text: str) -> str:
    """Returns the definition in `text` with every retry made after a second at most, Step Functions' shortest time."""
    return json.dumps(_hastened(json.loads(text)))


def _hastened(part: Any) -> Any:
    if isinstance(part, list):
        return [_hastened(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {name: _hastened(value) for name, value in part.items() if name != "MaxDelaySeconds"}
    return kept | {"IntervalSeconds": 1, "BackoffRate": 1.0} if "IntervalSeconds" in kept else kept
