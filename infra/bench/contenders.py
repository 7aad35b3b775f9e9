"""Starts the stub of S3 and the contenders as processes, and lets the contenders take turns."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from handler.settings import DEFAULTS
from infra.bench.samples import BUCKET, OUTPUT
from infra.errors import InfraError
from infra.paths import ROOT, TEMPLATE
from infra.template import read_template

PEERS = ROOT / ".venv-peers" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Contender:
    """One that takes part: the name in the results, its client of S3, its module, and the Python that runs it.

    `is_trained` is False if its network has the shipped layers, but random weights. `libraries` is the folder whose libraries
    it uses instead of those of its Python, if there is one. `is_quick` is True if it takes part in a quick run.
    """

    name: str
    client: str
    module: str
    python: Path = Path(sys.executable)
    is_trained: bool = True
    libraries: Path | None = None
    is_quick: bool = True


class Turn(msgspec.Struct, frozen=True):
    """What one turn took: seconds, seconds of the processor, bytes of log, and the peak memory of the process so far."""

    wall_s: float
    cpu_s: float
    logged_bytes: int
    peak_mib: float


def batch_size() -> int:
    """Returns the BatchSize by which the template hands messages of uploads to the function."""
    resources = read_template(TEMPLATE.read_text(encoding="utf-8"))["Resources"]
    events = [event for resource in resources.values() for event in resource.get("Properties", {}).get("Events", {}).values()]
    sizes = [event["Properties"]["BatchSize"] for event in events if event["Type"] == "SQS"]
    return int(max(sizes))


class Stub:
    """The stub of S3, in a process of its own."""

    def __init__(self, packed_images: int) -> None:
        command = [sys.executable, "-m", "infra.bench.stub", str(packed_images)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise InfraError(
                "Expected the stub of S3 to tell its port. Received: the end of its process, whose output says why."
            )
        self.port = int(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _end(self._process)

    @property
    def url(self) -> str:
        """The endpoint that clients are to use."""
        return f"http://127.0.0.1:{self.port}"

    def reset(self, delay_ms: float = 0) -> None:
        """Forgets all documents and calls, and lets each answer wait for `delay_ms` from now on."""
        self.request("POST", f"/-/reset?delay_ms={delay_ms}")

    def calls(self) -> dict[str, int]:
        """Returns the count of the calls of each method since the last reset."""
        return msgspec.json.decode(self.request("GET", "/-/calls"), type=dict[str, int])

    def document(self, key: str) -> bytes:
        """Returns the document of the object `key`."""
        return self.request("GET", f"/{OUTPUT}/{key}.json")

    def request(self, method: str, path: str) -> bytes:
        """Makes one request, and returns the body of the answer.

        Raises:
            InfraError: the answer is an error.
        """
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise InfraError(
                f"Expected the stub to answer {method} {path} with 200. Received: {response.status} {body[:200]!r}."
            )
        return body


class Running:
    """A contender's process, which does its first turn as it starts."""

    def __init__(self, contender: Contender, url: str) -> None:
        self.contender = contender
        variables = environment(url, contender)
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed by `end`; not a pipe, which a talkative library fills
        try:
            self._process = subprocess.Popen(
                [contender.python, "-S", "-m", contender.module],  # as in Lambda, which runs no files of a virtual environment
                cwd=ROOT,
                env=variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
            )
        except OSError:
            self._errors.close()
            raise

    def take_turn(self, batches: Sequence[Sequence[str]]) -> Turn:
        """Lets the contender score the keys of each batch, one after the other.

        Raises:
            InfraError: the process has failed; the message holds the last line of its error output.
        """
        with contextlib.suppress(BrokenPipeError):  # its error output tells the reason
            print(json.dumps(batches), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            self._process.wait()
            self._errors.seek(0)
            reason = self._errors.read().strip().rpartition("\n")[2]
            raise InfraError(f"Expected {self.contender.name} to take its turn. Received: {reason or 'the end of its process'}")
        return msgspec.json.decode(line, type=Turn, strict=False)

    def end(self) -> None:
        """Ends the process."""
        _end(self._process)
        self._errors.close()


def environment(url: str, contender: Contender) -> dict[str, str]:
    """Returns the environment of a contender: the stub, the function's settings, and nothing of the user's own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return kept | {
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "INPUT_URIS": f"s3://{BUCKET}/uploads/",
        "OUTPUT_URI": f"s3://{OUTPUT}/",
        "S3_CLIENT": contender.client,
        "PYTHONPATH": str(contender.libraries or site_packages(contender.python)),
        **{name: str(DEFAULTS[name]) for name in ("S3_CONCURRENCY", "MODEL_BATCH_IMAGES")},
    }


def site_packages(python: Path) -> Path:
    """Returns the folder of the libraries of a virtual environment, given its Python.

    Raises:
        InfraError: it has no such folder, or several.
    """
    folders = list((python.parent.parent / "lib").glob("python*/site-packages"))
    if len(folders) != 1:
        raise InfraError(f"Expected one folder of libraries beside {python}. Received: {len(folders)}; run `make bench`.")
    return folders[0]


@contextlib.contextmanager
def running(contenders: Sequence[Contender], url: str) -> Iterator[list[Running]]:
    """Starts the contenders, and ends them when the block ends."""
    started: list[Running] = []
    try:
        started.extend(Running(contender, url) for contender in contenders)
        yield started
    finally:
        for each in started:
            each.end()


def start_ms(contender: Contender, url: str, key: str) -> tuple[float, Turn]:
    """Returns the milliseconds from the start of a process until it has written its first document, and that turn."""
    began = time.perf_counter()
    with running([contender], url) as [one]:
        turn = one.take_turn([[key]])
        return (time.perf_counter() - began) * 1000, turn


def available(stub: Stub, contenders: Sequence[Contender], key: str) -> tuple[list[Contender], Mapping[str, str]]:
    """Divides contenders into those that can score an object here, and the reasons why the others cannot."""
    able, reasons = [], {}
    for contender in contenders:
        stub.reset()
        try:
            start_ms(contender, stub.url, key)
        except (InfraError, OSError) as error:
            reasons[contender.name] = str(error)
        else:
            able.append(contender)
    return able, reasons


def _end(process: subprocess.Popen[str]) -> None:
    """Ends a process by the end of its input, or, if it does not end by that, kills it."""
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
