"""The embedded cloud end to end: upload -> notification -> queue -> function -> document."""

import json

import boto3

from handler.app import build_parts, lambda_handler
from handler.obstore_storage import ObstoreStorage
from infra.cloud.embedded import start_cloud
from infra.cloud.event_source import Context, EventSource
from infra.paths import IMAGES, TEMPLATE
from infra.template import read_template


def put(cloud, key, content=b"pixels"):
    cloud.s3.put_object(Bucket=cloud.input_bucket, Key=key, Body=content)


def waiting(cloud, url):
    attributes = cloud.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])


def documents(cloud):
    listed = cloud.s3.list_objects_v2(Bucket=cloud.output_bucket).get("Contents", [])
    return {
        row["Key"]: json.loads(cloud.s3.get_object(Bucket=cloud.output_bucket, Key=row["Key"])["Body"].read())
        for row in listed
        if "_coatcheck/" not in row["Key"]
    }


def test_the_cloud_listens_on_loopback_alone(cloud):
    assert cloud.environment["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")


def test_the_cloud_is_that_of_the_template(cloud):
    template = read_template(TEMPLATE.read_text())
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
        build_parts.cache_clear()
        (delivery,) = EventSource(fresh, lambda_handler).drain()
        build_parts.cache_clear()

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

    assert len(deliveries) == 8  # maxReceiveCount
    assert len(deliveries[0].deleted) == 1
    assert waiting(cloud, cloud.queue_url) == 0
    (dead,) = cloud.sqs.receive_message(QueueUrl=cloud.dead_letter_url)["Messages"]
    assert dead["Body"] == "poison"
    assert list(documents(cloud)) == ["predictions/uploads/a.png.json"]


def test_while_no_document_can_be_written_no_message_is_lost_and_then_each_is_done(cloud):
    for number in range(10):
        put(cloud, f"uploads/{number}.png", (IMAGES / "trouser-0.png").read_bytes())
    source = EventSource(cloud, lambda_handler, is_impatient=True)
    cloud.s3.delete_bucket(Bucket=cloud.output_bucket)

    delivery = source.deliver()
    assert (len(delivery.returned), len(delivery.deleted)) == (10, 0)
    assert waiting(cloud, cloud.queue_url) == 10

    cloud.s3.create_bucket(Bucket=cloud.output_bucket)
    source.drain()
    assert sorted(documents(cloud)) == [f"predictions/uploads/{number}.png.json" for number in range(10)]
    assert waiting(cloud, cloud.queue_url) == waiting(cloud, cloud.dead_letter_url) == 0


def test_boto3_finds_the_cloud_by_its_environment(cloud):
    assert boto3.client("s3").list_buckets()["Buckets"]


def test_the_client_that_the_environment_names_reads_and_writes_there_too(environment, monkeypatch, request):
    monkeypatch.setenv("S3_CLIENT", "obstore")
    cloud = request.getfixturevalue("cloud")
    put(cloud, "uploads/coat-0.png", (IMAGES / "coat-0.png").read_bytes())
    EventSource(cloud, lambda_handler).drain()

    assert isinstance(build_parts().scorer.inputs.store, ObstoreStorage)
    (document,) = cloud.s3.list_objects_v2(Bucket=cloud.output_bucket, Prefix="predictions/uploads/")["Contents"]
    assert document["Key"] == "predictions/uploads/coat-0.png.json"
