"""Does with a deployed stack what an operator does: uploads, reads documents, runs commands, and waits for what must come."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.cloud.expectations import EMPTY, document_key
from infra.cloud.names import REGION
from infra.cloud.stacks import Stack
from infra.errors import InfraError
from infra.paths import IMAGES, ROOT

PATIENCE_S = 60

_COMMAND_S = 120
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Operator:
    """Who works with a deployed stack, in the name of the stack's identity."""

    stack: Stack

    @property
    def inputs(self) -> str:
        """The name of the bucket of uploads."""
        return self.stack.outputs["InputUri"].split("/")[2]

    @property
    def outputs(self) -> str:
        """The name of the bucket of documents."""
        return self.stack.outputs["OutputUri"].split("/")[2]

    def upload(self, samples: Mapping[str, str]) -> None:
        """Uploads sample images, named by the keys that they get."""
        for key, sample in samples.items():
            content = b"" if sample == EMPTY else (IMAGES / sample).read_bytes()
            self.client("s3").put_object(Bucket=self.inputs, Key=key, Body=content)

    def documents(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Waits until there is a document for each of some uploads, and returns the documents by their keys."""
        wanted = {document_key(key) for key in keys}
        for _ in self.until_late(f"{len(wanted)} documents"):
            if wanted <= self.listed():
                break
        return {key: self.client("s3").get_object(Bucket=self.outputs, Key=key)["Body"].read() for key in wanted}

    def listed(self) -> frozenset[str]:
        """Returns the keys of all documents of uploads."""
        return frozenset(self.keys(self.outputs, document_key("uploads/")[:-5]))

    def keys(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """Yields the keys of the objects of a bucket under a prefix."""
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return (row["Key"] for page in pages for row in page.get("Contents", ()))

    def log(self, pattern: str = "") -> list[str]:
        """Returns the lines of the function's log that a filter pattern of CloudWatch Logs matches."""
        pages = self.client("logs").get_paginator("filter_log_events")
        found = pages.paginate(logGroupName=self.stack.outputs["LogGroup"], filterPattern=pattern)
        return [event["message"] for page in found for event in page["events"]]

    def messages(self, output: str) -> dict[str, str]:
        """Returns the attributes of a queue, whose address is an output of the stack."""
        asked = {"QueueUrl": self.stack.outputs[output], "AttributeNames": ["All"]}
        attributes: dict[str, str] = self.client("sqs").get_queue_attributes(**asked)["Attributes"]
        return attributes

    def until_late(self, wanted: str) -> Iterator[None]:
        """Yields until the patience is over, and then raises an error with what the function has logged."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            yield
            time.sleep(_LOOK_S)
        errors = [line for line in self.log() if '"level":"ERROR"' in line]
        raise InfraError(f"Expected {wanted} within {PATIENCE_S} s. The function's last error: {(errors or ['none'])[-1]}")

    def run(self, command: str, status: int = 0) -> str:
        """Runs a command of this checkout on the cloud, and returns what it prints.

        Raises:
            InfraError: it does not end, or not with `status`.
        """
        identity = self.stack.identity
        environment = {"AWS_ENDPOINT_URL": self.stack.endpoint, "AWS_DEFAULT_REGION": REGION, "NO_PROXY": "127.0.0.1"}
        environment |= {"AWS_ACCESS_KEY_ID": identity.key, "AWS_SECRET_ACCESS_KEY": identity.secret}
        arguments = [sys.executable, "-m", "infra", *shlex.split(command)[1:]]
        try:
            done = subprocess.run(
                arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=_COMMAND_S
            )
        except subprocess.TimeoutExpired as error:
            raise InfraError(f"{command} did not end within {_COMMAND_S} s: {error.output!r}") from error
        if done.returncode != status:
            raise InfraError(f"Expected status {status} of {command}. Received: {done.returncode}, {done.stdout}{done.stderr}")
        return done.stdout

    def client(self, service: str) -> Any:
        """Returns a client of one service of the cloud."""
        return self.stack.client(service)
