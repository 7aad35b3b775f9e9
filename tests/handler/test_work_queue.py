"""Sending, on moto's SQS, and every way in which SQS can refuse."""

import json
import re
import threading
from types import SimpleNamespace

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.stub import Stubber

from handler.deadline import Deadline
from handler.errors import OutOfTime, QueueUnavailable
from handler.jobs import MAX_MESSAGES
from handler.work_queue import FIRST_PAUSE_S, MAX_ATTEMPTS, WorkQueue, encode

NO_QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/none"


@pytest.fixture
def url(aws):
    return boto3.client("sqs").create_queue(QueueName="work")["QueueUrl"]


@pytest.fixture
def deadline():
    return Deadline.after(60)


# What a message may hold, as the reference of SendMessage says; beside that, JSON has no control characters.
TAKEN = re.compile("[\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")


def received(url):
    sqs, bodies = boto3.client("sqs"), []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [json.loads(message["Body"]) for message in messages]
    return bodies


def test_messages_arrive_as_they_were_whatever_keys_hold(url, deadline):
    """SQS takes no control characters and no U+FFFF; keys may hold both."""
    queue, bodies = WorkQueue(url, 1), []
    queue.client.meta.events.register(
        "provide-client-params.sqs.SendMessageBatch",
        lambda params, **_: bodies.extend(entry["MessageBody"] for entry in params["Entries"]),
    )
    messages = [{"objects": [f"s3://in/{key}"]} for key in ("a", "ñ 😀", "\x01\x0b\uffff\ufffe", "k" * 1024, '"\\')]

    queue.send(messages, deadline=deadline)

    assert [body for body in bodies if not TAKEN.fullmatch(body)] == []
    assert sorted(received(url), key=str) == sorted(messages, key=str)


@pytest.mark.parametrize("key", ["画像", "ñ 😀", "a"])
def test_a_message_that_is_sent_again_is_little_larger_than_it_was(key):
    """SQS has a limit, and who sent the message may have come close to it, in any alphabet."""
    body = json.dumps({"objects": [f"s3://in/{key * 100}/{number}" for number in range(600)]}, ensure_ascii=False)

    again = encode({"postponed": True, "message": body, "failures": 0})

    assert json.loads(again)["message"] == body
    assert len(again.encode()) < 1.02 * len(body.encode())


def test_ten_messages_go_with_one_call(url, deadline):
    queue, made = WorkQueue(url, 1), []
    queue.client.meta.events.register("before-call.sqs.*", lambda model, **_: made.append(model.name))

    queue.send([{"objects": [f"s3://in/{number}"]} for number in range(MAX_MESSAGES)], deadline=deadline)

    assert made == ["SendMessageBatch"]
    assert len(received(url)) == MAX_MESSAGES == 10


def test_the_queue_tells_about_how_many_messages_wait(url, deadline):
    """Without those that somebody works on."""
    queue = WorkQueue(url, 1)
    assert queue.count_waiting(deadline=deadline) == 0
    queue.send([{"number": number} for number in range(7)], deadline=deadline)
    boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=2)

    assert queue.count_waiting(deadline=deadline) == 5


def test_a_queue_that_does_not_tell_is_an_error_that_can_be_tried_again(aws, deadline):
    with pytest.raises(QueueUnavailable, match="GetQueueAttributes"):
        WorkQueue(NO_QUEUE, 1).count_waiting(deadline=deadline)


def test_a_queue_that_is_not_there_is_an_error_that_can_be_tried_again(aws, deadline):
    with pytest.raises(QueueUnavailable, match="SendMessageBatch"):
        WorkQueue(NO_QUEUE, 1).send([{"a": 1}], deadline=deadline)


def test_messages_that_are_refused_one_by_one_are_an_error(environment, deadline):
    """Those that SQS could not take are tried again, alone, after pauses that grow; then it is an error."""
    pauses = []
    queue = WorkQueue("https://sqs/1/work", 1, pauses.append)
    with Stubber(queue.client) as stubber:
        failed = [{"Id": "1", "SenderFault": False, "Code": "InternalError"}]
        stubber.add_response(
            "send_message_batch", {"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "0"}], "Failed": failed}
        )
        for _ in range(MAX_ATTEMPTS - 1):
            stubber.add_response("send_message_batch", {"Successful": [], "Failed": failed}, ONLY_THE_SECOND)

        with pytest.raises(QueueUnavailable, match="1 not accepted, the first with InternalError"):
            queue.send([{"a": 1}, {"b": 2}], deadline=deadline)

        stubber.assert_no_pending_responses()
    assert len(pauses) == MAX_ATTEMPTS - 1
    assert all(FIRST_PAUSE_S * 2**retry / 2 <= pause <= FIRST_PAUSE_S * 2**retry for retry, pause in enumerate(pauses))


ONLY_THE_SECOND = {"QueueUrl": "https://sqs/1/work", "Entries": [{"Id": "1", "MessageBody": '{"b": 2}'}]}
ACCEPTED = {"Successful": [{"Id": "1", "MessageId": "m", "MD5OfMessageBody": "0"}], "Failed": []}


def test_a_message_that_sqs_could_not_take_at_first_is_sent_again_without_the_others(environment, deadline):
    queue = WorkQueue("https://sqs/1/work", 1, lambda seconds: None)
    with Stubber(queue.client) as stubber:
        taken = [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "0"}]
        failed = [{"Id": "1", "SenderFault": False, "Code": "InternalError"}]
        stubber.add_response("send_message_batch", {"Successful": taken, "Failed": failed})
        stubber.add_response("send_message_batch", ACCEPTED, ONLY_THE_SECOND)

        queue.send([{"a": 1}, {"b": 2}], deadline=deadline)

        stubber.assert_no_pending_responses()


def test_a_message_that_is_at_fault_itself_is_not_sent_again(environment, deadline):
    queue = WorkQueue("https://sqs/1/work", 1, lambda seconds: pytest.fail("no pause is due"))
    with Stubber(queue.client) as stubber:
        failed = [{"Id": "0", "SenderFault": True, "Code": "ReceiptHandleIsInvalid"}]
        stubber.add_response("delete_message_batch", {"Successful": [], "Failed": failed})

        with pytest.raises(QueueUnavailable, match="the first with ReceiptHandleIsInvalid"):
            queue.delete(["old"], deadline=deadline)


def test_no_pause_goes_beyond_the_deadline(environment):
    pauses = []  # in which alone time passes
    queue = WorkQueue("https://sqs/1/work", 1, pauses.append)
    with Stubber(queue.client) as stubber:
        failed = [{"Id": "0", "SenderFault": False, "Code": "InternalError"}]
        stubber.add_response("send_message_batch", {"Successful": [], "Failed": failed})

        with pytest.raises(OutOfTime):
            queue.send([{"a": 1}], deadline=Deadline(0.01, lambda: sum(pauses)))
    assert pauses == [0.01]


@pytest.mark.parametrize(
    "error",
    [EndpointConnectionError(endpoint_url="x"), ReadTimeoutError(endpoint_url="x"), ConnectTimeoutError(endpoint_url="x")],
)
def test_a_broken_connection_is_an_error_that_can_be_tried_again(environment, error, deadline):
    queue = WorkQueue(NO_QUEUE, 1)

    def broken(**_):
        raise error

    queue.client.meta.events.register("before-send.sqs.*", broken)

    with pytest.raises(QueueUnavailable):
        queue.send([{"a": 1}], deadline=deadline)


def test_a_queue_that_hangs_is_given_up_at_the_deadline(environment):
    queue, hung = WorkQueue(NO_QUEUE, 1), threading.Event()
    queue.client.meta.events.register("before-send.sqs.*", lambda **_: hung.wait(30))

    with pytest.raises(OutOfTime, match="SendMessageBatch"):
        queue.send([{"a": 1}], deadline=Deadline.after(0.05))
    hung.set()


CALLS = {
    "SendMessageBatch": lambda queue, deadline: queue.send([{"a": 1}], deadline=deadline),
    "DeleteMessageBatch": lambda queue, deadline: queue.delete(["handle"], deadline=deadline),
    "ChangeMessageVisibilityBatch": lambda queue, deadline: queue.hide({"handle": 5}, deadline=deadline),
}


@pytest.mark.parametrize("operation", CALLS)
def test_an_answer_that_accepts_nothing_is_an_error(environment, deadline, operation):
    """A queue that answers 200 with nothing in `Successful` has taken nothing."""
    queue = WorkQueue("https://sqs/1/work", 1)
    method = {"SendMessageBatch": "send_message_batch", "DeleteMessageBatch": "delete_message_batch"}
    with Stubber(queue.client) as stubber:
        stubber.add_response(method.get(operation, "change_message_visibility_batch"), {"Successful": [], "Failed": []})

        with pytest.raises(QueueUnavailable, match=f"1 entries of {operation}. Received: 1 not accepted"):
            CALLS[operation](queue, deadline)


@pytest.mark.parametrize("answer", [{}, {"Attributes": {}}])
def test_a_queue_that_tells_no_number_is_an_error_that_can_be_tried_again(environment, deadline, answer):
    queue = WorkQueue("https://sqs/1/work", 1)
    with Stubber(queue.client) as stubber:
        stubber.add_response("get_queue_attributes", answer)

        with pytest.raises(QueueUnavailable, match="how many messages wait"):
            queue.count_waiting(deadline=deadline)


DAMAGED = [
    b"[]",
    b"5",
    b"\xff",
    b"[" * 3000,
    b'{"Successful": [{}], "Failed": [{}]}',
    b'{"Successful": [null], "Failed": {}}',
    b'{"Successful": [{"Id": ["0"]}], "Attributes": {"ApproximateNumberOfMessages": 5}}',
    b'{"Failed": [{"Id": "0"}], "Attributes": []}',
    b'{"Attributes": {"ApproximateNumberOfMessages": "%b"}}' % (b"9" * 5000),
]


@pytest.mark.parametrize("operation", [*CALLS, "GetQueueAttributes"])
def test_an_answer_that_was_damaged_on_its_way_is_an_error_that_can_be_tried_again(environment, deadline, operation):
    """Any other error would end a lease, or fail messages that are finished."""
    queue, answers = WorkQueue("https://sqs/1/work", 1, lambda seconds: pytest.fail("no pause is due")), iter(DAMAGED)
    queue.client.meta.events.register(
        "before-send.sqs",
        lambda **_: AWSResponse("https://sqs", 200, {}, SimpleNamespace(stream=lambda: iter([next(answers)]))),
    )

    for _ in DAMAGED:
        with pytest.raises(QueueUnavailable):
            CALLS.get(operation, lambda queue, deadline: queue.count_waiting(deadline=deadline))(queue, deadline)
    assert list(answers) == []


def test_messages_are_deleted_and_hidden_by_their_handles(url, deadline):
    sqs, queue = boto3.client("sqs"), WorkQueue(url, 1)
    queue.send([{"a": 1}, {"a": 2}], deadline=deadline)
    first, second = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]

    queue.delete([first["ReceiptHandle"]], deadline=deadline)
    queue.hide({second["ReceiptHandle"]: 0}, deadline=deadline)

    assert received(url) == [json.loads(second["Body"])]
    assert queue.name == "work"
