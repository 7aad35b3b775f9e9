"""Runs state machines in moto's interpreter, mended where what it does differently from Step Functions would be noticed here.

The import takes 1.3 s and 150 MB, so that it comes with the first request of Step Functions. What moto 5.2.5 does by itself is
written beside each mend below: it calls other services at `localhost`, below which a bucket has no name of its own here; it has
no redrive; an execution that is stopped goes on as RUNNING until what it waits for is done; and a map run ignores tolerated
failures, knows of no pending items, begins what is left after a stop and counts it as failed, looks for ResultWriter's place in
the results, and has each worker call itself for each item, as deep as Python lets it.

What works as on AWS: MaxConcurrency, ToleratedFailurePercentage and their paths; Retry with BackoffRate, MaxDelaySeconds and
JitterStrategy; Choice; OutputPath; a null ResultPath; States.StringToJson; a start by the name of an execution that runs, with
the same input, which is that execution; and its refusal with another input or later.

What still differs:
- a map run whose failures are more than tolerated fails at its end, not at once; ToleratedFailureCount is not looked at;
- a redriven execution begins at its start, with a new map run; its history begins anew;
- ResultWriter writes a manifest of no result files;
- an execution without a name is named None, so that there can be one only;
- an invocation that is under way when an execution is stopped goes on, as on AWS, but a Retry waits for its time to pass.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from moto.core.exceptions import AWSError
from moto.core.responses import ActionResult
from moto.stepfunctions.parser import models
from moto.stepfunctions.parser.api import ExecutionStatus, HistoryEventType, MapRunStatus
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_map import state_map
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval import resource_eval_s3 as reader
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import (
    distributed_iteration_component as distributed,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
    distributed_item_processor_worker as worker,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor.map_run_record import MapRunRecord
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.resource_eval import resource_eval_s3 as writer
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.result_writer_decl import ResultWriter
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution
from moto.stepfunctions.responses import StepFunctionResponse

from infra.cloud.names import ACCOUNT, MACHINE, MACHINE_ROLE_ARN, REGION

_LOOK_S = 0.005
_PATIENCE_S = 1000  # longer than the function may take
_MAX_CONNECTIONS = 100  # as many instances as a cloud may have

_TOO_MANY_FAILED = StatesErrorNameType.StatesExceedToleratedFailureThreshold


def deploy(endpoint: str, definition: str) -> None:
    """Creates the state machine of `definition`, which calls Lambda and S3 at `endpoint`.

    Raises:
        moto.core.exceptions.AWSError: the definition is none.
    """
    _mend(endpoint)
    _backend().create_state_machine(MACHINE, definition, MACHINE_ROLE_ARN)


def stop_all() -> None:
    """Stops every execution, so that none goes on without the cloud."""
    for execution in _backend()._get_executions():  # noqa: SLF001 - moto has no other way to all of them
        if execution.status == "RUNNING":
            execution.stop(datetime.now(UTC), None, None)


def _backend() -> models.StepFunctionsParserBackend:
    return models.stepfunctions_parser_backends[ACCOUNT][REGION]


def _mend(endpoint: str) -> None:
    """Puts the mended parts into the places of moto's, and keeps its log quiet: an execution tells its error itself."""
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)
    mended: tuple[tuple[object, str, object], ...] = (
        (models, "Execution", _Execution),
        (state_map, "MapRunRecord", _MapRun),
        (worker.DistributedItemProcessorWorker, "eval", _work),
        (distributed.DistributedIterationComponent, "_map_run", _run_map),
        (ResultWriter, "_eval_body", _write_results),
        (StepFunctionResponse, "redrive_execution", _redrive_execution),
        *((module, "boto_client_for", _connecting(endpoint)) for module in (reader, writer, lambda_eval_utils)),
    )
    for place, name, part in mended:
        setattr(place, name, part)


def _connecting(endpoint: str) -> Callable[..., Any]:
    """Returns what makes clients for `endpoint` and keeps them; moto makes one for each call, at `localhost`."""

    @cache
    def client(region: str, service: str) -> Any:
        settings = Config(retries={"total_max_attempts": 1}, read_timeout=_PATIENCE_S, max_pool_connections=_MAX_CONNECTIONS)
        session: Any = boto3.Session("embedded", "embedded", region_name=region)
        return session.client(service, endpoint_url=endpoint, config=settings)

    def connected(region: str, service: str, state_credentials: object = None) -> Any:  # noqa: ARG001 - as moto's
        return client(region, service)

    return connected


class _Execution(Execution):
    """An execution that is ABORTED as soon as it is stopped, and that can be started again."""

    def start(self) -> None:
        """Starts it, and returns once it can be stopped and looked at, which moto's cannot while its definition is parsed."""
        super().start()
        while _environment(self) is None:
            time.sleep(_LOOK_S)

    def stop(self, stop_date: datetime, error: str | None, cause: str | None) -> None:
        if self.status != "RUNNING":
            return
        super().stop(stop_date, error or None, cause or None)
        self.exec_status, self.stop_date = ExecutionStatus.ABORTED, stop_date
        for run in _environment(self).map_run_record_pool_manager.get_all():
            run.set_stop(MapRunStatus.ABORTED)

    def redrive(self) -> None:
        """Starts it again from its beginning."""
        if self.status not in {"FAILED", "ABORTED", "TIMED_OUT"}:
            raise _ExecutionNotRedrivable(f"Execution is {self.status} and cannot be redriven")
        self.exec_worker = self.stop_date = self.error = self.cause = None
        self.start()

    def _get_start_execution_worker_comm(self) -> BaseExecutionWorkerCommunication:
        return _Ending(self)


def _environment(execution: Execution) -> Any:
    """Returns the state of an execution's interpreter; None until its definition is parsed, and only if it was started."""
    return execution.exec_worker and execution.exec_worker.env


class _Ending(BaseExecutionWorkerCommunication):
    """Takes over how an execution ended, unless it was stopped and redriven before that part of it ended."""

    def terminated(self) -> None:
        if self.execution.status == "RUNNING" and not _environment(self.execution).is_running():
            super().terminated()


class _ExecutionNotRedrivable(AWSError):
    TYPE = "ExecutionNotRedrivable"
    STATUS = 400


def _redrive_execution(self: StepFunctionResponse) -> ActionResult:
    execution: Any = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
    execution.redrive()
    return ActionResult({"redriveDate": datetime.now(UTC)})


class _MapRun(MapRunRecord):
    """A map run that knows its number of items, and keeps the first status that it ended with."""

    items = 0

    def set_stop(self, status: MapRunStatus) -> None:
        if self.stop_date is None:
            super().set_stop(status)

    def describe(self) -> Any:
        """Returns what is known of the run; moto counts an item when it begins, and of a failed execution that it runs."""
        told: dict[str, Any] = dict(super().describe())
        counts = dict(told["itemCounts"])
        counts["total"] = self.items
        rest = self.items - sum(counts[name] for name in ("running", "succeeded", "failed", "timedOut", "aborted"))
        counts["aborted" if self.status == MapRunStatus.ABORTED else "pending"] += rest
        return told | {"itemCounts": counts, "executionCounts": counts}

    def has_failed(self) -> bool:
        """Whether more items failed than are tolerated."""
        return self.item_counter.failed.get() * 100 > self.tolerated_failure_percentage * self.items


def _run_map(
    self: distributed.DistributedIterationComponent,
    env: Environment,
    eval_input: distributed.DistributedIterationComponentEvalInput,
) -> None:
    """Runs the items of a map run, as moto does, and fails if too many of them failed."""
    run: Any = eval_input.map_run_record
    run.items = len(env.stack[-1])
    _moto_run_map(self, env, eval_input)
    if env.is_running() and run.has_failed():
        told = {"error": _TOO_MANY_FAILED.to_name(), "cause": "The specified tolerated failure threshold was exceeded"}
        details: Any = {"mapRunFailedEventDetails": told}
        name = StatesErrorName(typ=_TOO_MANY_FAILED)
        raise FailureEventException(FailureEvent(env, name, HistoryEventType.MapRunFailed, details))


def _write_results(self: ResultWriter, env: Environment) -> None:
    """Writes the manifest to the place that the map's input tells; moto looks for the place in the results."""
    env.stack[-1] = env.states.get_input()
    _moto_write_results(self, env)


def _work(self: worker.DistributedItemProcessorWorker) -> None:
    """Works on one item after another until the execution ends; moto's worker calls itself for each, and does not end then."""
    while job := self._job_pool.next_job():
        if self._env.is_running():
            frame = self._env.open_inner_frame()
            self._eval_job(env=frame, job=job)
            self._env.delete_frame(frame)
        self._job_pool.close_job(job)


_moto_run_map = distributed.DistributedIterationComponent._map_run  # noqa: SLF001 - moto has no public place to mend
_moto_write_results = ResultWriter._eval_body  # noqa: SLF001 - as above
