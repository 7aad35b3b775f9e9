"""Keeps what was simulated for docs/scale.md, since a hundred million images take a minute. Tests see that it is of today."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from infra.paths import ROOT
from infra.scale.outcome import Outcome
from infra.scale.scenarios import (
    Scenario,
    deployed_scenarios,
    deployed_stack,
    simulate,
    swept_scenarios,
    turned_backlogs,
    turned_uploads,
)
from infra.scale.stack import Stack

SIMULATED = ROOT / "docs" / "scale-simulated.json"

_DRAWN_SAMPLES = 100
_DIGITS = 6  # more would differ from machine to machine


class Simulated(msgspec.Struct, frozen=True):
    """Outcomes by the names of their scenarios, and the stack that they are of."""

    stack: Stack
    outcomes: dict[str, Outcome]

    def of(self, scenario: Scenario) -> Outcome:
        """Returns the outcome of a scenario."""
        return self.outcomes[_key(scenario)]


def simulate_all() -> Simulated:
    """Simulates everything that the page shows, within a minute or two."""
    drawn = {_key(scenario): simulate(scenario) for scenario in deployed_scenarios()}
    others = {
        _key(scenario): replace(simulate(scenario), samples=())
        for scenario in (*turned_uploads(), *turned_backlogs(), *swept_scenarios())
    }
    outcomes = {name: thinned(outcome) for name, outcome in (drawn | others).items()}
    return Simulated(deployed_stack(), outcomes)


def thinned(outcome: Outcome) -> Outcome:
    """Returns an outcome with as many samples as a picture needs, and its numbers rounded."""
    step = -(-len(outcome.samples) // _DRAWN_SAMPLES) or 1
    samples = (*outcome.samples[:-1:step], *outcome.samples[-1:])
    return msgspec.convert(_rounded(msgspec.to_builtins(replace(outcome, samples=samples))), Outcome)


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list | tuple) else value


def load_simulated(path: Path = SIMULATED) -> Simulated:
    """Returns what was simulated.

    Raises:
        OSError: nothing was.
        msgspec.DecodeError: the file is none of `save_simulated`.
    """
    return msgspec.json.decode(path.read_bytes(), type=Simulated)


def save_simulated(simulated: Simulated, path: Path = SIMULATED) -> None:
    """Writes what was simulated, with a line for each outcome."""
    lines = [f"  {_text(name)}: {_text(outcome)}" for name, outcome in simulated.outcomes.items()]
    path.write_text(_object([f' "stack": {_text(simulated.stack)}', f' "outcomes": {_object(lines)}']) + "\n", encoding="utf-8")


def _object(lines: Iterable[str]) -> str:
    return "{\n" + ",\n".join(lines) + "\n}"


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _key(scenario: Scenario) -> str:
    return f"{scenario.way}: {scenario.name}"
