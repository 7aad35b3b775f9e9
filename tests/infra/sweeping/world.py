"""One cloud, with a proxy before it, in which the mixed batch is scored again and again, each time with another fault."""

import functools
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import boto3

from handler.triggers import parse_event
from infra.cloud import ministack
from infra.cloud.embedded import Cloud, clear_aws_environment, start_cloud
from infra.cloud.event_source import Delivery, EventSource
from infra.cloud.faults import Fault, Proxy, Run, serve
from infra.cloud.names import REGION
from tests.infra.sweeping import batch
from tests.infra.sweeping.forked import Ended, Forks, kill
from tests.promises import Answer, DeadLetter, Message, Seen, described, violations

PREFIX, OUTPUT = "uploads/", "predictions/"
MARKS = f"{OUTPUT}_coatcheck/"
MAX_RECEIVE_COUNT = 8  # the template's

# An invocation has the long time, and a short one until a fault has struck that keeps it waiting: then it waits for little. On
# a machine that is so busy that the call is not made in the shortest time, the next one is tried.
SHORT_S, LONG_S = (3.0, 8.0, 20.0), 60.0
SETTINGS = {"DEADLINE_RESERVE_MS": "2000", "S3_CONCURRENCY": "8", "POWERTOOLS_METRICS_DISABLED": "true"}
WAITED_FOR = {Fault.OUTAGE, Fault.SLOW, Fault.HANG_BEFORE, Fault.HANG_AFTER}
DISTURB_ALL = {*WAITED_FOR, Fault.KILL_BEFORE, Fault.KILL_AFTER}  # since what waits for little may be short of time
OUTAGE_INVOCATIONS = 2
MAX_SHORT = 3  # invocations: a busy machine gets little done in a short one, and must not use up the deliveries of a message

BATCH_MESSAGES = 25
MAX_INVOCATIONS = 40


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run.

    Attributes:
        violations: What was broken; empty if all is well.
        calls: The names of the calls that were made.
        is_harmless: Whether the fault found nothing that it could change.
        invocations: The number of invocations until all was settled.
    """

    violations: tuple[str, ...]
    calls: tuple[str, ...]
    is_harmless: bool
    invocations: int


class Killed(Exception):
    """The function did not answer."""


class World:
    """A cloud in which batches are scored, and the proxy by which the function reaches it."""

    def __init__(self, cloud: Cloud, proxy: Proxy) -> None:
        self.cloud = cloud
        self.proxy = proxy
        self.etags: dict[str, str] = {}
        self.standing: dict[str, batch.Standing] = {}
        self.expected: dict[str, bytes] = {}
        self._forks: dict[str, Forks] = {}
        self._reasons: list[str] = []  # of what failed in the present run, as the function logged them
        self._prepare()

    @property
    def output(self) -> str:
        """The prefix of the output, as OUTPUT_URI names it."""
        return f"s3://{self.cloud.output_bucket}/{OUTPUT}"

    def run(self, client: str, call: str | None = None, fault: Fault | None = None) -> Outcome:
        """Scores the batch while `fault` strikes `call`, delivers again what came back until all is settled, and checks.

        A call that is struck by a 404 tells of an input that it is gone. The word of S3 counts, so no message asks for the
        object any more; the next sweep finds it.
        """
        for short_s in SHORT_S:
            self._reset()
            self._reasons.clear()
            run = Run(call=call, fault=fault)
            answers = self._deliver(client, run, short_s)
            if call is None or run.is_struck or fault not in WAITED_FOR:
                break
        if fault is Fault.NOT_FOUND:
            self._send([batch.sweep_job(self.cloud.input_bucket, PREFIX)])
            answers += self._deliver(client, run, LONG_S)
        found = violations(self._seen(run, answers))
        if call and not run.is_struck:
            found.append(f"the call {call} was never made")
        if self._receive(self.cloud.queue_url):
            found.append(f"messages still come after {MAX_INVOCATIONS} invocations")
        if found:
            found += [f"    {reason}" for reason in self._reasons]
        return Outcome(tuple(found), tuple(run.calls), run.is_harmless, len(answers))

    def learn(self, client: str) -> Outcome:
        """Scores the batch without a fault, and keeps the documents that it leaves: every other run must leave the same."""
        outcome = self.run(client)
        self.expected |= {place: content for place, content in self._after(Run()).items() if MARKS not in place}
        return outcome

    def _prepare(self) -> None:
        """Puts the inputs, and scores those whose documents are to stand before the batch comes."""
        contents = batch.inputs(self.cloud.input_bucket)
        self._put_inputs(contents | batch.EARLIER)
        self._empty_queues()
        self._send([batch.upload_event(self.cloud.input_bucket, key) for key in batch.SCORED_BEFORE])
        self._deliver("boto3", Run(), LONG_S)
        for key in self._listed(self.cloud.output_bucket):
            if not key.startswith(MARKS):
                found = self.cloud.s3.get_object(Bucket=self.cloud.output_bucket, Key=key)
                self.standing[key] = batch.Standing(found["Body"].read(), found["Metadata"])
        self._put_inputs({key: contents[key] for key in batch.EARLIER})

    def _reset(self) -> None:
        """Leaves the documents that stood before alone, and sends the batch."""
        bucket = self.cloud.output_bucket
        if keys := self._listed(bucket):
            self.cloud.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
        for key, document in self.standing.items():
            self.cloud.s3.put_object(Bucket=bucket, Key=key, Body=document.content, Metadata=document.metadata)
        self._empty_queues()
        self._send([batch.upload_event(self.cloud.input_bucket, key) for key in batch.REDELIVERED])
        for _ in range(batch.EARLIER_DELIVERIES):
            handles = [message["ReceiptHandle"] for message in self._receive(self.cloud.queue_url)]
            self.cloud.sqs.change_message_visibility_batch(
                QueueUrl=self.cloud.queue_url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    for number, handle in enumerate(handles)
                ],
            )
        events = [batch.upload_event(self.cloud.input_bucket, key) for key in batch.EVENTS]
        self._send([*events, batch.sweep_job(self.cloud.input_bucket, batch.SWEPT)])

    def _deliver(self, client: str, run: Run, short_s: float) -> list[Answer]:
        """Has the event source deliver messages until there are none, and returns the answers."""
        self.proxy.begin(run)
        ends: list[Ended] = []
        struck = 0

        def function(event, _context):
            nonlocal struck
            struck += run.is_struck
            run.is_out = run.is_out and struck < OUTAGE_INVOCATIONS
            is_short = run.fault in WAITED_FOR and (run.is_out or not run.is_struck) and len(ends) < MAX_SHORT
            ends.append(self._fork(client).invoke(event, short_s if is_short else LONG_S, functools.partial(_killed_by, run)))
            self._reasons += re.findall(r'"reason": ?"(.{0,300})', ends[-1].log)
            reply = ends[-1].reply
            if reply is None or "error" in reply:
                raise Killed(reply)
            return reply["answer"]

        source = EventSource(self.cloud, function, BATCH_MESSAGES, is_impatient=True)
        answers: list[Answer] = []
        while len(ends) < MAX_INVOCATIONS and (delivery := source.deliver()):
            if ends[-1].reply is not None or ends[-1].left_s <= 0:
                answers.append(self._answer(run, delivery, ends[-1].left_s))
        return answers

    def _answer(self, run: Run, delivery: Delivery, left_s: float) -> Answer:
        standing = {f"s3://{self.cloud.output_bucket}/{key}": document.content for key, document in self.standing.items()}
        again = [json.loads(body).get("message") for body in run.sent if "postponed" in body]
        messages = tuple(
            Message(
                message.id,
                tuple(map(str, message.objects)),
                is_failed=message.id in delivery.returned,
                is_sent_again=message.body in again,
                is_disturbed=run.fault is not None and is_disturbed(run, message),
            )
            for message in parse_event(delivery.event).messages
        )
        return Answer(
            messages, self.etags, standing | dict(run.written), left_s, superseded=said_to_be_gone(run, self.cloud.input_bucket)
        )

    def _seen(self, run: Run, answers: list[Answer]) -> Seen:
        return Seen(
            prefixes=(f"s3://{self.cloud.input_bucket}/{PREFIX}",),
            output=self.output,
            inputs=self.etags,
            asked={f"s3://{self.cloud.input_bucket}/{key}" for key in (*batch.EVENTS, *batch.REDELIVERED, *batch.NAMED)},
            after=self._after(run),
            models={json.loads(document.content)["model"]["sha256"] for document in self.standing.values()},
            before={
                f"s3://{self.cloud.output_bucket}/{key}": document.content
                for key, document in self.standing.items()
                if described(document.content)[1] in self.etags.values()
            },
            expected=self.expected,
            written=tuple(run.written),
            states={f"s3://{self.cloud.input_bucket}/{key}": states for key, states in self.states.items()},
            read=set(run.read),
            dead=tuple(self._dead()),
            answers=tuple(answers),
        )

    @property
    def states(self) -> dict[str, tuple[str, ...]]:
        """The ETags of the states that overwritten inputs had, the oldest first."""
        earlier = dict(described(document.content) for document in self.standing.values())
        return {
            key: (earlier[address], self.etags[address])
            for key in batch.EARLIER
            if (address := f"s3://{self.cloud.input_bucket}/{key}") in earlier
        }

    def _dead(self) -> Iterator[DeadLetter]:
        while received := self._receive(self.cloud.dead_letter_url):
            for message in received:
                self.cloud.sqs.delete_message(QueueUrl=self.cloud.dead_letter_url, ReceiptHandle=message["ReceiptHandle"])
                record = {"messageId": message["MessageId"], "body": message["Body"], "eventSource": "aws:sqs"}
                (parsed,) = parse_event({"Records": [record]}).messages
                yield DeadLetter(parsed.id, tuple(map(str, parsed.objects)))

    def _fork(self, client: str) -> Forks:
        if client not in self._forks:
            own = {"AWS_ENDPOINT_URL": self.proxy.endpoint, "S3_CLIENT": client, **SETTINGS}
            upstream = self.cloud.environment["AWS_ENDPOINT_URL"]
            own["QUEUE_URL"] = self.cloud.environment["QUEUE_URL"].replace(upstream, self.proxy.endpoint)
            self._forks[client] = Forks(self.cloud.environment | own)
        return self._forks[client]

    def _put_inputs(self, contents: dict[str, bytes]) -> None:
        for key, content in contents.items():
            put = self.cloud.s3.put_object(Bucket=self.cloud.input_bucket, Key=key, Body=content)
            self.etags[f"s3://{self.cloud.input_bucket}/{key}"] = put["ETag"].strip('"')

    def _send(self, bodies: list[str]) -> None:
        for start in range(0, len(bodies), 10):
            entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies[start : start + 10])]
            self.cloud.sqs.send_message_batch(QueueUrl=self.cloud.queue_url, Entries=entries)

    def _receive(self, url: str):
        return self.cloud.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])

    def _empty_queues(self) -> None:
        for url in (self.cloud.queue_url, self.cloud.dead_letter_url):
            while received := self._receive(url):
                for message in received:
                    self.cloud.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _after(self, run: Run) -> dict[str, bytes]:
        """Returns everything that is stored but for the inputs; what `run` is known to have written is not read again."""
        known = {hashlib.md5(content).hexdigest(): content for _, content in run.written}  # as S3's ETags are
        after = {}
        for bucket in (self.cloud.input_bucket, self.cloud.output_bucket):
            for key, etag in self._listed(bucket).items():
                if f"s3://{bucket}/{key}" not in self.etags:
                    content = known.get(etag) or self.cloud.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
                    after[f"s3://{bucket}/{key}"] = content
        return after

    def _listed(self, bucket: str) -> dict[str, str]:
        rows = self.cloud.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        return {row["Key"]: row["ETag"].strip('"') for row in rows}


def _killed_by(run: Run, pid: int) -> None:
    run.kill = functools.partial(kill, pid)


def is_disturbed(run: Run, message) -> bool:
    """Returns whether the fault may have hit the work on a message; that on a sweep, which asks for no object, always."""
    keys = [ref.key for ref in message.objects]
    return run.fault in DISTURB_ALL or not keys or any(key in (run.call or "") for key in keys)


def said_to_be_gone(run: Run, bucket: str) -> set[str]:
    """Returns the address of the input of which the fault says that it does not exist."""
    operation, _, key = (run.call or "").rpartition("#")[0].partition(" ")
    is_told = run.fault is Fault.NOT_FOUND and operation in {"GET", "HEAD"} and key.startswith(PREFIX)
    return {f"s3://{bucket}/{key}"} if is_told else set()


@contextmanager
def open_world(storage: str) -> Iterator[World]:
    """Opens a world on a moto or a ministack of its own, in which all calls have the same names in every process.

    This process must do nothing else with AWS.
    """
    clear_aws_environment()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # none but the thread that forks
    with ExitStack() as stack:
        if storage == "moto":
            cloud = stack.enter_context(start_cloud())
            cloud.s3.put_bucket_notification_configuration(Bucket=cloud.input_bucket, NotificationConfiguration={})
        else:
            cloud = _make_cloud(stack.enter_context(ministack.serve()))
        proxy = stack.enter_context(serve(cloud.environment["AWS_ENDPOINT_URL"]))
        yield World(cloud, proxy)


def _make_cloud(endpoint: str) -> Cloud:
    """Makes buckets and queues."""
    environment = {
        "AWS_ACCESS_KEY_ID": "embedded",
        "AWS_SECRET_ACCESS_KEY": "embedded",
        "AWS_DEFAULT_REGION": REGION,
    }
    session = boto3.Session(*list(environment.values())[:2], region_name=REGION)
    s3, sqs = (session.client(name, endpoint_url=endpoint) for name in ("s3", "sqs"))
    buckets = ["sweep-input", "sweep-output"]
    for bucket in buckets:
        s3.create_bucket(Bucket=bucket)
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = _arn(sqs, dead)
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVE_COUNT})
    attributes = {"RedrivePolicy": policy, "VisibilityTimeout": "960"}
    url = sqs.create_queue(QueueName="work", Attributes=attributes)["QueueUrl"]
    return Cloud(
        environment=environment
        | {
            "AWS_ENDPOINT_URL": endpoint,
            "INPUT_URIS": f"s3://{buckets[0]}/{PREFIX}",
            "OUTPUT_URI": f"s3://{buckets[1]}/{OUTPUT}",
            "QUEUE_URL": url,
        },
        input_bucket=buckets[0],
        output_bucket=buckets[1],
        queue_url=url,
        queue_arn=_arn(sqs, url),
        dead_letter_url=dead,
        batch_messages=BATCH_MESSAGES,
        reports_failures=True,
        s3=s3,
        sqs=sqs,
    )


def _arn(sqs, url):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
