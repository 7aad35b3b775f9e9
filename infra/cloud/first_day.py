"""Goes through an operator's first day with a deployed stack: uploads, an outage, its cause, its end, and the stack's deletion.

Each step prints the command that a user types on AWS, what came back, and what that shows. The commands of coatcheck are run as
they stand; for those of `aws` and `sam`, the same calls are made by boto3. `docs/first-day.md` quotes what is printed.

The outage is one that happens: somebody allows the bucket of documents no write but of what is encrypted under a key of KMS.
On AWS, the queue tries for 50 minutes before it gives a message up; here it gives up after the first delivery meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from infra.cloud.figures import SOURCES, of_log, of_queue
from infra.cloud.names import REGION, STACK
from infra.cloud.operating import Operator
from infra.cloud.samples import REJECTED, SAMPLES, judge, uploads_to
from infra.dashboard.reading import Asked, Reading, read_dashboard
from infra.errors import InfraError

PARAMETERS = {"Backlogs": "on", "AlarmEmail": "operator@example.com"}

INPUT, OUTPUT = (f"coatcheck-{kind}-000000000000-{REGION}" for kind in ("input", "output"))
MORNING, NOON = "morning", "noon"  # folders of uploads
SEEN = f"uploads/{NOON}/bag-0.png"  # the upload that the operator looks at
QUEUES = ("QueueUrl", "DeadLetterQueueUrl")  # outputs of the stack

_ERRORS = f'ERROR "{SEEN}"'  # pattern of lines
_DATA = 500  # in one call of PutMetricData
_WHERE = f"--stack {STACK} --region {REGION}"

Say = Callable[[str], object]


class Command(StrEnum):
    """The commands of the day."""

    DEPLOY = f"sam deploy --stack-name {STACK} --region {REGION} --parameter-overrides " + " ".join(
        f"{name}={value}" for name, value in PARAMETERS.items()
    )
    UPLOAD = f"aws s3 cp images s3://{INPUT}/uploads/{MORNING}/ --recursive"
    EXAMINE = f"coatcheck doctor {_WHERE} --probe"
    BREAK = f"aws s3api put-bucket-policy --bucket {OUTPUT} --policy file://kms-only.json"
    UPLOAD_AGAIN = f"aws s3 cp images s3://{INPUT}/uploads/{NOON}/ --recursive"
    NOTICE = f"aws cloudwatch describe-alarms --state-value ALARM --region {REGION}"
    LOOK = f"aws cloudwatch list-dashboards --dashboard-name-prefix {STACK} --region {REGION}"
    EXPLAIN = f"coatcheck explain s3://{INPUT}/{SEEN}"
    READ_LOG = f"aws logs filter-log-events --log-group-name /aws/lambda/{STACK} --filter-pattern '{_ERRORS}'"
    MEND = f"aws s3api put-bucket-policy --bucket {OUTPUT} --policy file://before.json"
    TRY = f"coatcheck redrive {_WHERE} --dry-run"
    REDRIVE = f"coatcheck redrive {_WHERE}"
    DELETE = f"sam delete --stack-name {STACK} --region {REGION} --no-prompts"
    SEE_WHAT_IS_LEFT = "aws s3 ls"


DAY = (
    *(Command.DEPLOY, Command.UPLOAD, Command.EXAMINE, Command.BREAK, Command.UPLOAD_AGAIN, Command.NOTICE, Command.LOOK),
    *(Command.EXPLAIN, Command.READ_LOG, Command.EXAMINE, Command.MEND, Command.TRY, Command.REDRIVE, Command.EXAMINE),
    *(Command.DELETE, Command.SEE_WHAT_IS_LEFT),
)


@dataclass(frozen=True, slots=True)
class FirstDay:
    """The day of an operator; each step says what it does, and raises `InfraError` if it does not give what it must."""

    operator: Operator
    say: Say

    def begin(self) -> None:
        """Deploys the stack, scores uploads, and examines the stack."""
        stack = self.operator.stack
        stack.deploy(**PARAMETERS)
        alarms = sorted(name for name in stack.resources if name.endswith("Alarm"))
        self._tell(Command.DEPLOY, f"{len(stack.resources)} resources", shows=f"The stack stands, with {len(alarms)} alarms.")
        self._score(MORNING, Command.UPLOAD)
        self._examine("Everything is as it must be, before the first user comes.")

    def suffer(self) -> None:
        """Has somebody break the stack, finds the cause, mends it, and sends the dead letters back."""
        with self._refused_writes():
            self._lose()
            self._notice()
            self._look()
            self._find_cause()
        self._tell(Command.MEND, shows="The bucket takes documents again. What was given up does not come back by itself.")
        self._redrive()
        self._examine("The outage has left nothing behind.")

    def end(self) -> None:
        """Deletes the stack, whose buckets and documents stay."""
        operator, s3 = self.operator, self.operator.client("s3")
        buckets = (operator.inputs, operator.outputs)
        operator.stack.delete()
        functions = operator.client("lambda").list_functions()["Functions"]
        if functions or operator.stack.resources:
            raise InfraError(
                f"Expected that nothing but the buckets is left. Received: {functions or operator.stack.resources}."
            )
        self._tell(Command.DELETE, shows="The function, the queues, the alarms and the dashboard are gone.")
        there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
        if not there >= set(buckets):
            raise InfraError(f"Expected that the buckets {' and '.join(buckets)} stay. Received: {', '.join(sorted(there))}.")
        left = [f"{bucket}: {sum(1 for _ in operator.keys(bucket))} objects" for bucket in buckets]
        self._tell(Command.SEE_WHAT_IS_LEFT, *left, shows="Images and documents stay until you delete them yourself.")

    def _score(self, folder: str, command: Command) -> None:
        uploads = uploads_to(folder)
        self.operator.upload(uploads)
        found = judge(uploads, self.operator.documents(uploads))
        self._tell(
            command, f"{len(uploads)} uploads: {found}", shows="Each upload has its document; an empty one, a rejection."
        )

    def _examine(self, shows: str, status: int = 0) -> str:
        answer = self.operator.run(Command.EXAMINE, status)
        self._tell(Command.EXAMINE, *(line for line in answer.splitlines() if not line.startswith("ok ")), shows=shows)
        return answer

    def _lose(self) -> None:
        """Uploads while no document can be written, until each upload is a dead letter."""
        uploads = uploads_to(NOON)
        with self._impatient_queue() as deliveries:
            self.operator.upload(uploads)
            for _ in self.operator.until_late(f"{len(uploads)} dead letters"):
                if self._waiting("DeadLetterQueueUrl") == len(uploads):
                    break
        self._tell(
            Command.UPLOAD_AGAIN,
            f"{len(uploads)} uploads: {len(uploads)} dead letters",
            f"(here after 1 delivery; a queue on AWS tries {deliveries} times, in 50 minutes)",
            shows="No document can be written, and no upload is lost.",
        )

    def _notice(self) -> None:
        """Has CloudWatch take the figures of the stack, and looks which alarms it sounds."""
        cloudwatch = self.operator.client("cloudwatch")
        self._take_figures()
        alarms = cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"]
        names = [alarm["AlarmName"] for alarm in alarms]
        if [name.split("-")[1] for name in names] != ["DeadLettersAlarm"]:
            raise InfraError(
                f"Expected that DeadLettersAlarm sounds, and no other alarm. Received: {', '.join(names) or 'none'}."
            )
        (alarm,) = alarms
        self._tell(
            Command.NOTICE, f"{names[0]}: {alarm['StateReason']}", shows="The alarm sends a mail, which says what to do."
        )

    def _look(self) -> None:
        """Reads the numbers off the dashboard."""
        cloudwatch, name = self.operator.client("cloudwatch"), self.operator.stack.outputs["DashboardName"]
        body = cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"]
        now = datetime.now(UTC)

        def ask(asked: Asked) -> float | None:
            dimensions = [{"Name": key, "Value": value} for key, value in asked.dimensions.items()]
            metric = {"Namespace": asked.namespace, "MetricName": asked.name, "Dimensions": dimensions}
            query = {"Id": "figure", "MetricStat": {"Metric": metric, "Period": asked.period_s, "Stat": asked.stat}}
            period = timedelta(seconds=asked.period_s)
            told = cloudwatch.get_metric_data(MetricDataQueries=[query], StartTime=now - period, EndTime=now + period)
            values = told["MetricDataResults"][0]["Values"]
            return float(values[-1]) if values else None

        readings = list(read_dashboard(body, ask))
        _require_day(readings)
        lines = [f"{name}:", *(render(reading) for reading in readings)]
        self._tell(Command.LOOK, *lines, shows="Uploads fail, not invocations: the function runs, and cannot finish its work.")

    def _find_cause(self) -> None:
        """Asks in turn whether the image, the function or the bucket is at fault."""
        answer = self.operator.run(Command.EXPLAIN).splitlines()
        self._tell(Command.EXPLAIN, *answer[:2], shows="The image is sound, and the model knows it.")
        reasons = {json.loads(line)["reason"] for line in self.operator.log(_ERRORS)}
        if len(reasons) != 1 or "AccessDenied" not in "".join(reasons):
            raise InfraError(f"Expected one AccessDenied for {SEEN} in the log. Received: {'; '.join(reasons) or 'nothing'}.")
        self._tell(Command.READ_LOG, *reasons, shows="S3 refuses the document, by the bucket's own policy.")
        answer_of_doctor = self._examine("Whoever asks is refused: it is the bucket, not the function's role.", status=1)
        if "conditional writes: put_object is refused" not in answer_of_doctor:
            raise InfraError(f"Expected that coatcheck doctor --probe is refused its write. Received: {answer_of_doctor}")

    def _redrive(self) -> None:
        """Sends the dead letters back, and waits for the documents."""
        uploads = uploads_to(NOON)
        self._tell(Command.TRY, *self.operator.run(Command.TRY).splitlines(), shows="All can go back to the upload queue.")
        answer = self.operator.run(Command.REDRIVE).splitlines()
        found = judge(uploads, self.operator.documents(uploads))
        self._tell(
            Command.REDRIVE, *answer, f"{len(uploads)} uploads: {found}", shows="Each upload of the outage has its document."
        )

    def _take_figures(self) -> None:
        """Puts the figures into CloudWatch that on AWS get there by themselves, and that the emulator does not put there."""
        operator, outputs = self.operator, self.operator.stack.outputs
        figures = list(of_log(operator.log(), outputs["FunctionName"], outputs["LogGroup"]))
        for queue in QUEUES:
            figures += of_queue(outputs[queue], operator.messages(queue))
        now = datetime.now(UTC)
        for namespace in SOURCES:
            data = [figure.as_datum() | {"Timestamp": now} for figure in figures if figure.namespace == namespace]
            for start in range(0, len(data), _DATA):
                operator.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data[start : start + _DATA])

    def _waiting(self, queue: str) -> int:
        return int(self.operator.messages(queue)["ApproximateNumberOfMessages"])

    @contextmanager
    def _refused_writes(self) -> Iterator[None]:
        """Has the bucket of documents refuse whatever is not encrypted under a key of KMS, as many rules of companies do."""
        s3, bucket = self.operator.client("s3"), self.operator.outputs
        before = s3.get_bucket_policy(Bucket=bucket)["Policy"]
        refusal = {
            "Sid": "RefuseWhatKmsDoesNotEncrypt",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{bucket}/*",
            "Condition": {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}},
        }
        policy = json.loads(before)
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy | {"Statement": [*policy["Statement"], refusal]}))
        self._tell(Command.BREAK, shows="A rule for all buckets of a company; the function's writes do not keep it.")
        yield
        s3.put_bucket_policy(Bucket=bucket, Policy=before)

    @contextmanager
    def _impatient_queue(self) -> Iterator[int]:
        """Has the upload queue give up each message after its first delivery; yields after how many it does so otherwise."""
        sqs, url = self.operator.client("sqs"), self.operator.stack.outputs["QueueUrl"]
        before = self.operator.messages("QueueUrl")["RedrivePolicy"]
        policy = json.loads(before)
        once = json.dumps(policy | {"maxReceiveCount": 1})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": once})
        yield int(policy["maxReceiveCount"])
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": before})

    def _tell(self, command: Command, *lines: str, shows: str) -> None:
        """Says a step: its command, what came back, and what that shows."""
        self.say("\n".join([f"$ {command}", *(f"  {line}" for line in lines), f"  -> {shows}"]))


def render(reading: Reading) -> str:
    """Returns the numbers of a graph in one line, with where they come from, and the lines of the graph without a number."""
    decimals = {"dollars": 6, "messages": 0, "objects": 0, "invocations": 0}.get(reading.unit, 2)
    known = {label: value for label, value in reading.values.items() if value is not None}
    shown = ", ".join(f"{label} {value:,.{decimals}f}" for label, value in known.items() if value) or ("0" if known else "")
    missing = ", ".join(label for label in reading.values if label not in known)
    sources = ", ".join(dict.fromkeys(SOURCES[asked.namespace] for asked in reading.known))
    parts = [f"{shown} (from {sources})" if shown else "", f"no number of: {missing}" if missing else ""]
    return f"{reading.title}, {reading.unit}: {'; '.join(part for part in parts if part)}"


def _require_day(readings: Sequence[Reading]) -> None:
    """Requires that the dashboard shows what has happened until the outage was noticed."""
    objects = len(SAMPLES)
    expected = {
        "Outcomes": {"scored": objects - REJECTED, "rejected": REJECTED, "failed": objects},
        "Dead letters": {"dead letters": objects},
        "Failing invocations": {},
    }
    for reading in readings:
        found = {label: value for label, value in reading.values.items() if value}
        if found != expected.get(reading.title, found):
            raise InfraError(f"Expected {expected[reading.title]} of the graph {reading.title!r}. Received: {found}.")
    missing = expected.keys() - {reading.title for reading in readings}
    if missing:
        raise InfraError(f"Expected a dashboard with the graphs {', '.join(sorted(missing))}. Received: one without.")
