"""Sending, on moto's SQS, and every way in which SQS can refuse."""

import json

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.stub import Stubber

from handler.errors import QueueUnavailable
from handler.work_queue import MOST_MESSAGES, WorkQueue, make_client


@pytest.fixture
def url(aws):
    return boto3.client("sqs").create_queue(QueueName="work")["QueueUrl"]


def received(url):
    sqs, bodies = boto3.client("sqs"), []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [json.loads(message["Body"]) for message in messages]
    return bodies


def test_messages_arrive_as_they_were_whatever_keys_hold(url):
    """SQS takes no control characters and no U+FFFF; keys may hold both."""
    client, bodies = make_client(), []
    client.meta.events.register(
        "provide-client-params.sqs.SendMessageBatch",
        lambda params, **_: bodies.extend(entry["MessageBody"] for entry in params["Entries"]),
    )
    messages = [{"objects": [f"s3://in/{key}"]} for key in ("a", "ñ 😀", "\x01\x0b\uffff\ufffe", "k" * 1024, '"\\')]

    WorkQueue(client, url).send(messages)

    assert all(body.isascii() and body.isprintable() for body in bodies)
    assert sorted(received(url), key=str) == sorted(messages, key=str)


@pytest.mark.parametrize(("count", "calls"), [(0, 0), (1, 1), (10, 1), (11, 2), (25, 3)])
def test_ten_messages_go_with_one_call(url, count, calls):
    client, made = make_client(), []
    client.meta.events.register("before-call.sqs.*", lambda model, **_: made.append(model.name))

    WorkQueue(client, url).send({"objects": [f"s3://in/{number}"]} for number in range(count))

    assert made == ["SendMessageBatch"] * calls
    assert len(received(url)) == count
    assert MOST_MESSAGES == 10


def test_a_queue_that_is_not_there_is_an_error_that_can_be_tried_again(aws):
    with pytest.raises(QueueUnavailable, match="SendMessageBatch"):
        WorkQueue(make_client(), "https://sqs.us-east-1.amazonaws.com/123456789012/none").send([{"a": 1}])


def test_messages_that_are_refused_one_by_one_are_an_error(environment):
    client = make_client()
    with Stubber(client) as stubber:
        failed = [{"Id": "1", "SenderFault": False, "Code": "InternalError"}]
        stubber.add_response("send_message_batch", {"Successful": [], "Failed": failed})

        with pytest.raises(QueueUnavailable, match="1 refused, the first with InternalError"):
            WorkQueue(client, "https://sqs/1/work").send([{"a": 1}, {"b": 2}])


@pytest.mark.parametrize(
    "error",
    [EndpointConnectionError(endpoint_url="x"), ReadTimeoutError(endpoint_url="x"), ConnectTimeoutError(endpoint_url="x")],
)
def test_a_broken_connection_is_an_error_that_can_be_tried_again(environment, error):
    client = make_client()

    def broken(**_):
        raise error

    client.meta.events.register("before-send.sqs.*", broken)

    with pytest.raises(QueueUnavailable):
        WorkQueue(client, "https://sqs.us-east-1.amazonaws.com/1/work").send([{"a": 1}])
