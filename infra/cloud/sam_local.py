"""Sends every file of events/ through `sam local invoke`: the built package in Lambda's container image, on the embedded cloud.

    make sam-local           builds the package first; needs Docker; about two minutes
    coatcheck sam-local      uses the package of the last `sam build`

The embedded cloud listens at an address that containers can reach. With Docker Engine on Linux, this is the address of Docker's
bridge, which belongs to this machine; with Docker Desktop it is 127.0.0.1, to which Docker Desktop forwards all that containers
send to `host.docker.internal`.

Limitations: this works neither with rootless Docker, whose containers reach none of these addresses, nor with a Docker on
another machine.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import typer

from infra.cloud.checking import differences, prepare, read_documents
from infra.cloud.embedded import clear_aws_environment, start_cloud
from infra.cloud.expectations import EXPECTED
from infra.cloud.invocation import FunctionError, Invocation, parse_reply
from infra.errors import InfraError
from infra.paths import BUILD, EVENTS, ROOT
from infra.platforms import PYTHON_VERSION, Architecture
from infra.template import read_template

FUNCTION = "ScoringFunction"

_HOST = "host.docker.internal"
_ANSWER_WIDTH = 72


@dataclass(frozen=True, slots=True)
class Sam:
    """Calls the SAM CLI with the same arguments and variables for every event."""

    path: Path
    template: Path
    architecture: Architecture
    environment: Mapping[str, str]

    def invoke(self, event: Path) -> Invocation:
        """Runs one `sam local invoke`, in a container of its own.

        Raises:
            InfraError: there is no SAM CLI.
        """
        command = [
            *(str(self.path), "local", "invoke", FUNCTION, "--template", str(self.template), "--event", str(event)),
            *("--skip-pull-image", "--parameter-overrides", f"Architecture={self.architecture.value}"),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=dict(self.environment))
        except FileNotFoundError as error:
            raise InfraError(f"Expected the SAM CLI at {self.path}: run `make build` first.") from error
        try:
            return Invocation(*parse_reply(done.stdout if done.returncode == 0 else ""))
        except json.JSONDecodeError:
            return Invocation(None, FunctionError("NoAnswer", done.stderr.strip()))


def run(sam: Path, architecture: Architecture) -> list[str]:
    """Prints one row for each event and returns the names of the events whose result is not the expected one.

    Raises:
        InfraError: Docker, the SAM CLI or the package is missing on this machine.
    """
    host = find_host(architecture)
    failed: list[str] = []
    clear_aws_environment(host)
    with start_cloud(address=listening_address(host)) as cloud:
        port = cloud.environment["AWS_ENDPOINT_URL"].rpartition(":")[2]
        variables = cloud.environment | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}
        credentials = {name: value for name, value in cloud.environment.items() if name.startswith("AWS_")}
        cli = Sam(sam, write_template(variables), architecture, os.environ | credentials | {"SAM_CLI_TELEMETRY": "0"})
        for name, expectation in EXPECTED.items():
            prepare(cloud, expectation)
            began = time.monotonic()
            invocation = cli.invoke(EVENTS / name)
            typer.echo(f"{name:<40} {time.monotonic() - began:5.1f} s  {_shown(invocation)}")
            found = differences(expectation, invocation, read_documents(cloud))
            for difference in found:
                typer.echo(f"    {difference}")
            failed += [name] if found else []
    return failed


def find_host(architecture: Architecture) -> str:
    """Returns the address of this machine as a container sees it; the image is pulled if it is missing.

    The result is an address and no name, because boto3 would look for each bucket under BUCKET.host.docker.internal.

    Raises:
        InfraError: Docker is missing, or cannot run the image.
    """
    docker = shutil.which("docker")
    if docker is None:
        raise InfraError("Expected Docker on the PATH. Without it, `make emulate` runs the package under the same emulator.")
    image = f"public.ecr.aws/lambda/python:{PYTHON_VERSION}-{architecture.value}"
    typer.echo(f"starting {image}, which Docker pulls first if it is missing")
    program = f"import socket; print(socket.gethostbyname({_HOST!r}))"
    command = [docker, "run", "--rm", f"--add-host={_HOST}:host-gateway", "--entrypoint=python3", image, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InfraError(f"Expected Docker to run {image}. Received: {done.stderr.strip().rstrip('.')}; start Docker.")
    return done.stdout.strip()


def listening_address(host: str) -> str:
    """Returns `host` if it is an address of this machine, or else 127.0.0.1, to which Docker Desktop forwards `host`."""
    with closing(socket.socket()) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return "127.0.0.1"
    return host


def write_template(variables: Mapping[str, str]) -> Path:
    """Writes the built template with `variables` for the function, and returns the path of the copy.

    The SAM CLI's `--env-vars` would not do: it drops every variable that the template does not name.

    Raises:
        InfraError: there is no built template.
    """
    built = BUILD / "template.yaml"
    if not built.is_file():
        raise InfraError(f"Expected the package and its template in {BUILD}: run `make build` first.")
    template = read_template(built.read_text())
    template["Resources"][FUNCTION]["Properties"]["Environment"]["Variables"] = dict(variables)
    path = BUILD / "sam-local.json"  # in the same folder, because the template names the package by a relative path
    path.write_text(json.dumps(template))
    return path


def _shown(invocation: Invocation) -> str:
    if invocation.error:
        return invocation.error.type
    answer = json.dumps(invocation.answer)
    return answer if len(answer) <= _ANSWER_WIDTH else answer[: _ANSWER_WIDTH - 1] + "…"
