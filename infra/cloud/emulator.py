"""Runs the built package as Lambda does, with AWS's Runtime Interface Emulator and runtime client, and without Docker.

    with start_emulator(Path(".aws-sam/build/ScoringFunction"), interpreter, environment) as emulator:
        invocation = emulator.invoke({"Records": [...]})

The function's process has nothing on its path but the package's folder, the runtime client and the interpreter's standard
library, and it inherits no variable of this process.

Limitations: this works on Linux on x86-64 or arm64 only, and uses the C library of this machine instead of Amazon Linux's. The
template's timeout and memory size are not enforced.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO

from infra.cloud.invocation import Invocation, parse_reply
from infra.cloud.processes import STOP_S, direct, free_addresses, listens, stop
from infra.cloud.runtime import find_binary, install_runtime_client
from infra.errors import InfraError

HANDLER = "handler.app.lambda_handler"

_START_S = 10
_INVOKE_S = 60
_SILENCE_S = 1  # enough, because the lines of an invocation are in the pipe before its reply is sent
_ENDED_AT_START = b'{"errorType": "Runtime.ExitError", "errorMessage": "The process ended while it started."}'
_INVOCATIONS = "/2015-03-31/functions/function/invocations"


@dataclass(frozen=True, slots=True)
class Emulator:
    """Represents a running emulator, which starts the function's process at the first invocation and then keeps it."""

    address: str
    output: SimpleQueue[str]

    def invoke(self, event: object) -> Invocation:
        """Invokes the function and returns its answer or error, with the lines that it logged during the invocation.

        Raises:
            OSError: the emulator does not answer.
        """
        request = urllib.request.Request(f"http://{self.address}{_INVOCATIONS}", data=json.dumps(event).encode())
        try:
            with direct().open(request, timeout=_INVOKE_S) as response:
                answer, error = parse_reply(response.read())
        except urllib.error.HTTPError as refusal:  # the process has ended, or could not load the function
            with refusal:
                answer, error = parse_reply(refusal.read() or _ENDED_AT_START)
        request_id, lines = self._lines_of_one_invocation()
        return Invocation(answer, error, request_id, lines)

    def _lines_of_one_invocation(self) -> tuple[str, tuple[str, ...]]:
        """Returns the request's id, and the lines between START and END.

        The emulator leaves out START and END if the process has ended; then all lines before the next silence are returned.
        """
        request_id = ""
        lines: list[str] = []
        with suppress(Empty):
            while not (line := self.output.get(timeout=_SILENCE_S)).startswith("END RequestId: "):
                if line.startswith("START RequestId: "):
                    request_id, lines = line.split()[2], []
                elif not line.startswith("REPORT RequestId: "):  # which belongs to the invocation before
                    lines.append(line)
        return request_id, tuple(lines)


@contextmanager
def start_emulator(package: Path, interpreter: str, environment: dict[str, str]) -> Iterator[Emulator]:
    """Starts the emulator with the package in `package` on free ports of 127.0.0.1, and stops all of its processes at the end.

    Args:
        package: The folder that Lambda would unpack to /var/task.
        interpreter: A Python of the version that the package is built for.
        environment: The function's variables, and boto3's.

    Raises:
        InfraError: the binary or the interpreter is missing, or the emulator does not start.
    """
    variables = _system_variables(install_runtime_client(interpreter)) | environment
    address, api_address = free_addresses(2)
    command = [
        *(find_binary(), "--runtime-interface-emulator-address", address, "--runtime-api-address", api_address),
        *(interpreter, "-S", "-m", "awslambdaric", HANDLER),  # -S: no site-packages, not even those of a virtual environment
    ]
    with tempfile.TemporaryFile() as errors:
        process = _start_process(command, package, variables, errors)
        output: SimpleQueue[str] = SimpleQueue()
        reader = Thread(target=_read_lines, args=(process, output), daemon=True)
        reader.start()
        try:
            if not listens(address, process, _START_S):
                errors.seek(0)
                raise InfraError(
                    f"Expected AWS's emulator of Lambda to start. Received: {errors.read().decode(errors='replace')}"
                )
            yield Emulator(address, output)
        finally:
            stop(process)
            reader.join(STOP_S)


def _start_process(command: list[str], folder: Path, variables: dict[str, str], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )


def _system_variables(client: Path) -> dict[str, str]:
    """Returns the variables that Lambda sets besides the function's own, as far as they matter here."""
    return {
        "PATH": os.defpath,
        "PYTHONPATH": str(client),
        "PYTHONDONTWRITEBYTECODE": "1",  # a test leaves the package as it was built
        "HOME": "/nonexistent",  # so that no ~/.aws is read
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_LAMBDA_FUNCTION_NAME": "coatcheck",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
    }


def _read_lines(process: subprocess.Popen[bytes], output: SimpleQueue[str]) -> None:
    """Takes lines from the pipe as they arrive, because the function would wait while the pipe is full."""
    if process.stdout:
        for line in process.stdout:
            output.put(line.decode(errors="replace").rstrip("\n"))
        process.stdout.close()
