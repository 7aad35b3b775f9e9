"""Has the function plan a run, invocation after invocation, and reads what is planned already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from handler.backlog.keeping import read
from handler.backlog.runs import Order, Plan
from handler.deadline import Deadline
from handler.store import Store
from infra.backlog.deployed import Deployed, invoke
from infra.errors import InfraError, WrongUse

_INVOCATION_S = 20  # after which an invocation hands its state back, so that progress is seen
_READ_S = 60


class Sofar(msgspec.Struct, frozen=True):
    """What is planned by now."""

    objects: int = 0
    bytes: int = 0


class Sample(msgspec.Struct, frozen=True):
    """The number of objects that were looked into, and of the images in them."""

    objects: int = 0
    images: int = 0


class Planned(msgspec.Struct, frozen=True):
    """The plan of a run, as the function answers it: what is to be scored, and what was `left_out`, by reason.

    `rows` is where the rows of the run will lie, and `sampled` tells how many images are in an object.
    """

    objects: int
    bytes: int
    shards: int
    rows: str
    planned_at: str = ""
    left_out: dict[str, int] = {}
    sampled: Sample = Sample()


class _Answer(msgspec.Struct, frozen=True):
    is_planned: bool
    planned: Sofar = Sofar()
    plan: Planned | None = None
    state: Any = None


@dataclass(frozen=True, slots=True)
class Known:
    """A plan that is there already: the order that it was made for, when it was made, and how many objects it has."""

    order: Order
    planned_at: datetime
    objects: int


def event_of(run: str, order: Order) -> dict[str, Any]:
    """Returns the event that asks the function, or the state machine, for a plan."""
    fields = {name: value for name, value in msgspec.structs.asdict(order).items() if value not in {None, False}}
    return {"job": "plan", "run": run, **fields}


def plan(deployed: Deployed, run: str, order: Order, advance: Callable[[Sofar], None]) -> Planned:
    """Has the function plan a run until it is planned; `advance` is told how far that is. A run that is planned takes a moment.

    Raises:
        Stale: the run was planned for another model than the one that is deployed now.
        InfraError: the function cannot be invoked, or cannot plan.
    """
    asked = event_of(run, order) | {"max_seconds": _INVOCATION_S}
    event = asked
    while True:
        answer = invoke(deployed, event, _Answer)
        if answer.is_planned:
            if answer.plan is None:
                raise InfraError(f"Expected the plan of {run}. Received: an answer without it; deploy the stack again.")
            return answer.plan
        advance(answer.planned)
        event = asked | {"state": answer.state}


def find_plan(store: Store, deployed: Deployed, run: str) -> Known | None:
    """Returns what is known of the plan of a run; None if it has none yet.

    Raises:
        InfraError: what lies there is no plan.
        StorageUnavailable: S3 failed.
    """
    ref = deployed.places.plan(run)
    content = read(store, ref, Deadline.after(_READ_S))
    if content is None:
        return None
    try:
        found = msgspec.json.decode(content, type=Plan)
        planned_at = datetime.fromisoformat(found.planned_at)
    except (msgspec.MsgspecError, ValueError) as error:
        raise InfraError(f"Expected a plan of this version. Received: {ref}, {error}; name another --run.") from error
    return Known(found.order, planned_at.replace(tzinfo=planned_at.tzinfo or UTC), found.totals.objects)


def require_same(run: str, known: Known, order: Order) -> None:
    """Requires that a run which is planned was asked for what it is asked for now.

    Raises:
        WrongUse: it was asked for something else.
    """
    if known.order != order:
        before, now = msgspec.structs.asdict(known.order), msgspec.structs.asdict(order)
        differing = [
            f"{name} {_shown(was)} then and {_shown(now[name])} now" for name, was in before.items() if was != now[name]
        ]
        raise WrongUse(f"Expected what the run {run} was planned for. Received: {', '.join(differing)}; name another --run.")


def _shown(value: object) -> object:
    return "none" if value is None else value
