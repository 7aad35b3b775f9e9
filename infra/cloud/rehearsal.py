"""Rehearses a deployment on ministack, from the built package to the deleted stack, as an operator would do it on AWS.

    make rehearse            builds the package first
    coatcheck rehearse       takes the package that was built

The template is deployed whole, the function runs as a process of its own from the package, and uploads take their way through
S3, SQS or EventBridge to it. An operator's first day is gone through, and then each trigger has its turn on the live stack.
Policies of IAM, of the buckets and of the queues are enforced: the function may do what its role allows, and no more.

Limitations: ministack is not AWS. `infra.cloud.rehearsed` lists what the template is changed in for it, and
`infra.cloud.figures` which figures CloudWatch has to be given. It has no destination for failed invocations at an alias, so
that only messages of the queue are seen to become dead letters. It enforces neither memory nor concurrency.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from infra.cloud.first_day import PARAMETERS, FirstDay, Say
from infra.cloud.ministack import serve
from infra.cloud.names import STACK
from infra.cloud.operating import Operator
from infra.cloud.quoting import require_quoted
from infra.cloud.rehearsed import for_ministack
from infra.cloud.runtime import architecture
from infra.cloud.samples import SAMPLES, judge, uploads_to
from infra.cloud.stacks import administrator, upload
from infra.errors import InfraError
from infra.package import build, find_interpreter
from infra.paths import BUILD, ROOT, TEMPLATE
from infra.template import read_template

PAGE = ROOT / "docs" / "first-day.md"
TRIGGERS = ("direct", "eventbridge", "queue")


def run(say: Say) -> None:
    """Rehearses everything, and says what it does.

    Raises:
        InfraError: the package was not built, ministack is not installed, something is not as it must be, or the page that
            quotes what is said quotes something else.
    """
    began = time.monotonic()
    interpreter = find_interpreter()
    functions = interpreter or sys.executable
    said: list[str] = []

    def tell(text: str) -> None:
        said.extend(text.splitlines())
        say(text)

    with (
        tempfile.TemporaryDirectory(prefix="rehearsal-") as folder,
        serve(functions=functions, enforces_policies=True) as endpoint,
    ):
        package = _package(Path(folder), is_built=interpreter is not None)
        tell(f"package    {package}, run by {functions}")
        identity = administrator(endpoint, "operator")
        template = for_ministack(read_template(TEMPLATE.read_text()))
        operator = Operator(upload(template, package, STACK, endpoint, Path(folder), identity))
        day, rehearsal = FirstDay(operator, tell), Rehearsal(operator, tell)
        day.begin()
        day.suffer()
        for trigger in TRIGGERS:
            rehearsal.score_by(trigger)
        rehearsal.provoke_dead_letter()
        rehearsal.run_backlog(TRIGGERS[0])
        day.end()
    require_quoted(PAGE.read_text(encoding="utf-8"), said)
    say(f"rehearsed  in {time.monotonic() - began:.0f} s, as {PAGE.relative_to(ROOT)} tells it")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What is rehearsed besides the day; each method says what it does, and raises `InfraError` if that is not right."""

    operator: Operator
    say: Say

    def score_by(self, trigger: str) -> None:
        """Switches the live stack to a trigger, and uploads the samples, one after the other; their documents are right.

        If all came at once, Lambda would start an instance for each, and unpack the package for it.
        """
        stack = self.operator.stack
        before = stack.resources
        stack.deploy(UploadTrigger=trigger, **PARAMETERS)
        after = stack.resources
        changed = [f"+{name}" for name in sorted(after - before)] + [f"-{name}" for name in sorted(before - after)]
        self.say(f"deploy     UploadTrigger={trigger}: {', '.join(changed)}")
        uploads = uploads_to(trigger)
        for key, sample in uploads.items():
            self.operator.upload({key: sample})
            self.operator.documents([key])
        found = judge(uploads, self.operator.documents(uploads))
        self.say(f"score      {len(uploads)} uploads to {stack.outputs['InputUri']}{trigger}/: {found}")

    def provoke_dead_letter(self) -> None:
        """Uploads an object whose document would need a longer key than there can be, and takes its dead letter."""
        operator, start = self.operator, "uploads/dead-"
        key = start + "k" * (1024 - len(start))
        content = b"no document can be named after this"
        operator.client("s3").put_object(Bucket=operator.inputs, Key=key, Body=content)
        sqs, url = operator.client("sqs"), operator.stack.outputs["DeadLetterQueueUrl"]
        for _ in operator.until_late(f"a dead letter of s3://{operator.inputs}/{start}…"):
            for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
                if key not in message["Body"]:
                    raise InfraError(f"Expected no dead letter but that of {key}. Received: {message['Body']}.")
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                self.say("fail       a key of 1,024 bytes has no document; its message became a dead letter, and names it")
                return

    def run_backlog(self, folder: str) -> None:
        """Deletes the documents of a folder, and has `coatcheck backlog` make them again, to the same bytes."""
        operator, keys = self.operator, [f"uploads/{folder}/{name}" for name in SAMPLES]
        before = operator.documents(keys)
        for key in before:
            operator.client("s3").delete_object(Bucket=operator.outputs, Key=key)
        source = f"s3://{operator.inputs}/uploads/{folder}/"
        told = json.loads(operator.run(f"coatcheck backlog {source} --stack {STACK} --documents --json"))
        if operator.documents(keys) != before:
            raise InfraError("The backlog wrote other documents than the uploads did.")
        outcomes = ", ".join(f"{count} {name}" for name, count in told["summary"]["outcomes"].items() if count)
        self.say(f"backlog    {source}: {outcomes}; every document has the bytes that it had before")


def _package(folder: Path, *, is_built: bool) -> Path:
    """Returns what `make build` made; where no Python runs that, the same for the Python that is here."""
    package = BUILD / "ScoringFunction" if is_built else folder / "package"
    if not is_built:
        build(package, architecture(), "{}.{}".format(*sys.version_info))
    if not package.is_dir():
        raise InfraError(f"Expected the package in {package}: run `make build` first.")
    return package
