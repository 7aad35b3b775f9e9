"""Events to objects, and outcomes to answers. Pure, and on the payloads in events/."""

import copy
import json
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.errors import InvocationFailed, UnreadableMessage, UnrecognisedEvent
from handler.jobs import Asked
from handler.objects import MAX_BUCKET_CHARACTERS, MAX_KEY_BYTES, ObjectRef
from handler.outcomes import Outcome, Report
from handler.triggers import parse_event
from handler.triggers.request import Results, name_object

INPUT = "coatcheck-input-123456789012"


def record(key="a.png", name="ObjectCreated:Put", **changes):
    event = {"eventSource": "aws:s3", "eventName": name, "s3": {"bucket": {"name": INPUT}, "object": {"key": key}}}
    return event | changes


def message(message_id, body):
    return {
        "messageId": message_id,
        "body": body if isinstance(body, str) else json.dumps(body),
        "eventSource": "aws:sqs",
    }


def keys(event):
    return [ref.key for ref in parse_event(event).objects]


def reports(request, **outcomes):
    """A report on each object: scored, unless `outcomes` says otherwise by key."""
    return Results({ref: Report(ref, outcomes.get(ref.key, Outcome.SCORED)) for ref in request.objects})


@given(st.text(min_size=1, max_size=300).filter(lambda key: 0 < len(key.encode("utf-8", "ignore")) <= 1024))
def test_a_key_is_decoded_once_whatever_it_holds(key):
    if any("\ud800" <= character <= "\udfff" for character in key):
        return
    assert keys({"Records": [record(quote_plus(key))]}) == [key]
    assert keys({"Records": [record(quote_plus(key, safe="/"))]}) == [key]


@pytest.mark.parametrize(
    ("encoded", "key"), [("red+flower.jpg", "red flower.jpg"), ("%252B.png", "%2B.png"), ("a%2Bb", "a+b"), ("..%2Fx", "../x")]
)
def test_known_keys_are_decoded_once(encoded, key):
    assert keys({"Records": [record(encoded)]}) == [key]


@pytest.mark.parametrize(
    "name", ["ObjectRemoved:Delete", "ObjectRestore:Post", "ObjectRestore:Delete", "LifecycleTransition", "ObjectTagging:Put"]
)
def test_other_events_ask_for_nothing_and_are_acknowledged(name):
    """A tiering record has `get_object` where others have `object`; neither is looked at."""
    request = parse_event({"Records": [record(name=name, s3={"bucket": {"name": INPUT}, "get_object": {"key": "x"}})]})

    assert request.reply(Results({}))["objects"] == []


@pytest.mark.parametrize("name", ["ObjectRestore:Completed", "s3:ObjectRestore:Completed"])
def test_an_object_that_was_restored_is_scored_unless_it_was_before(name):
    """While it was archived, its upload was answered with a rejection."""
    request = parse_event({"Records": [record(name=name)]})

    assert request.asked == (Asked(ObjectRef(INPUT, "a.png"), unless_done=True),)


def test_what_is_missing_from_a_record_and_not_needed_is_not_missed():
    assert keys({"Records": [record()]}) == ["a.png"]


@pytest.mark.parametrize(
    "bad",
    [
        record(key="%FF.png"),
        record(key=""),
        record(key="k" * 1025),
        record(key=7),
        record(s3=None),
        record(s3={"bucket": {}, "object": {"key": "x"}}),
        record(eventVersion="3.0"),
        record(eventName=None),
    ],
)
def test_a_bad_record_fails_the_event_and_the_others_are_still_named(bad):
    request = parse_event({"Records": [record("a.png"), bad, record("b.png")]})

    assert [ref.key for ref in request.objects] == ["a.png", "b.png"]
    with pytest.raises(InvocationFailed, match="1 of 3 records"):
        request.reply(reports(request))


def test_a_key_with_lone_surrogates_is_a_bad_record():
    request = parse_event({"Records": [record("\ud800.png")]})

    with pytest.raises(InvocationFailed, match="lone surrogates"):
        request.reply(Results({}))


@pytest.mark.parametrize("name", ["uploads/2026/11/30/camera-1/{:06}.jpg", "画像" * 150 + "{:06}"])
def test_an_answer_about_many_objects_is_no_larger_than_lambda_takes(name):
    """Lambda refuses one of more than 6,291,556 bytes, and who asked would take what is done for failed."""
    request = parse_event({"objects": [f"s3://{INPUT}/{name.format(number)}" for number in range(40_000)]})
    reports = {ref: Report(ref, Outcome.SCORED, ObjectRef("out", ref.key), images=1) for ref in request.objects}

    answer = request.reply(Results(reports))

    assert len(json.dumps(answer)) < 6_291_556
    assert len(answer["objects"]) > 1000
    assert len(answer["objects"]) + answer["objects_left_out"] == answer["outcomes"]["scored"] == 40_000


def test_a_direct_notification_answers_with_outcomes_and_documents():
    request = parse_event({"Records": [record("a.png"), record("b.png")]})
    first, second = request.objects
    document = ObjectRef("out", "a.png.json")

    answer = request.reply(
        Results({first: Report(first, Outcome.SCORED, document, images=7), second: Report(second, Outcome.GONE)})
    )

    assert answer == {
        "objects": [
            {"object": f"s3://{INPUT}/a.png", "outcome": "scored", "document": "s3://out/a.png.json"},
            {"object": f"s3://{INPUT}/b.png", "outcome": "gone", "document": None},
        ],
        "outcomes": {"scored": 1, "duplicate": 0, "superseded": 0, "gone": 1, "rejected": 0, "failed": 0, "postponed": 0},
        "images": 7,
    }


def test_exactly_the_unfinished_messages_are_named():
    request = parse_event({"Records": [message(f"m{n}", {"Records": [record(f"{n}.png")]}) for n in range(10)]})

    answer = request.reply(reports(request, **{"3.png": Outcome.FAILED, "7.png": Outcome.FAILED}))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m3"}, {"itemIdentifier": "m7"}]}


def test_a_message_is_finished_only_if_all_its_objects_are():
    request = parse_event({"Records": [message("m1", {"Records": [record("a.png"), record("b.png")]})]})

    assert request.reply(reports(request, **{"b.png": Outcome.FAILED})) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


def test_an_object_in_two_messages_is_asked_for_once_and_decides_both():
    request = parse_event({"Records": [message(m, {"Records": [record("a.png")]}) for m in ("m1", "m2")]})

    assert len(request.objects) == 1
    assert len(request.reply(reports(request, **{"a.png": Outcome.FAILED}))["batchItemFailures"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        "",
        "[]",
        "null",
        '"text"',
        "{}",
        '{"Records": []}',
        '{"Records": [{"eventSource": "aws:kinesis"}]}',
        "\ud800",
        "[" * 100_000,
    ],
    ids=lambda body: body[:20],
)
def test_an_unreadable_body_fails_alone(body):
    request = parse_event({"Records": [message("bad", body), message("good", {"Records": [record("a.png")]})]})

    assert [ref.key for ref in request.objects] == ["a.png"]
    assert request.reply(reports(request)) == {"batchItemFailures": [{"itemIdentifier": "bad"}]}


def test_the_mixed_batch_fails_the_unreadable_and_the_half_readable(load_event):
    request = parse_event(load_event("sqs-mixed-batch.json"))

    failed = {failure["itemIdentifier"][-1] for failure in request.reply(reports(request))["batchItemFailures"]}

    assert failed == {"3", "4"}


def test_a_test_event_is_acknowledged(load_event):
    request = parse_event({"Records": [message("m1", load_event("s3-test-event.json"))]})

    assert request.reply(Results({})) == {"batchItemFailures": []}


def test_the_error_shows_the_event_s_keys_and_nothing_they_hold():
    with pytest.raises(UnrecognisedEvent) as raised:
        parse_event({"password": "secret", "jobs": 1})

    assert "['jobs', 'password']" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_mixture_of_sources_is_an_event_of_nobody():
    with pytest.raises(UnrecognisedEvent):
        parse_event({"Records": [record(), message("m1", "{}")]})


def test_a_message_that_comes_twice_in_a_batch_is_named_once():
    """Standard queues deliver at least once, also within a batch."""
    request = parse_event({"Records": [message("m1", {"Records": [record("a.png")]})] * 2})

    assert request.reply(reports(request, **{"a.png": Outcome.FAILED})) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


@pytest.mark.parametrize("ids", [["", "m2"], [None, "m2"]])
def test_messages_without_ids_are_refused_together(ids):
    """Lambda takes an empty or unknown id in the answer for a failure of the whole batch; so it is said plainly."""
    good = {"Records": [record("a.png")]}

    with pytest.raises(UnrecognisedEvent):
        parse_event({"Records": [message(message_id, good) for message_id in ids]})


@pytest.mark.parametrize(
    ("attributes", "receive_count"),
    [
        ({"ApproximateReceiveCount": "1"}, 1),
        ({"ApproximateReceiveCount": "17"}, 17),
        ({}, 1),
        (None, 1),
        ("text", 1),
        ({"ApproximateReceiveCount": "-3"}, 1),
        ({"ApproximateReceiveCount": "9" * 5000}, 1),
        ({"ApproximateReceiveCount": 4}, 1),
    ],
)
def test_a_message_says_how_often_it_was_delivered_and_by_what_it_is_given_back(attributes, receive_count):
    record_of_queue = message("m1", {"Records": [record("a.png")]}) | {"receiptHandle": "AQEB", "attributes": attributes}

    (parsed,) = parse_event({"Records": [record_of_queue]}).messages

    assert (parsed.receipt_handle, parsed.receive_count) == ("AQEB", receive_count)


def test_a_message_whose_receipt_is_no_text_is_scored_all_the_same():
    (parsed,) = parse_event({"Records": [message("m1", {"Records": [record("a.png")]}) | {"receiptHandle": 5}]}).messages

    assert (parsed.receipt_handle, len(parsed.objects), parsed.problem) == (None, 1, None)


def test_parsing_leaves_the_event_as_it_is(load_event):
    event = load_event("sqs-mixed-batch.json")
    before = copy.deepcopy(event)

    parse_event(event)

    assert event == before


@pytest.mark.parametrize(("bucket", "key"), [("b", "k"), ("b" * MAX_BUCKET_CHARACTERS, "ä" * (MAX_KEY_BYTES // 2))])
def test_names_of_the_shortest_and_the_longest_that_s3_takes_are_names(bucket, key):
    assert name_object(bucket, key) == ObjectRef(bucket, key)


@pytest.mark.parametrize(
    ("bucket", "key"), [("", "k"), ("b", ""), ("b" * (MAX_BUCKET_CHARACTERS + 1), "k"), ("b", "k" * (MAX_KEY_BYTES + 1))]
)
def test_names_that_are_empty_or_longer_than_s3_takes_are_none(bucket, key):
    with pytest.raises(UnreadableMessage, match="Expected a bucket, and a key of 1 to 1024 bytes"):
        name_object(bucket, key)
