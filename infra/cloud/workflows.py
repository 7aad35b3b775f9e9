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

_TOLERATED_FAILURE_PERCENTAGE = 5.0  # moto takes no number without a point here


@dataclass(slots=True)
class Workflows:
    """The state machine of a cloud at `endpoint`, whose map runs score up to `concurrency` shards at once."""

    endpoint: str
    concurrency: int
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
                "MaxConcurrency": self.concurrency,
                "ToleratedFailurePercentage": _TOLERATED_FAILURE_PERCENTAGE,
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


def substituted(text: str, values: Mapping[str, str | float]) -> str:
    """Returns the definition in `text` with each `${NAME}` replaced by its value, and its quotes too if that is a number."""
    for name, value in values.items():
        mark = f"${{{name}}}"
        if isinstance(value, int | float):
            text = text.replace(json.dumps(mark), str(value))
        text = text.replace(mark, str(value))
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
