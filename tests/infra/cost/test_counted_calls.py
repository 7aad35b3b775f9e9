"""The calls that each route counts are those that the function makes on it, in the embedded cloud."""

import json
import re
from collections import Counter

import pytest

from handler.app import lambda_handler
from handler.backlog.collecting import MAX_SAMPLED
from handler.objects import Prefix
from infra.bench.samples import packed_object
from infra.bench.sweeps import MAKER, Generated, sweep
from infra.cloud.event_source import Context, EventSource
from infra.cost.routes import ROUTES
from infra.cost.steps import Lots
from infra.paths import EVENTS, IMAGES
from tests.conftest import INPUT, OUTPUT

BY_NAME = {route.name: route for route in ROUTES}
PNG = (IMAGES / "coat-0.png").read_bytes()
OBJECTS = 12  # more than SQS takes in a call, and fewer than any batch


def counted(name, objects=OBJECTS, images_per_object=1, batch=25):
    """The operations of the function that a route counts for some objects."""
    route = BY_NAME[name]
    lots = Lots(objects * images_per_object, images_per_object, route.batch or batch)
    calls = Counter()
    for step in route.steps:
        if step.operation:
            calls[step.operation] += step.amount * lots.count(step.per)
    return calls


def made(recorded_calls):
    return Counter(operation for operation, _, _ in recorded_calls)


@pytest.fixture(autouse=True)
def _no_lease(monkeypatch):
    """A batch that takes more than some seconds is leased, which a busy machine would make of any batch."""
    monkeypatch.setattr("handler.custody.FIRST_LEASE_S", 600)


@pytest.fixture
def uploads(cloud, recorded_calls):
    """The keys of uploaded objects, told to nobody, in a cloud where the process has looked at the marker already."""
    keys = [f"uploads/{number:02}.png" for number in range(OBJECTS)]
    notification = cloud.s3.get_bucket_notification_configuration(Bucket=INPUT)
    told = {name: value for name, value in notification.items() if name.endswith("Configurations")}
    cloud.s3.put_bucket_notification_configuration(Bucket=INPUT, NotificationConfiguration={})
    cloud.s3.put_object(Bucket=INPUT, Key="uploads/first.png", Body=PNG)
    invoke({"objects": [f"s3://{INPUT}/uploads/first.png"]})
    for key in keys:
        cloud.s3.put_object(Bucket=INPUT, Key=key, Body=PNG)
    cloud.s3.delete_object(Bucket=INPUT, Key="uploads/first.png")
    cloud.s3.delete_object(Bucket=OUTPUT, Key="predictions/uploads/first.png.json")
    cloud.s3.put_bucket_notification_configuration(Bucket=INPUT, NotificationConfiguration=told)
    messages = EventSource(cloud, lambda event, context: None).drain()  # S3's test event, and that of the first object
    assert len(messages) <= 2
    recorded_calls.clear()
    return keys


def invoke(event):
    lambda_handler(event, Context("r"))


def drain(cloud):
    """Delivers what the queue holds, and returns the sizes of the batches."""
    deliveries = EventSource(cloud, lambda_handler, batch_messages=25).drain()
    assert not [delivery for delivery in deliveries if delivery.error or delivery.returned]
    return [len(delivery.event["Records"]) for delivery in deliveries]


def event_of(name, key):
    """The event of a file for another key, which needs no encoding."""
    text = (EVENTS / name).read_text()
    named = re.search(r"uploads/[^\"\\]+\.(png|jpg)", text)[0]
    return json.loads(text.replace(named, key))


def test_the_queue(cloud, recorded_calls, uploads):
    for key in uploads:
        cloud.s3.put_object(Bucket=INPUT, Key=key, Body=PNG)

    assert drain(cloud) == [OBJECTS]
    assert made(recorded_calls) == counted("queue") == {"GetObject": 12, "PutObject": 12}


def test_packed_objects(cloud, recorded_calls, uploads):
    for key in ("uploads/a", "uploads/b"):
        cloud.s3.put_object(Bucket=INPUT, Key=key, Body=packed_object(1000))

    assert drain(cloud) == [2]
    packed = BY_NAME["packed"].images_per_object
    assert made(recorded_calls) == counted("packed", 2, packed) == {"GetObject": 2, "PutObject": 2}


@pytest.mark.parametrize(
    ("name", "file"), [("direct", "s3-upload.json"), ("eventbridge", "eventbridge-upload.json"), ("sns", "sns-upload.json")]
)
def test_an_event_for_each_upload(recorded_calls, uploads, name, file):
    for key in uploads:
        invoke(event_of(file, key))

    assert made(recorded_calls) == counted(name) == {"GetObject": 12, "PutObject": 12}


def test_events_of_eventbridge_that_the_queue_brings(cloud, recorded_calls, uploads):
    for key in uploads:
        body = json.dumps(event_of("eventbridge-upload.json", key))
        cloud.sqs.send_message(QueueUrl=cloud.queue_url, MessageBody=body)

    assert drain(cloud) == [OBJECTS]
    assert made(recorded_calls) == counted("eventbridge-queue") == {"GetObject": 12, "PutObject": 12}


def test_a_sweep_that_sends_everything_to_the_queue(cloud, recorded_calls, uploads):
    invoke(json.loads((EVENTS / "schedule-sweep.json").read_text()))

    assert drain(cloud) == [OBJECTS]
    expected = {"GetQueueAttributes": 1, "HeadObject": 4 + 12, "PutObject": 1 + 12, "ListObjectsV2": 3, "SendMessageBatch": 2}
    assert made(recorded_calls) == counted("sweep") == expected | {"GetObject": 12}


def test_a_sweep_that_finds_nothing_to_do():
    """The documents must be older than a test can wait, so they are of the store that the benchmark generates."""
    store, output = Generated(2_000), Prefix("out-bucket", "predictions/")
    sweep(store, Prefix("in-bucket", "uploads/"), output)  # whose maker begins, and which looks at each document
    store.calls.clear()

    report = sweep(store, Prefix("in-bucket", "uploads/"), output)

    names = {"head": "HeadObject", "create": "PutObject", "replace": "PutObject", "list": "ListObjectsV2"}
    calls = Counter()
    for name, count in store.calls.items():
        calls[names[name]] += count
    expected = counted("sweep-idle", 2_000)
    del expected["GetQueueAttributes"]  # there is no queue here; the other sweep asks one
    assert (report.examined, report.looked_at, MAKER.results) == (2_000, 0, "a" * 64)
    assert calls == expected == {"HeadObject": 4, "PutObject": 1, "ListObjectsV2": 5}


def test_a_list(cloud, recorded_calls, uploads):
    lines = "".join(f"{json.dumps({'key': key})}\n" for key in uploads)
    cloud.s3.put_object(Bucket=INPUT, Key="uploads/list.jsonl", Body=lines.encode())

    assert drain(cloud) == [1, OBJECTS]
    expected = {"GetObject": 1 + 12, "HeadObject": 1 + 12, "PutObject": 1 + 12, "SendMessageBatch": 2}
    assert made(recorded_calls) == counted("list") == expected


def test_a_job_of_batch_operations(recorded_calls, uploads):
    for key in uploads:
        invoke(event_of("batch-operations-1.json", key))

    assert made(recorded_calls) == counted("batch-operations") == {"GetObject": 12, "PutObject": 12}


def test_a_distributed_map(recorded_calls, uploads):
    invoke({"Items": [{"bucket": INPUT, "key": key} for key in uploads]})

    assert made(recorded_calls) == counted("distributed-map") == {"GetObject": 12, "PutObject": 12}


def run_backlog(cloud):
    """Plans a run over all inputs, scores its shards and sums up, as the state machine does; returns the number of shards."""
    plan = lambda_handler({"job": "plan", "run": "nightly"}, Context("r"))
    shards = json.loads(cloud.s3.get_object(Bucket=plan["bucket"], Key=plan["shards_key"])["Body"].read())
    for shard in shards:
        invoke(shard)
    invoke({"job": "summarise", "run": "nightly"})
    assert plan["is_planned"]
    return len(shards)


def test_a_backlog(cloud, recorded_calls, uploads):
    assert run_backlog(cloud) == 1
    # Fewer objects are there than a plan looks into.
    expected = counted("backlog") - Counter(GetObject=MAX_SAMPLED - OBJECTS)
    assert made(recorded_calls) == expected == {"ListObjectsV2": 4, "HeadObject": 5, "GetObject": 11 + 2 * 12, "PutObject": 9}


def test_a_backlog_of_packed_objects(cloud, recorded_calls, uploads):
    for key in uploads:
        cloud.s3.delete_object(Bucket=INPUT, Key=key)
    for key in ("uploads/a", "uploads/b"):
        cloud.s3.put_object(Bucket=INPUT, Key=key, Body=packed_object(1000))

    assert run_backlog(cloud) == 1
    packed = BY_NAME["backlog-packed"].images_per_object
    expected = counted("backlog-packed", 2, packed) - Counter(GetObject=MAX_SAMPLED - 2)
    assert made(recorded_calls) == expected == {"ListObjectsV2": 4, "HeadObject": 5, "GetObject": 11 + 2 * 2, "PutObject": 9}


def test_no_route_is_without_such_a_test():
    tested = set(
        re.findall(r"counted\(\"([a-z-]+)\"", (IMAGES.parents[1] / "tests/infra/cost/test_counted_calls.py").read_text())
    )

    assert tested | {"direct", "eventbridge", "sns"} == set(BY_NAME)
