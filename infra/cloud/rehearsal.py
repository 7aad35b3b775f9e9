"""Rehearses a deployment on ministack, from the built package to the deleted stack, as an operator would do it on AWS.

    make rehearse            builds the package first
    coatcheck rehearse       takes the package that was built

The template is deployed whole, the function runs as a process of its own from the package, and uploads take their way through
S3, SQS or EventBridge to it. Each trigger has its turn on the live stack.

Limitations: ministack is not AWS. Its CloudFormation splits no text in a condition, so the conditions of further prefixes are
given as false. It has no destination for failed invocations at an alias, so that only messages of the queue are seen to become
dead letters. It enforces neither memory and concurrency nor the permissions of roles.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.cloud.checking import differences
from infra.cloud.expectations import EMPTY, Expectation, document_key
from infra.cloud.invocation import Invocation
from infra.cloud.ministack import serve
from infra.cloud.names import REGION, STACK
from infra.cloud.runtime import architecture
from infra.cloud.stacks import KEY, Stack, upload
from infra.errors import InfraError
from infra.package import build, find_interpreter
from infra.paths import BUILD, IMAGES, ROOT, TEMPLATE
from infra.template import read_template

TRIGGERS = ("queue", "direct", "eventbridge", "queue")

# A few images, a hundred in one object, and a folder, for which there is a rejection.
CLASSES = {"ankle-boot-0.png": "Ankle boot", "bag-0.png": "Bag", "coat + 100% wool.png": "Coat"}
SAMPLES = {
    "ankle-boot-0.png": "ankle-boot-0.png",
    "bag-0.png": "bag-0.png",
    "coat + 100% wool.png": "coat-0.png",
    "packed-idx3-ubyte.gz": "packed-idx3-ubyte.gz",
    "folder/": EMPTY,
}
_ONE_PREFIX: Mapping[str, Any] = {"Fn::Equals": ["one prefix", "several"]}
_FURTHER_PREFIXES = ("HasPrefix2", "HasPrefix3", "HasPrefix4")

_PATIENCE_S = 60
_COMMAND_S = 120
_LOOK_S = 0.1

Say = Callable[[str], object]


def run(say: Say) -> None:
    """Rehearses everything, and says what it does.

    Raises:
        InfraError: the package was not built, ministack is not installed, or something is not as it must be.
    """
    began = time.monotonic()
    interpreter = find_interpreter()
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder, serve(functions=interpreter or sys.executable) as endpoint:
        package = _package(Path(folder), is_built=interpreter is not None)
        say(f"package    {package}, run by {interpreter or sys.executable}")
        stack = upload(_template(), package, STACK, endpoint, Path(folder))
        rehearsal = Rehearsal(stack, say)
        count = sum(rehearsal.score_by(trigger, f"{turn}-{trigger}") for turn, trigger in enumerate(TRIGGERS, 1))
        rehearsal.examine()
        rehearsal.run_backlog(f"1-{TRIGGERS[0]}")
        rehearsal.delete()
    say(f"rehearsed  {count} documents by {len(TRIGGERS)} deployments in {time.monotonic() - began:.0f} s")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What an operator does with a stack; each method says what it does, and raises `InfraError` if that is not right."""

    stack: Stack
    say: Say

    def score_by(self, trigger: str, folder: str) -> int:
        """Deploys the stack with a trigger, uploads the samples, and returns the number of documents, which are right."""
        before = self.stack.resources
        self.stack.deploy(UploadTrigger=trigger, Backlogs="on")
        after = self.stack.resources
        changed = ", ".join([f"+{name}" for name in sorted(after - before)] + [f"-{name}" for name in sorted(before - after)])
        self.say(f"deploy     UploadTrigger={trigger}: {changed if before else f'{len(after)} resources'}")
        uploads = {f"uploads/{folder}/{name}": sample for name, sample in SAMPLES.items()}
        for key, sample in uploads.items():
            self._s3.put_object(Bucket=self._inputs, Key=key, Body=b"" if sample == EMPTY else (IMAGES / sample).read_bytes())
        documents = self._documents(uploads)
        found = differences(Expectation(uploads), Invocation(None, None), documents)
        if found:
            raise InfraError(f"Expected documents as they must be. Received: {len(found)} others: {' '.join(found)}")
        self.say(f"score      {len(uploads)} uploads to {self.stack.outputs['InputUri']}{folder}/: {_judge(documents)}")
        if trigger == "queue":
            self._provoke_dead_letter(folder)
        return len(documents)

    def examine(self) -> None:
        """Has `coatcheck doctor` examine the stack, and try conditional writes."""
        answer = self._command("doctor", "--stack", self.stack.name, "--region", REGION, "--probe")
        self.say(f"doctor     {answer.splitlines()[-1]}")

    def run_backlog(self, folder: str) -> None:
        """Deletes the documents of a folder, and has `coatcheck backlog` make them again, to the same bytes."""
        keys = [f"uploads/{folder}/{name}" for name in SAMPLES]
        before = self._documents(keys)
        for key in before:
            self._s3.delete_object(Bucket=self._outputs, Key=key)
        source = f"s3://{self._inputs}/uploads/{folder}/"
        told = json.loads(self._command("backlog", source, "--stack", self.stack.name, "--documents", "--json"))
        if self._documents(keys) != before:
            raise InfraError("Expected the backlog to write the documents that the uploads have. Received: others.")
        outcomes = ", ".join(f"{count} {name}" for name, count in told["summary"]["outcomes"].items() if count)
        self.say(f"backlog    {source}: {outcomes}; every document has the bytes that it had before")

    def delete(self) -> None:
        """Deletes the stack, whose buckets and documents stay."""
        kept = len(self._listed())
        buckets = {self._inputs, self._outputs}
        s3 = self._s3
        self.stack.delete()
        functions = self.stack.client("lambda").list_functions()["Functions"]
        if functions or not buckets <= {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
            raise InfraError("Expected that the function is gone and that the buckets stay when the stack is deleted.")
        self.say(f"delete     the stack is gone; its buckets stay, with {kept} documents")

    def _provoke_dead_letter(self, folder: str) -> None:
        """Uploads an object whose document would need a longer key than there can be, and takes its dead letter."""
        start = f"uploads/{folder}/dead-"
        key = start + "k" * (1024 - len(start))
        self._s3.put_object(Bucket=self._inputs, Key=key, Body=b"no document can be named after this")
        sqs, url = self.stack.client("sqs"), self.stack.outputs["DeadLetterQueueUrl"]
        for _ in self._until_late(f"a dead letter of s3://{self._inputs}/{start}…"):
            for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
                if key not in message["Body"]:
                    raise InfraError(f"Expected no dead letter but that of {key}. Received: {message['Body']}.")
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                self.say("fail       a key of 1,024 bytes has no document; its message became a dead letter, and names it")
                return

    def _documents(self, uploads: Mapping[str, str] | list[str]) -> dict[str, bytes]:
        """Waits until there is a document for each upload, and returns the documents by their keys."""
        wanted = {document_key(key) for key in uploads}
        for _ in self._until_late(f"{len(wanted)} documents"):
            if wanted <= self._listed():
                break
        return {key: self._s3.get_object(Bucket=self._outputs, Key=key)["Body"].read() for key in wanted}

    def _until_late(self, wanted: str) -> Iterator[None]:
        """Yields until the patience is over, and then raises an error with what the function has logged."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            yield
            time.sleep(_LOOK_S)
        log = self.stack.client("logs").filter_log_events(logGroupName=self.stack.outputs["LogGroup"])["events"]
        errors = [event["message"] for event in log if '"level":"ERROR"' in event["message"]]
        raise InfraError(f"Expected {wanted} within {_PATIENCE_S} s. The function's last error: {(errors or ['none'])[-1]}")

    def _command(self, *arguments: str) -> str:
        """Runs a command of this checkout on the cloud, and returns what it prints."""
        environment = {"AWS_ENDPOINT_URL": self.stack.endpoint, "AWS_DEFAULT_REGION": REGION, "NO_PROXY": "127.0.0.1"}
        environment |= {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY}
        command = [sys.executable, "-m", "infra", *arguments]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=_COMMAND_S
            )
        except subprocess.TimeoutExpired as error:
            raise InfraError(
                f"Expected coatcheck {arguments[0]} to end within {_COMMAND_S} s. Received: {error.output!r}"
            ) from error
        if done.returncode:
            raise InfraError(
                f"Expected coatcheck {arguments[0]} to succeed. Received: status {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done.stdout

    def _listed(self) -> frozenset[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._outputs, Prefix=document_key("uploads/")[:-5])
        return frozenset(row["Key"] for page in pages for row in page.get("Contents", ()))

    @property
    def _s3(self) -> Any:
        return self.stack.client("s3")

    @property
    def _inputs(self) -> str:
        return self.stack.outputs["InputUri"].split("/")[2]

    @property
    def _outputs(self) -> str:
        return self.stack.outputs["OutputUri"].split("/")[2]


def _template() -> dict[str, Any]:
    """Returns the template, with the conditions that ministack cannot evaluate as they are for one prefix."""
    template = read_template(TEMPLATE.read_text())
    template["Conditions"] |= dict.fromkeys(_FURTHER_PREFIXES, _ONE_PREFIX)
    return template


def _package(folder: Path, *, is_built: bool) -> Path:
    """Returns what `make build` made; where no Python runs that, the same for the Python that is here."""
    package = BUILD / "ScoringFunction" if is_built else folder / "package"
    if not is_built:
        build(package, architecture(), "{}.{}".format(*sys.version_info))
    if not package.is_dir():
        raise InfraError(f"Expected the package in {package}: run `make build` first.")
    return package


def _judge(documents: Mapping[str, bytes]) -> str:
    """Returns the classes that the single images were given.

    Raises:
        InfraError: they are not those of the images.
    """
    names = {key.rpartition("/")[2].removesuffix(".json"): json.loads(content) for key, content in documents.items()}
    found = {name: names[name]["predictions"][0]["class_name"] for name in CLASSES}
    if found != CLASSES:
        raise InfraError(f"Expected the classes {CLASSES}. Received: {found}.")
    return f"{len(documents)} documents, {', '.join(found.values())}"
