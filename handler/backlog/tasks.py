"""Does the tasks by which a state machine has a backlog scored: plan, score a shard, summarise.

    {"job": "plan", "run": "name", "prefix": "s3://bucket/prefix/"}    plans for an invocation's time; answers the next event
    {"job": "shard", "run": "name", "number": 1, …}                    scores a shard, an item of the list that the plan names
    {"job": "summarise", "run": "name"}                                sums up what became of the run

`infra/backlog/machine.asl.json` is that state machine. No AWS here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from handler.backlog.planning import Planner
from handler.backlog.runs import Digest, Order, Places, Plan, Position, RunName, Shard
from handler.backlog.shards import ShardScorer, require_plan
from handler.backlog.summing import Summariser
from handler.deadline import TimeBudget
from handler.errors import UnrecognisedEvent
from handler.outcomes import Record
from handler.scoring import Scorer

NAME = "backlog"

_MAX_REASON = 200  # characters of an error that quotes the event


class PlanTask(msgspec.Struct, frozen=True, kw_only=True, tag_field="job", tag="plan", forbid_unknown_fields=True):
    """The task to plan a run, or to go on with it from `state`, for `max_seconds` or as long as an invocation may take.

    The other fields are those of `Order`, and those of the answer, which is the next event.
    """

    run: RunName
    prefix: str | None = None
    listed: bool = False
    model: Digest | None = None
    documents: bool = False
    replace: bool = False
    state: Position | None = None
    max_seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None
    is_planned: bool = False
    planned: Any = None

    @property
    def order(self) -> Order:
        """What the run is asked to score."""
        return Order(
            prefix=self.prefix,
            listed=self.listed,
            model=self.model,
            documents=self.documents,
            replace=self.replace,
        )


class SummariseTask(msgspec.Struct, frozen=True, kw_only=True, tag_field="job", tag="summarise", forbid_unknown_fields=True):
    """The task to sum up a run."""

    run: RunName


Task = PlanTask | Shard | SummariseTask

_JOBS = ("plan", "shard", "summarise")


def parse_task(event: object) -> Task | None:
    """Returns the task that an event asks for; None if it is an event of another kind.

    Raises:
        UnrecognisedEvent: it is a task, but not as this module's docstring describes it.
    """
    if not isinstance(event, dict) or event.get("job") not in _JOBS:
        return None
    try:
        task: Task = msgspec.convert(event, Task)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise UnrecognisedEvent(
            f"Expected a task of a backlog. Received: {str(error)[:_MAX_REASON]}. Deploy the state machine and the "
            "function together."
        ) from error
    if isinstance(task, PlanTask) and task.model and task.order.writes_documents:
        raise UnrecognisedEvent(
            "Expected no documents of a model that is not deployed, since they would replace those of the deployed one. "
            "Received: model together with documents or replace; leave one of them out."
        )
    return task


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """Does tasks by `scorer`, which has the deployed model, or by that which `scorer_of` returns for another model's digest.

    `concurrency` calls are made at the same time.
    """

    scorer: Scorer
    scorer_of: Callable[[str], Scorer]
    concurrency: int

    def do(self, task: Task, budget: TimeBudget, record: Record) -> dict[str, Any]:
        """Does a task, and returns the answer; `record` is called with the report on each object that is scored.

        Raises:
            ScoringError: the task is not done, and must be repeated; see `Planner`, `ShardScorer` and `Summariser`.
        """
        if isinstance(task, PlanTask):
            return self._plan(task, budget)
        plan = require_plan(self.scorer.documents.store, self._places, task.run, budget.finish_by)
        scorer = self._scorer(plan.order.model)
        if isinstance(task, Shard):
            done = ShardScorer(scorer=scorer).score(task, plan, budget, record)
            head = done.head
            return {
                "run": head.run,
                "number": head.number,
                "outcomes": dict(head.outcomes),
                "images": head.images,
                "seconds": head.seconds,
                "was_done": done.was_done,
            }
        summary = Summariser(scorer=scorer, concurrency=self.concurrency).summarise(plan, budget.finish_by)
        answer: dict[str, Any] = msgspec.to_builtins(summary)
        return answer

    @property
    def _places(self) -> Places:
        return Places(self.scorer.documents.output)

    def _scorer(self, model: str | None) -> Scorer:
        return self.scorer_of(model) if model else self.scorer

    def _plan(self, task: PlanTask, budget: TimeBudget) -> dict[str, Any]:
        planner = Planner(
            run=task.run,
            order=task.order,
            scorer=self._scorer(task.model),
            marks=None if task.model else self.scorer.documents.marks,
            concurrency=self.concurrency,
        )
        until = budget.begin_by
        if task.max_seconds is not None and until.left_s > task.max_seconds:
            until = until.from_now(task.max_seconds)
        made = planner.plan(task.state, until, budget)
        if isinstance(made, Plan):
            return self._answer(made)
        planned = {"objects": made.totals.objects, "bytes": made.totals.bytes}
        answer: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(task, state=made.position, planned=planned))
        return answer

    def _answer(self, plan: Plan) -> dict[str, Any]:
        places = self._places
        shards, results = places.shards(plan.run, plan.attempt), places.results(plan.run)
        return {
            "job": "plan",
            "run": plan.run,
            "is_planned": True,
            "bucket": shards.bucket,
            "shards_key": shards.key,
            "results_prefix": results.prefix.removesuffix("/"),
            "plan": {
                "objects": plan.totals.objects,
                "bytes": plan.totals.bytes,
                "left_out": plan.totals.left_out,
                "shards": plan.shards,
                "sampled": msgspec.to_builtins(plan.sampled),
                "planned_at": plan.planned_at,
                "order": msgspec.to_builtins(plan.order),
                "rows": str(places.rows_of(plan.results, plan.run)),
            },
            "planned": {"objects": plan.totals.objects, "bytes": plan.totals.bytes},
        }
