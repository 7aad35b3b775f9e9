"""What each kind of dead letter says, and the way by which it goes back."""

import json

import pytest

from handler.triggers import sqs
from infra.paths import EVENTS
from infra.redrive.letters import Letter, read_letter
from tests.infra.redrive.letters import (
    IMAGE,
    NOTIFICATION,
    PLAN,
    RECORDS,
    RULE,
    SCHEDULE,
    SWEEP,
    UPLOAD,
    attributes,
    notification,
    postponed,
    record_of,
)


def letter(body, values=None, **system):
    text = body if isinstance(body, str) else json.dumps(body)
    message = {"MessageId": "m", "ReceiptHandle": "h", "Body": text, "MessageAttributes": attributes(values or {})}
    return Letter.of(message | {"Attributes": {"SentTimestamp": "1793611800123", **system}})


def event(name):
    return json.loads((EVENTS / name).read_text())


OLDER = {"RequestID": "r", "ErrorCode": "200", "ErrorMessage": "Task timed out after 900.00 seconds"}
QUEUED = {"DeadLetterQueueSourceArn": "arn:aws:sqs:us-east-1:123456789012:uploads"}

READ = {
    "a message of the queue": (letter(notification("uploads/a+b.png"), **QUEUED), "sqs", "", f"{IMAGE}a b.png", "upload queue"),
    "a swept object": (letter({"objects": [f"{IMAGE}a.png"], "unless_done": True}), "sqs", "", f"{IMAGE}a.png", "upload queue"),
    "a part of a sweep": (letter(event("sqs-sweep.json")["Records"][0]["body"]), "sqs", "", "sweep of", "upload queue"),
    "a test event": (letter(event("s3-test-event.json"), **QUEUED), "sqs", "", "", "upload queue"),
    "a postponed message": (
        letter(postponed(notification("uploads/a.png")), **QUEUED),
        "postponed",
        "",
        f"{IMAGE}a.png",
        "upload queue",
    ),
    "an event that a rule kept": (letter(UPLOAD, RULE), "eventbridge", "NO_PERMISSIONS", IMAGE, "upload queue"),
    "a sweep that never began": (letter(SWEEP, SCHEDULE), "scheduler", SCHEDULE["ERROR_CODE"], "sweep of", "upload queue"),
    "a backlog that never began": (
        letter(PLAN, SCHEDULE),
        "scheduler",
        SCHEDULE["ERROR_CODE"],
        "backlog scheduled-2026-11-02T10:00:00Z",
        "state machine",
    ),
    "a notification of a topic": (letter(NOTIFICATION), "sns", "", IMAGE, "upload queue"),
    "the same from the queue": (letter(NOTIFICATION, **QUEUED), "sqs", "", IMAGE, "upload queue"),
    "a record redriven before": (letter(RECORDS[0], **QUEUED), "sqs", "InvocationFailed", IMAGE, "upload queue"),
    "an event of the older kind": (
        letter(notification("uploads/a.png"), OLDER),
        "lambda",
        "Task timed out after 900.00 seconds",
        f"{IMAGE}a.png",
        "upload queue",
    ),
    "a batch that somebody invoked with": (
        letter(record_of(event("sqs-s3-upload.json"), "Sandbox.Timedout")),
        "lambda",
        "Sandbox.Timedout",
        IMAGE,
        "function",
    ),
    "a backlog's plan that somebody invoked with": (
        letter(record_of({"job": "plan", "run": "mine"})),
        "lambda",
        "InvocationFailed",
        "backlog mine",
        "function",
    ),
} | {
    f"a failed invocation by {name}": (letter(record), "lambda", "InvocationFailed", asked, "upload queue")
    for name, record, asked in zip(
        ("S3", "SNS", "EventBridge", "CloudTrail", "a schedule", "a person", "a state"),
        RECORDS,
        (IMAGE, IMAGE, IMAGE, IMAGE, "sweep of", IMAGE, IMAGE),
        strict=True,
    )
}


@pytest.mark.parametrize("name", READ)
def test_a_letter_is_known_by_who_gave_it_up_and_goes_back_by_its_way(name):
    dead, kind, error, asked, way = READ[name]
    reading = read_letter(dead)

    assert (reading.kind, reading.error, reading.way, reading.problem) == (kind, error, way, "")
    assert reading.asked.startswith(asked)
    assert bool(reading.asked) == bool(asked)


@pytest.mark.parametrize("name", [name for name, read in READ.items() if read[4] == "upload queue"])
def test_what_goes_to_the_queue_asks_there_for_what_the_letter_asked_for(name):
    """The letter's own body, so that nothing is wrapped into one more envelope at each redrive."""
    dead = READ[name][0]
    reading = read_letter(dead)
    (sent,) = sqs.parse({"Records": [{"messageId": "n", "body": reading.content, "eventSource": "aws:sqs"}]}).messages

    assert (sent.objects, sent.problem, sent.receive_count) == (reading.objects, None, 1)
    if reading.kind not in {"postponed", "scheduler"}:
        assert reading.content == dead.body


def test_a_postponed_message_begins_anew_but_is_not_scored_again_if_it_was():
    """Its failures are those of the function before it was mended, and would let its neighbours bring it back here."""
    reading = read_letter(letter(postponed(notification("uploads/a.png"), failures=8)))

    assert json.loads(reading.content) == postponed(notification("uploads/a.png"), failures=0)


def test_the_time_that_a_schedule_was_due_at_is_filled_in():
    assert json.loads(read_letter(letter(SWEEP, SCHEDULE)).content) == {
        "job": "sweep",
        "scheduled_time": "2026-11-02T10:00:00Z",
    }


UNREADABLE = {
    "not JSON": letter("poison"),
    "deep JSON": letter("[" * 100_000),
    "half a surrogate": letter('{"objects": ["s3://bucket/\\ud800"]}'),
    "an unknown event": letter({"detail-type": "Order", "source": "shop"}, RULE),
    "a record of an unknown event": letter(record_of({"a": 1})),
    "a record of a batch of poison": letter(
        record_of({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "poison"}]})
    ),
    "a record of a task token": letter(record_of({"objects": [f"{IMAGE}a.png"], "taskToken": "t"})),
    "a plan in the queue": letter({"job": "plan", "run": "mine"}),
    "a shard of a schedule": letter({"job": "summarise", "run": "mine"}, SCHEDULE),
    "an event that was cut off": letter(json.dumps(SWEEP)[:-1], SCHEDULE | {"IS_PAYLOAD_TRUNCATED": "true"}),
    "a broken envelope": letter(postponed("poison") | {"message": "poison"}),
    "a record of no event": letter(record_of("poison")),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_understood_has_a_reason_and_no_way(name):
    reading = read_letter(UNREADABLE[name])

    assert (reading.way, reading.content) == (None, "")
    assert reading.problem


def test_letters_are_chosen_by_kind_by_error_and_by_patterns_of_addresses_and_keys():
    reading = read_letter(letter(UPLOAD, RULE))
    (ref,) = reading.objects

    assert [
        it
        for it in ("eventbridge", "NO_PERMISSIONS", str(ref), "uploads/*", f"{IMAGE}*", "*.png")
        if not reading.is_any_of([it])
    ] == []
    assert [it for it in ("sqs", "uploads/", "other/*", "") if reading.is_any_of([it])] == []
    assert reading.is_any_of(["sqs", "uploads/*"])
