"""Keeps an embedded cloud running with the function attached, and tells of each document as it appears.

    coatcheck cloud              on 127.0.0.1
    coatcheck cloud --sam        where containers reach it too, for `sam local invoke`

Uploads take the way that they take on AWS: notification, queue, event source, function. A message that is not finished comes
again at once, not after the visibility timeout, until the queue moves it to its dead letters. A backlog runs in the state
machine of the template, and its shards in processes that start with the first backlog.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import typer

from handler.errors import BadArtifact
from handler.objects import Prefix, parse_prefix
from infra.cloud.arrivals import Arrivals
from infra.cloud.attached import Function, attach
from infra.cloud.embedded import Cloud, clear_aws_environment, start_cloud
from infra.cloud.event_source import EventSource
from infra.cloud.guide import SAM_KEY, SAMPLE, invocation, uploads
from infra.cloud.sam_local import find_host, listening_address, write_template
from infra.errors import InfraError, WrongUse
from infra.locations import parse_artifact
from infra.platforms import Architecture
from infra.printable import as_line

EVENT = Path(".demo") / "sam-event.json"

_LOOK_S = 0.3  # between two looks at the queue and at the documents
_SAME_SIGNAL_S = 1.0
_HERE = "127.0.0.1"


def run(port: int, artifact: str | None, sam: Architecture | None, instances: int = 1) -> int:
    """Runs the cloud until SIGINT or SIGTERM, and returns the number of documents that appeared.

    Args:
        port: the port to listen at; 0 for any that is free.
        artifact: the folder of the artifact, or the name of one that ships; None for the bundled one.
        sam: the architecture of the built package that containers run on this cloud; None if none does.
        instances: the largest number of processes that score the shards of backlogs.

    Raises:
        WrongUse: there is no such artifact.
        InfraError: another program has the port, the artifact is broken, or Docker or the package is missing.
    """
    host = find_host(sam) if sam else _HERE
    clear_aws_environment(host)
    os.environ.pop("MODEL_URI", None)
    if artifact:
        os.environ["MODEL_URI"] = str(_find(artifact))
    address = listening_address(host) if sam else _HERE
    with _stopped_by_signals() as stop, start_cloud(address=address, port=port, instances=instances) as cloud:
        function = attach(cloud)
        arrivals = _arrivals(cloud)
        typer.echo(uploads(cloud))
        if sam:
            cloud.s3.upload_file(str(SAMPLE), cloud.input_bucket, SAM_KEY)
            typer.echo(invocation(cloud, write_template(_seen_by_containers(cloud, host)), EVENT, sam.value))
        cloud.sqs.purge_queue(QueueUrl=cloud.queue_url)  # of S3's test event, and of the sample's
        typer.echo("Each document is told of here. Ctrl-C ends it, and nothing is kept.")
        return _tell(cloud, function, arrivals, stop)


def _find(artifact: str) -> Path:
    place = parse_artifact(artifact)
    if not isinstance(place, Path) or not place.is_dir():
        raise WrongUse(
            f"Expected the folder of an artifact, or the name of one that ships. Received: {artifact!r}; check the path."
        )
    return place


def _tell(cloud: Cloud, function: Function, arrivals: Arrivals, stop: threading.Event) -> int:
    source = EventSource(cloud, function, cloud.batch_messages, is_impatient=True)
    count = 0
    while not stop.is_set():
        delivery = source.deliver()
        for line in arrivals.look():
            typer.echo(line)
            count += 1
        if delivery and delivery.returned:
            reason = f": {as_line(str(delivery.error))}" if delivery.error else ""
            typer.echo(f"failed     {len(delivery.returned)} messages are not finished and come again{reason}")
        if delivery is None:
            stop.wait(_LOOK_S)
    return count


def _arrivals(cloud: Cloud) -> Arrivals:
    """Returns the documents of the cloud; the function's own parts are built first, so that a broken artifact ends all."""
    from handler.app import build_parts

    try:
        build_parts()
    except BadArtifact as error:
        raise InfraError(f"--artifact: {error}") from error
    from infra.locations import s3

    output = parse_prefix(cloud.environment["OUTPUT_URI"])
    return Arrivals(s3(), output or Prefix(cloud.output_bucket, ""))


def _seen_by_containers(cloud: Cloud, host: str) -> dict[str, str]:
    port = cloud.environment["AWS_ENDPOINT_URL"].rpartition(":")[2]
    return cloud.environment | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Yields what SIGINT and SIGTERM set. A later signal interrupts at once; one that comes with the first does nothing.

    Some programs, such as `timeout`, send a signal to a process and then again to its group.
    """
    stop = threading.Event()
    first = [0.0]

    def end(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and time.monotonic() - first[0] > _SAME_SIGNAL_S:
            raise KeyboardInterrupt
        if not stop.is_set():
            first[0] = time.monotonic()
            stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
