"""Finds the parts of Lambda's runtime that the emulator needs on this machine: AWS's binary and AWS's runtime client.

The binary is the one that the SAM CLI brings along for its containers; the client is installed on first use.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from infra.errors import InfraError
from infra.package import install_wheels
from infra.paths import ROOT
from infra.platforms import Architecture

RUNTIME_CLIENT = ROOT / "requirements" / "emulator.txt"  # locked, so that each run tests the same


def architecture() -> Architecture:
    """Returns the architecture of this machine's processor.

    Raises:
        InfraError: there is no emulator for this machine.
    """
    machine = {"x86_64": Architecture.x86_64, "aarch64": Architecture.arm64}.get(platform.machine())
    if platform.system() != "Linux" or machine is None:
        raise InfraError(
            "Expected Linux on x86_64 or aarch64; elsewhere use `make sam-local`, which needs Docker."
            f" Received: {platform.system()} on {platform.machine()}."
        )
    return machine


def find_binary() -> str:
    """Returns the path of the emulator's binary: the one on the PATH, or else the SAM CLI's.

    Raises:
        InfraError: this machine has neither.
    """
    name = f"aws-lambda-rie-{architecture().value}"
    brought = ROOT.glob(f".venv-sam/lib/python3.*/site-packages/samcli/local/rapid/{name}")
    path = shutil.which("aws-lambda-rie") or next(map(str, brought), None)
    if path is None:
        raise InfraError(
            f"Expected {name} in .venv-sam, where `make build` installs the SAM CLI, or aws-lambda-rie on the PATH."
        )
    return path


def install_runtime_client(interpreter: str) -> Path:
    """Returns the folder that holds the runtime client for `interpreter`; the first call installs the client there.

    Raises:
        InfraError: the interpreter does not start, or pip found no wheel of the client.
    """
    version = _version(interpreter)
    locked = hashlib.sha256(RUNTIME_CLIENT.read_bytes()).hexdigest()[:12]
    folder = ROOT / ".aws-sam" / f"runtime-client-{locked}-python{version}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
            install_wheels(Path(unfinished) / "client", RUNTIME_CLIENT, architecture(), version)
            (Path(unfinished) / "client").rename(folder)
    return folder


def _version(interpreter: str) -> str:
    command = [interpreter, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise InfraError(f"Expected a Python that starts. Received: {interpreter!r} ({error}).") from error
