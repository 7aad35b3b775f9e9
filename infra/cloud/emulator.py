"""The built package as Lambda runs it: AWS's Runtime Interface Emulator, AWS's runtime client, and no Docker.

    with start_emulator(Path(".aws-sam/build/ScoringFunction"), interpreter, environment) as emulator:
        invocation = emulator.invoke({"Records": [...]})

The function's process has the package's folder, the runtime client and the interpreter's own library on its path, and nothing
else; of this process's environment it has nothing. The emulator is the binary that the SAM CLI brings along for its
containers. Limits: Linux on x86-64 or arm64, whose C library stands in for Amazon Linux's. The template's timeout and memory
are not enforced.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from infra.package import Architecture, install_wheels
from infra.paths import ROOT

HANDLER = "handler.app.lambda_handler"

# By version, so that each run tests the same; it has ready-made wheels for Python 3.11 to 3.13 on both processors.
# The other two are what it depends on.
RUNTIME_CLIENT = ("awslambdaric==4.2.2", "simplejson==4.3.0", "snapshot-restore-py==1.0.0")

_START_S = 10
_INVOKE_S = 60
_STOP_S = 5
_SILENCE_S = 1  # what was logged is in the pipe before the reply is sent
_NOTHING_SAID = b'{"errorType": "Runtime.ExitError", "errorMessage": "The process ended while it started."}'
_INVOCATIONS = "/2015-03-31/functions/function/invocations"


class CannotEmulate(Exception):
    """This machine lacks something; the message says what to do."""


@dataclass(frozen=True, slots=True)
class FunctionError:
    """What the function raised, or why it could not be loaded, as Lambda reports it."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """What came of one invocation. `answer` is what the function returned, None if there is an `error`."""

    answer: object
    error: FunctionError | None
    request_id: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator. It starts the function's process at the first invocation and keeps it for the next ones."""

    address: str
    output: SimpleQueue[str]

    def invoke(self, event: object) -> Invocation:
        """Invokes the function and returns what it answered, and the lines that it logged meanwhile.

        Raises:
            OSError: the emulator does not answer.
        """
        request = urllib.request.Request(f"http://{self.address}{_INVOCATIONS}", data=json.dumps(event).encode())
        try:
            with _direct().open(request, timeout=_INVOKE_S) as response:
                answer, error = parse_reply(response.read())
        except urllib.error.HTTPError as refusal:  # the process has ended, or never got as far as the function
            with refusal:
                answer, error = parse_reply(refusal.read() or _NOTHING_SAID)
        request_id, lines = self._lines_of_one_invocation()
        return Invocation(answer, error, request_id, lines)

    def _lines_of_one_invocation(self) -> tuple[str, tuple[str, ...]]:
        """The request's id, and the lines between START and END, which the emulator leaves out if the process has ended."""
        request_id = ""
        lines: list[str] = []
        with suppress(Empty):
            while not (line := self.output.get(timeout=_SILENCE_S)).startswith("END RequestId: "):
                if line.startswith("START RequestId: "):
                    request_id, lines = line.split()[2], []
                elif not line.startswith("REPORT RequestId: "):  # of the invocation before
                    lines.append(line)
        return request_id, tuple(lines)


def parse_reply(content: bytes | str) -> tuple[object, FunctionError | None]:
    """Tells an answer from an error; the emulator sends what the function raised like an answer, with status 200.

    Raises:
        json.JSONDecodeError: it is neither.
    """
    reply: Any = json.loads(content)
    if isinstance(reply, dict) and {"errorType", "errorMessage"} <= reply.keys():
        return None, FunctionError(reply["errorType"], reply["errorMessage"])
    return reply, None


@contextmanager
def start_emulator(package: Path, interpreter: str, environment: dict[str, str]) -> Iterator[Emulator]:
    """Starts the emulator on the package in `package`, on free ports of 127.0.0.1, and always stops all of its processes.

    Args:
        package: The folder that Lambda would unpack to /var/task.
        interpreter: A Python of the version that the package is built for.
        environment: The function's variables, and boto3's.

    Raises:
        CannotEmulate: the binary or the interpreter is missing, or the emulator does not start.
    """
    client = install_runtime_client(interpreter)
    address, api_address = _free_addresses(2)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [
                *(find_binary(), "--runtime-interface-emulator-address", address, "--runtime-api-address", api_address),
                *(interpreter, "-S", "-m", "awslambdaric", HANDLER),  # -S: no site-packages, whosever interpreter it is
            ],
            cwd=package,
            env=_system_variables(client) | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        output: SimpleQueue[str] = SimpleQueue()
        reader = Thread(target=_read_lines, args=(process, output), daemon=True)
        reader.start()
        try:
            if not _answers(address, process):
                errors.seek(0)
                raise CannotEmulate(f"The emulator did not start: {errors.read().decode(errors='replace')}")
            yield Emulator(address, output)
        finally:
            _stop(process)
            reader.join(_STOP_S)


def architecture() -> Architecture:
    """This machine's processor.

    Raises:
        CannotEmulate: there is no emulator for it.
    """
    machine = {"x86_64": Architecture.x86_64, "aarch64": Architecture.arm64}.get(platform.machine())
    if platform.system() != "Linux" or machine is None:
        raise CannotEmulate(
            "Expected Linux on x86_64 or aarch64; elsewhere use `make sam-local`, which needs Docker."
            f" Received: {platform.system()} on {platform.machine()}."
        )
    return machine


def find_binary() -> str:
    """The emulator's binary: the one on the PATH, or the SAM CLI's.

    Raises:
        CannotEmulate: there is none.
    """
    name = f"aws-lambda-rie-{architecture().value}"
    brought = ROOT.glob(f".venv-sam/lib/python3.*/site-packages/samcli/local/rapid/{name}")
    path = shutil.which("aws-lambda-rie") or next(map(str, brought), None)
    if path is None:
        raise CannotEmulate(
            f"Expected {name} in .venv-sam, where `make build` installs the SAM CLI, or aws-lambda-rie on the PATH."
        )
    return path


def install_runtime_client(interpreter: str) -> Path:
    """The folder that holds the runtime client for `interpreter`; the first call installs it, beside what `sam build` made.

    Raises:
        CannotEmulate: the interpreter does not start.
        subprocess.CalledProcessError: pip found no wheel of the client.
    """
    version = _version(interpreter)
    folder = ROOT / ".aws-sam" / f"{RUNTIME_CLIENT[0].replace('==', '-')}-python{version}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
            install_wheels(Path(unfinished) / "client", list(RUNTIME_CLIENT), architecture(), version)
            (Path(unfinished) / "client").rename(folder)
    return folder


def _version(interpreter: str) -> str:
    command = [interpreter, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotEmulate(f"Expected a Python that starts. Received: {interpreter!r} ({error}).") from error


def _system_variables(client: Path) -> dict[str, str]:
    """What Lambda sets beside the function's variables, as far as it matters here. No HOME: nobody's ~/.aws is read."""
    return {
        "PATH": os.defpath,
        "PYTHONPATH": str(client),
        "PYTHONDONTWRITEBYTECODE": "1",  # a package that was tested is the package that was built
        "HOME": "/nonexistent",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_LAMBDA_FUNCTION_NAME": "coatcheck",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
    }


def _free_addresses(count: int) -> list[str]:
    """Addresses that nobody listens on now; all are held until the last is known, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for held in sockets:
            held.bind(("127.0.0.1", 0))
        return ["{}:{}".format(*held.getsockname()) for held in sockets]
    finally:
        for held in sockets:
            held.close()


def _direct() -> urllib.request.OpenerDirector:
    """An opener that asks no proxy."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _answers(address: str, process: subprocess.Popen[bytes]) -> bool:
    """Waits until somebody listens on `address`, or the process has ended."""
    host, port = address.split(":")
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port))).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return True
    return False


def _read_lines(process: subprocess.Popen[bytes], output: SimpleQueue[str]) -> None:
    """Takes lines from the pipe as they come, because the function waits while it is full."""
    if process.stdout:
        for line in process.stdout:
            output.put(line.decode(errors="replace").rstrip("\n"))
        process.stdout.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Asks the emulator to end, then ends what is left of its session: the function's process has a group of its own."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError):
            if os.getsid(int(path.name)) == process.pid:
                os.kill(int(path.name), signal.SIGKILL)
    process.wait()
