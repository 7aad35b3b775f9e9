"""What ministack does as S3 does, and moto does not: conditions in one step, checksums, events with versions and sequencers."""

import json
from collections import Counter

import boto3
import pytest
from botocore.exceptions import ClientError

from handler.errors import StorageUnavailable
from handler.storage import S3Storage, make_client
from handler.triggers import parse_event
from tests.infra.stores.conftest import BUCKET, RACERS, Bucket
from tests.infra.stores.test_conformance import ODD_KEYS, race


def code_of(call, **arguments):
    """The code of a call's error; None if it succeeds."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


@pytest.mark.parametrize("kind", ["ministack", "versioned_ministack"])
@pytest.mark.parametrize("condition", ["create", "replace"])
def test_of_writers_that_race_one_wins_and_the_others_are_told_412(kind, condition, request, ministack_s3):
    """S3 may also tell them 409, which neither emulator does: tests/handler/test_storage.py makes that answer itself."""
    bucket = request.getfixturevalue(f"{kind}_bucket")
    if condition == "replace":
        bucket.put("a", b"old")
    state = {"IfMatch": bucket.head("a").etag} if condition == "replace" else {"IfNoneMatch": "*"}

    codes = race(lambda number: code_of(ministack_s3.put_object, Bucket=BUCKET, Key="a", Body=b"%d" % number, **state))

    assert Counter(codes) == {None: 1, "PreconditionFailed": RACERS - 1}
    assert bucket.read("a") == b"%d" % codes.index(None)


def test_a_condition_on_what_was_deleted_is_judged_by_what_is_there_now(versioned_ministack_bucket, ministack_s3):
    """The marker of a deletion is no object."""
    bucket = versioned_ministack_bucket
    bucket.put("a", b"1")
    etag = bucket.head("a").etag
    ministack_s3.delete_object(Bucket=BUCKET, Key="a")

    put = {"Bucket": BUCKET, "Key": "a", "Body": b"2"}
    assert code_of(ministack_s3.put_object, **put, IfMatch=etag) == "NoSuchKey"
    assert code_of(ministack_s3.put_object, **put, IfNoneMatch="*") is None
    assert bucket.read("a") == b"2"


def test_a_document_that_changes_on_its_way_is_refused_and_not_stored(ministack_bucket):
    """botocore sends a CRC32 with it, made of what it was given."""
    client = make_client(1)
    client.meta.events.register("before-send.s3.PutObject", flip_a_byte)
    changing = Bucket(S3Storage(client))

    with pytest.raises(StorageUnavailable) as raised:
        changing.put("a", b"a document")

    assert (raised.value.operation, raised.value.code) == ("PutObject", "BadDigest")
    assert ministack_bucket.head("a") is None
    assert ministack_bucket.put("a", b"a document")
    assert ministack_bucket.read("a") == b"a document"


def flip_a_byte(request, **_):
    body = request.body if isinstance(request.body, bytes) else request.body.read()
    assert body == b"a document"
    request.body = b"b" + body[1:]


@pytest.fixture
def received(ministack_s3):
    """The bodies of all messages of a queue that is told of each object."""
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="uploads")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    configuration = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    ministack_s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=configuration)

    def received():
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            yield from (json.loads(message["Body"]) for message in messages)

    assert [body["Event"] for body in received()] == ["s3:TestEvent"]
    return received


def test_an_event_names_exactly_the_key_and_the_version_that_was_written(versioned_ministack_bucket, received):
    """Each key reaches the function as it was given: neither decoded too often nor too seldom."""
    bucket = versioned_ministack_bucket
    for key in ODD_KEYS:
        bucket.put(key)

    bodies = list(received())

    assert [parse_event(body).objects for body in bodies] == [(bucket.ref(key),) for key in ODD_KEYS]
    versions = [record["s3"]["object"]["versionId"] for body in bodies for record in body["Records"]]
    assert versions == [bucket.head(key).version_id for key in ODD_KEYS]


def test_the_sequencers_of_a_key_grow(ministack_bucket, received, ministack_s3):
    for number in range(5):
        ministack_s3.put_object(Bucket=BUCKET, Key="a", Body=b"%d" % number)

    sequencers = [record["s3"]["object"]["sequencer"] for body in received() for record in body["Records"]]

    width = max(map(len, sequencers))
    assert len(set(sequencers)) == 5
    assert [each.ljust(width, "0") for each in sequencers] == sorted(each.ljust(width, "0") for each in sequencers)
