"""The event source's manners: batches, the shape of records, and what it makes of a function's answers."""

import dataclasses
import json

import pytest

from infra.cloud.event_source import EventSource
from infra.paths import EVENTS


def put(cloud, key):
    cloud.s3.put_object(Bucket=cloud.input_bucket, Key=key, Body=b"pixels")


def waiting(cloud, url):
    attributes = cloud.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])


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
    expected = json.loads((EVENTS / "sqs-s3-upload.json").read_text())["Records"][0]
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


def test_a_message_that_the_function_itself_deleted_does_not_keep_the_others(cloud):
    for number in range(12):
        put(cloud, f"uploads/{number}.png")

    def delete_first(event, context):
        cloud.sqs.delete_message(QueueUrl=cloud.queue_url, ReceiptHandle=event["Records"][0]["receiptHandle"])
        return {"batchItemFailures": [{"itemIdentifier": event["Records"][11]["messageId"]}]}

    delivery = EventSource(cloud, delete_first, batch_messages=12).deliver()

    assert (len(delivery.deleted), len(delivery.returned)) == (11, 1)
    assert waiting(cloud, cloud.queue_url) == 1


def test_what_the_last_call_of_a_killed_invocation_hides_late_is_seen_again(cloud):
    put(cloud, "uploads/a.png")
    source = EventSource(cloud, raises, is_impatient=True)
    source.deliver()
    (record,) = source.deliver().event["Records"]
    handle = {"QueueUrl": cloud.queue_url, "ReceiptHandle": record["receiptHandle"]}
    cloud.sqs.change_message_visibility(**handle, VisibilityTimeout=180)
    named = []
    cloud.sqs.meta.events.register(
        "provide-client-params.sqs.ChangeMessageVisibilityBatch",
        lambda params, **_: named.append([entry["Id"] for entry in params["Entries"]]),
    )

    again = source.deliver()

    assert again.returned == (record["messageId"],)
    assert named[0] == [record["messageId"]]  # once, though it went back twice: SQS refuses a call that names it twice


def test_without_partial_replies_whatever_is_returned_deletes_all(cloud):
    """So a template that forgets `ReportBatchItemFailures` loses messages here as it would on AWS."""
    put(cloud, "uploads/a.png")
    forgetful = dataclasses.replace(cloud, reports_failures=False)

    def fail_all(event, context):
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"]]}

    EventSource(forgetful, fail_all).deliver()

    assert waiting(cloud, cloud.queue_url) == 0
