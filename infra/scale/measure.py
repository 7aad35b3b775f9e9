"""Measures uploads and backlogs on the embedded cloud, for docs/scale.md, which shows them beside simulations of themselves.

    python -m infra.scale.measure                 3,000 small pictures by 1 and by 2 workers, into docs/scale-measured.json;
                                                  1,000 of them as uploads, whose queue is slow here
    python -m infra.scale.measure 500 1 2 4       500 of them, by 1, 2 and 4

Use a machine that does nothing else; then write the page by `python -m infra.scale.page --again`. Workers are processes, and
the emulators of S3, of the queue and of Step Functions run beside them on the same processors.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import boto3
import msgspec
from botocore.config import Config

from infra.bench.parts import processor
from infra.bench.samples import read_pngs
from infra.cloud.embedded import Cloud, clear_aws_environment, start_cloud
from infra.cloud.event_source import EventSource
from infra.cloud.names import FUNCTION_ARN, MACHINE_ARN, REGION
from infra.errors import InfraError
from infra.scale.measured import MEASURED, Measured, Run

OBJECTS, WORKERS = 3_000, (1, 2)
MAX_QUEUED = 1_000  # uploads; for each message that is deleted, the emulator looks through all of them

_PREFIX = "uploads/"  # that the template scores
_NOTHING = f"{_PREFIX}nothing/"
_LOOK_S = 0.01
_UPLOADERS = 8


def measure(objects: int = OBJECTS, workers: Sequence[int] = WORKERS) -> Measured:
    """Returns the runs of both ways by each number of workers, which must begin with 1; each run has a cloud of its own.

    Raises:
        InfraError: an object was not scored, or a run failed.
    """
    clear_aws_environment()
    uploads = [_with_cloud(min(objects, MAX_QUEUED), count, measure_uploads) for count in workers]
    backlogs = [_with_cloud(objects, count, measure_backlog) for count in workers]
    first = backlogs[0]
    outside_s = (first.seconds - first.busy_s) / first.invocations  # of the run of one worker, which never waits for another
    return Measured(
        machine=processor(),
        measured=datetime.now(UTC).date().isoformat(),
        latency_ms=0.0,
        runs=(*uploads, *(msgspec.structs.replace(run, outside_s=outside_s) for run in backlogs)),
    )


def _with_cloud(objects: int, workers: int, measure_way: Callable[[Calls, int, int], Run]) -> Run:
    """Returns a run over objects that were uploaded to a fresh cloud, by workers whose processes have started."""
    with start_cloud(instances=workers) as cloud:
        calls = Calls(cloud)
        calls.start_workers(workers)
        cloud.sqs.purge_queue(QueueUrl=cloud.queue_url)  # of S3's test event
        size_bytes = upload(cloud, objects)
        return msgspec.structs.replace(measure_way(calls, objects, workers), bytes=size_bytes)


def upload(cloud: Cloud, objects: int) -> int:
    """Uploads the sample pictures, again and again, and returns the bytes of all of them."""
    pngs = read_pngs()
    contents = [pngs[number % len(pngs)] for number in range(objects)]

    def put(number: int) -> None:
        cloud.s3.put_object(Bucket=cloud.input_bucket, Key=f"{_PREFIX}{number:06}.png", Body=contents[number])

    with ThreadPoolExecutor(_UPLOADERS) as pool:
        list(pool.map(put, range(objects)))
    return sum(map(len, contents))


class Calls:
    """Calls the function and the state machine of a cloud, and adds up the seconds of the function."""

    def __init__(self, cloud: Cloud) -> None:
        """Connects to the cloud."""
        self.cloud = cloud
        self.busy_s = 0.0
        self._lock = threading.Lock()
        settings = Config(read_timeout=900, retries={"total_max_attempts": 1}, max_pool_connections=100)
        endpoint = cloud.environment["AWS_ENDPOINT_URL"]
        session = boto3.Session("embedded", "embedded", region_name=REGION)
        self._functions: Any = session.client("lambda", endpoint_url=endpoint, config=settings)
        self._machines: Any = session.client("stepfunctions", endpoint_url=endpoint, config=settings)

    def invoke(self, event: dict[str, Any], _context: object = None) -> Any:
        """Returns what the function answers.

        Raises:
            InfraError: it raised an error.
        """
        began = time.perf_counter()
        reply = self._functions.invoke(FunctionName=FUNCTION_ARN, Payload=json.dumps(event))
        answer = json.loads(reply["Payload"].read())
        with self._lock:
            self.busy_s += time.perf_counter() - began
        if "FunctionError" in reply:
            raise InfraError(f"Expected an answer of the function. Received: {answer}.")
        return answer

    def plan(self, run: str, prefix: str) -> None:
        """Has the function plan a run over the keys of a prefix."""
        state = self._asked(run, prefix)
        while not state.get("is_planned"):
            state = self.invoke(state)

    def execute(self, run: str, prefix: str) -> dict[str, Any]:
        """Returns the summary of a run, once the state machine has ended; a run that is planned is not planned again.

        Raises:
            InfraError: it failed.
        """
        event = self._asked(run, prefix)
        arn = self._machines.start_execution(stateMachineArn=MACHINE_ARN, name=run, input=json.dumps(event))["executionArn"]
        while (found := self._machines.describe_execution(executionArn=arn))["status"] == "RUNNING":
            time.sleep(_LOOK_S)
        if found["status"] != "SUCCEEDED":
            raise InfraError(f"Expected a run that succeeds. Received: {found['status']}, {found.get('cause')}.")
        summary: dict[str, Any] = json.loads(found["output"])
        return summary

    def start_workers(self, count: int) -> None:
        """Has each worker plan a run over nothing, and one execution, so that all of them have started."""
        runs = [f"warm-{uuid.uuid4().hex}" for _ in range(count)]
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(lambda run: self.plan(run, _NOTHING), runs))
        self.execute(runs[0], _NOTHING)
        self.busy_s = 0.0

    def _asked(self, run: str, prefix: str) -> dict[str, Any]:
        return {"job": "plan", "run": run, "prefix": f"s3://{self.cloud.input_bucket}/{prefix}"}


def measure_uploads(calls: Calls, objects: int, workers: int) -> Run:
    """Returns the run of workers that take uploads from the queue, in which all of them are already."""
    source = EventSource(calls.cloud, calls.invoke, calls.cloud.batch_messages)

    def work() -> tuple[int, float]:
        began, batches = time.perf_counter(), 0
        while source.deliver():
            batches += 1
        return batches, time.perf_counter() - began

    began = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        found = [future.result() for future in [pool.submit(work) for _ in range(workers)]]
    seconds = time.perf_counter() - began
    invocations = sum(batches for batches, _ in found)
    _require(count_documents(calls.cloud), objects)
    return Run(
        way="uploads",
        workers=workers,
        objects=objects,
        images=objects,
        bytes=0,
        invocations=invocations,
        seconds=seconds,
        busy_s=calls.busy_s,
        outside_s=(sum(spent for _, spent in found) - calls.busy_s) / invocations,
    )


def measure_backlog(calls: Calls, objects: int, workers: int) -> Run:
    """Returns the run of a backlog by workers."""
    run = f"measured-{workers}"
    began = time.perf_counter()
    calls.plan(run, _PREFIX)
    planned = time.perf_counter()
    summary = calls.execute(run, _PREFIX)
    seconds = time.perf_counter() - planned
    _require(summary["images"], objects)
    return Run(
        way="backlog",
        workers=workers,
        objects=objects,
        images=summary["images"],
        bytes=0,
        invocations=summary["shards"]["finished"],
        seconds=seconds,
        busy_s=summary["seconds"],
        outside_s=0.0,
        plan_s=planned - began,
    )


def count_documents(cloud: Cloud) -> int:
    """Returns the number of documents of uploads."""
    pages = cloud.s3.get_paginator("list_objects_v2").paginate(Bucket=cloud.output_bucket)
    return sum("/_coatcheck/" not in one["Key"] for page in pages for one in page.get("Contents", []))


def _require(found: int, objects: int) -> None:
    if found != objects:
        raise InfraError(f"Expected {objects} objects to be scored. Received: {found}; measure again.")


def main(arguments: Sequence[str]) -> None:
    """Measures, and writes what was found."""
    objects, *workers = [int(argument) for argument in arguments] or [OBJECTS]
    measured = measure(objects, workers or WORKERS)
    MEASURED.write_bytes(msgspec.json.format(msgspec.json.encode(measured)) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
