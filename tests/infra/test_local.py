"""The embedded cloud end to end: upload -> notification -> queue -> function -> document, and the event source's manners."""

import json
from pathlib import Path

import boto3
import cfnlint.decode
import pytest

from handler.app import build_scorer, lambda_handler
from infra.local import TEMPLATE, Context, EventSource, start_cloud

IMAGES = Path(__file__).parent.parent.parent / "events" / "images"


@pytest.fixture
def cloud(environment, monkeypatch):
    """A fresh cloud, its notification's test event taken from the queue, and the function's environment set to it."""
    with start_cloud() as cloud:
        cloud.sqs.purge_queue(QueueUrl=cloud.queue_url)
        for name, value in cloud.environment.items():
            monkeypatch.setenv(name, value)
        build_scorer.cache_clear()
        yield cloud
        build_scorer.cache_clear()


def put(cloud, key, content=b"pixels"):
    cloud.s3.put_object(Bucket=cloud.input_bucket, Key=key, Body=content)


def waiting(cloud, url):
    attributes = cloud.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])


def documents(cloud):
    listed = cloud.s3.list_objects_v2(Bucket=cloud.output_bucket).get("Contents", [])
    return {
        row["Key"]: json.loads(cloud.s3.get_object(Bucket=cloud.output_bucket, Key=row["Key"])["Body"].read()) for row in listed
    }


def test_the_cloud_listens_on_loopback_alone(cloud):
    assert cloud.environment["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")


def test_the_cloud_is_that_of_the_template(cloud):
    template, _ = cfnlint.decode.decode(str(TEMPLATE))
    queue = template["Resources"]["UploadQueue"]["Properties"]
    attributes = cloud.sqs.get_queue_attributes(QueueUrl=cloud.queue_url, AttributeNames=["All"])["Attributes"]
    notification = cloud.s3.get_bucket_notification_configuration(Bucket=cloud.input_bucket)["QueueConfigurations"]

    assert attributes["VisibilityTimeout"] == str(queue["VisibilityTimeout"])
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == queue["RedrivePolicy"]["maxReceiveCount"]
    assert notification[0]["QueueArn"] == cloud.queue_arn
    assert notification[0]["Filter"]["Key"]["FilterRules"][0]["Value"] == "uploads/"


def test_setting_up_the_notification_sends_a_test_event_that_is_acknowledged(environment, monkeypatch):
    with start_cloud() as fresh:
        for name, value in fresh.environment.items():
            monkeypatch.setenv(name, value)
        build_scorer.cache_clear()
        (delivery,) = EventSource(fresh, lambda_handler).drain()
        build_scorer.cache_clear()

    assert json.loads(delivery.event["Records"][0]["body"])["Event"] == "s3:TestEvent"
    assert len(delivery.deleted) == 1


def test_an_upload_is_scored_by_way_of_the_queue(cloud):
    put(cloud, "uploads/rack 1/ñ + 100%.png", (IMAGES / "trouser-0.png").read_bytes())

    deliveries = EventSource(cloud, lambda_handler).drain()

    assert [delivery.answer for delivery in deliveries] == [{"batchItemFailures": []}]
    ((key, document),) = documents(cloud).items()
    assert key == "predictions/uploads/rack 1/ñ + 100%.png.json"
    assert document["predictions"][0]["class_name"] == "Trouser"
    assert waiting(cloud, cloud.queue_url) == 0


def test_an_upload_outside_the_prefix_reaches_no_queue(cloud):
    put(cloud, "elsewhere/a.png")

    assert EventSource(cloud, lambda_handler).drain() == []


def test_two_deliveries_of_one_message_leave_one_document_of_the_same_bytes(cloud):
    put(cloud, "uploads/a.png", (IMAGES / "trouser-0.png").read_bytes())
    (delivery,) = EventSource(cloud, lambda_handler).drain()
    before = documents(cloud)

    answer = lambda_handler(delivery.event, Context(aws_request_id="again"))

    assert answer == {"batchItemFailures": []}
    assert documents(cloud) == before


def test_a_poison_message_ends_in_the_dead_letters_intact_and_takes_no_other_with_it(cloud):
    cloud.sqs.send_message(QueueUrl=cloud.queue_url, MessageBody="poison")
    put(cloud, "uploads/a.png", (IMAGES / "trouser-0.png").read_bytes())

    deliveries = EventSource(cloud, lambda_handler, is_impatient=True).drain()

    assert len(deliveries) == 5  # maxReceiveCount
    assert len(deliveries[0].deleted) == 1
    assert waiting(cloud, cloud.queue_url) == 0
    (dead,) = cloud.sqs.receive_message(QueueUrl=cloud.dead_letter_url)["Messages"]
    assert dead["Body"] == "poison"
    assert list(documents(cloud)) == ["predictions/uploads/a.png.json"]


def test_batches_hold_no_more_messages_than_asked_for(cloud):
    for number in range(25):
        put(cloud, f"uploads/{number}.png")
    sizes = []

    EventSource(cloud, lambda event, context: sizes.append(len(event["Records"])), batch_messages=12).drain()

    assert sizes == [12, 12, 1]


def test_a_record_has_the_shape_that_lambda_gives_it(cloud):
    put(cloud, "uploads/a.png")

    (delivery,) = EventSource(cloud, lambda event, context: None).drain()

    (record,) = delivery.event["Records"]
    expected = json.loads((IMAGES.parent / "sqs-s3-upload.json").read_text())["Records"][0]
    assert set(record) == set(expected)
    assert set(expected["attributes"]) <= set(record["attributes"])
    assert record["attributes"]["ApproximateReceiveCount"] == "1"


def raises(event, context):
    raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("function", "all_return"),
    [
        (raises, True),
        (lambda event, context: "text", True),
        (lambda event, context: {"batchItemFailures": [{"itemIdentifier": ""}]}, True),
        (lambda event, context: {"batchItemFailures": [{"itemIdentifier": "unknown"}]}, True),
        (lambda event, context: {"batchItemFailures": [{"wrong": "key"}]}, True),
        (lambda event, context: {"batchItemFailures": "text"}, True),
        (lambda event, context: None, False),
        (lambda event, context: {}, False),
        (lambda event, context: {"batchItemFailures": None}, False),
        (lambda event, context: {"batchItemFailures": []}, False),
    ],
)
def test_an_answer_that_lambda_does_not_accept_returns_the_whole_batch(cloud, function, all_return):
    put(cloud, "uploads/a.png")
    put(cloud, "uploads/b.png")

    delivery = EventSource(cloud, function).deliver()

    assert (len(delivery.returned), len(delivery.deleted)) == ((2, 0) if all_return else (0, 2))
    assert waiting(cloud, cloud.queue_url) == len(delivery.returned)


def test_what_is_returned_is_seen_again_with_its_count(cloud):
    put(cloud, "uploads/a.png")
    counts = []

    def fail_twice(event, context):
        (record,) = event["Records"]
        counts.append(record["attributes"]["ApproximateReceiveCount"])
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]}] if len(counts) < 3 else []}

    EventSource(cloud, fail_twice, is_impatient=True).drain()

    assert counts == ["1", "2", "3"]


def test_boto3_finds_the_cloud_by_its_environment(cloud):
    assert boto3.client("s3").list_buckets()["Buckets"]
