"""Runs ministack, an emulator of AWS that shares no code with moto, as a process of its own on 127.0.0.1.

    with serve() as endpoint:
        s3 = boto3.client("s3", endpoint_url=endpoint)

It judges conditional writes in one step, gives events sequencers, checks checksums, and runs functions in processes.
It is installed into `.venv-ministack`, since it is no library of ours.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.cloud.processes import direct, free_addresses, listens, stop
from infra.errors import InfraError
from infra.paths import ROOT

INTERPRETER = ROOT / ".venv-ministack" / "bin" / "python"

# ministack runs functions by the Python that it takes for its own.
_PROGRAM = "import sys; sys.executable = sys.argv.pop(); from ministack.app import main; main()"

_START_S = 30
_RESET_S = 30


@contextmanager
def serve(
    interpreter: Path = INTERPRETER, *, functions: str = sys.executable, enforces_policies: bool = False
) -> Iterator[str]:
    """Starts ministack on a free port, yields its endpoint, and leaves no process and no file behind.

    Args:
        interpreter: the Python that ministack is installed for.
        functions: the Python that Lambda's functions run with, where they see no library but those of their package. No
            variable of this process reaches them.
        enforces_policies: whether a caller may do only what the policies of IAM, of buckets and of queues let it do, as on AWS.

    Raises:
        InfraError: ministack is not installed, or does not start.
    """
    if not interpreter.exists():
        raise InfraError(f"Expected ministack, which `make .venv-ministack/ready` installs. Received: no {interpreter}.")
    (address,) = free_addresses(1)
    with tempfile.TemporaryDirectory(prefix="ministack-", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "log"
        runner = Path(folder) / "python"
        runner.write_text(f'#!/bin/sh\nexec {shlex.quote(functions)} -I -S "$@"\n')
        runner.chmod(0o700)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [interpreter, "-c", _PROGRAM, runner],
                cwd=folder,
                env=_variables(address, folder) | ({"AUTH": "true"} if enforces_policies else {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            if not listens(address, process, _START_S):
                raise InfraError(f"Expected ministack to start. Received: {log.read_text(errors='replace')}")
            yield f"http://{address}"
        finally:
            stop(process)


def reset(endpoint: str) -> None:
    """Removes everything from the ministack at `endpoint`."""
    request = urllib.request.Request(f"{endpoint}/_ministack/reset", method="POST")
    direct().open(request, timeout=_RESET_S).close()


def _variables(address: str, folder: str) -> dict[str, str]:
    host, port = address.split(":")
    return {
        "PATH": os.defpath,
        "HOME": folder,
        "TMPDIR": folder,
        "STATE_DIR": f"{folder}/state",
        "S3_DATA_DIR": f"{folder}/s3",
        "BIND_HOST": host,
        "MINISTACK_HOST": host,
        "GATEWAY_PORT": port,
        "LOG_LEVEL": "WARNING",
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.1",  # Lambda waits for minutes before it invokes again
        "PYTHONDONTWRITEBYTECODE": "1",
    }
