"""The payloads in events/, and those that others publish."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handler.errors import InvocationFailed, UnrecognisedEvent
from handler.jobs import Sweep, SweepReport
from handler.objects import ObjectRef, Prefix
from handler.outcomes import Outcome, Report
from handler.triggers import TRIGGERS, parse_event
from handler.triggers.request import Results

EVENTS = Path(__file__).parent.parent.parent.parent / "events"
BUCKET = "coatcheck-input-123456789012"
HOSTILE = ["uploads/red flower.jpg", "uploads/c++ notes+100%.png", "uploads/naïve/ñ.png", "uploads/rack 2/"]
LONGEST = "uploads/" + "ä" * 506 + ".png"
COAT = ["uploads/coat-0.png"]
NESTED = ["uploads/coat-0.png", "uploads/bag-0.png", "uploads/dress-0.png", "uploads/shirt-0.png", "uploads/sandal-0.png"]
DUE = "2026-11-02T10:00:00Z"
UPLOADS = Prefix(BUCKET, "uploads/")

S3, SQS, SNS, EVENTBRIDGE = "S3 notification", "SQS", "SNS", "EventBridge"
SCHEDULE, MAP, BATCH, DIRECT = "schedule", "Step Functions Distributed Map", "S3 Batch Operations", "direct invocation"

# For each file: its source, the keys it names, how many of its messages cannot be read.
PAYLOADS = {
    "s3-upload.json": (S3, COAT, 0),
    "s3-upload-encoded-key.json": (S3, ["uploads/rack 1/naïve coat + 100%.png"], 0),
    "s3-two-records.json": (S3, ["uploads/sandal-0.png", "uploads/packed-idx3-ubyte.gz"], 0),
    "s3-test-event.json": (S3, [], 0),
    "s3-hostile-keys.json": (S3, HOSTILE, 0),
    "s3-longest-key.json": (S3, [*COAT, LONGEST], 0),
    "s3-unversioned-upload.json": (S3, COAT, 0),
    "s3-versioned-upload.json": (S3, COAT, 0),
    "s3-delete.json": (S3, [], 0),
    "s3-tiering.json": (S3, [], 0),
    "sqs-s3-upload.json": (SQS, COAT, 0),
    "sqs-mixed-batch.json": (SQS, ["uploads/coat-0.png", "uploads/bag-0.png"], 2),
    "sqs-hostile-keys.json": (SQS, [*HOSTILE, LONGEST], 0),
    "sqs-nested.json": (SQS, NESTED, 0),
    "sqs-unreadable.json": (SQS, [], 4),
    "sqs-sweep.json": (SQS, [], 0),
    "sns-upload.json": (SNS, ["uploads/red flower.jpg"], 0),
    "sns-test-event.json": (SNS, [], 0),
    "eventbridge-upload.json": (EVENTBRIDGE, COAT, 0),
    "eventbridge-raw-key.json": (EVENTBRIDGE, ["uploads/c++ notes+100%.png"], 0),
    "eventbridge-encoded-key.json": (EVENTBRIDGE, ["uploads/red+flower.jpg"], 0),
    "eventbridge-delete.json": (EVENTBRIDGE, [], 0),
    "schedule-sweep.json": (SCHEDULE, [], 0),
    "schedule-scheduler.json": (SCHEDULE, [], 0),
    "schedule-rule.json": (SCHEDULE, [], 0),
    "map-listing-batch.json": (MAP, ["uploads/coat-0.png", "uploads/c++ notes+100%.png", "uploads/rack 2/"], 0),
    "map-listing-item.json": (MAP, COAT, 0),
    "map-inventory-batch.json": (MAP, ["uploads/coat-0.png", "uploads/red+flower.jpg", "elsewhere/coat-0.png"], 0),
    "map-json-batch.json": (MAP, ["uploads/coat-0.png", "uploads/bag-0.png"], 0),
    "map-csv-item.json": (MAP, COAT, 0),
    "batch-operations-1.json": (BATCH, COAT, 0),
    "batch-operations-2.json": (
        BATCH,
        ["uploads/red flower.jpg", "uploads/rack 2/", "uploads/deleted.png", "elsewhere/coat-0.png"],
        1,
    ),
    "direct-objects.json": (DIRECT, ["uploads/coat-0.png", "uploads/c++ notes+100%.png", "uploads/deleted.png"], 0),
}
SWEEPS = {
    "schedule-sweep.json": Sweep(UPLOADS, scheduled_time=DUE),
    "schedule-scheduler.json": Sweep(scheduled_time=DUE),
    "schedule-rule.json": Sweep(scheduled_time=DUE),
    "sqs-sweep.json": Sweep(UPLOADS, after="uploads/coat-0.png", scheduled_time=DUE),
}


def test_every_payload_is_in_the_table():
    assert {path.name for path in EVENTS.glob("*.json")} == set(PAYLOADS)
    assert {trigger.NAME for trigger in TRIGGERS} == {source for source, _, _ in PAYLOADS.values()}


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_payload_names_its_objects(name, load_event):
    source, keys, unreadable = PAYLOADS[name]
    event = load_event(name)
    request = parse_event(event)

    assert [trigger.NAME for trigger in TRIGGERS if trigger.recognises(event)] == [source]
    assert (request.trigger, [ref.key for ref in request.objects]) == (source, keys)
    assert {ref.bucket for ref in request.objects} <= {BUCKET}
    assert sum(message.problem is not None for message in request.messages) == unreadable
    assert request.sweeps == ((SWEEPS[name],) if name in SWEEPS else ())


def test_the_hostile_keys_are_what_they_are_called():
    assert len(LONGEST.encode()) == 1024
    assert HOSTILE[3].endswith("/")


# --- what others publish ------------------------------------------------------------------------------------------------------

# The events of S3, and those around it, in the test suite of Powertools for AWS Lambda (MIT-0, see NOTICE).
COLLECTION = json.loads((Path(__file__).parent / "powertools-events.json").read_text())
ARTIFACT = "s3://lambda-artifacts-deafc19498e3f2df/b21b84d653bb07b05b1e6b33684dc11b"
ANSWERED = {
    "s3Event": [ARTIFACT],
    "s3EventDeleteObject": [],
    "s3EventGlacier": [ARTIFACT],
    "s3EventBridgeNotificationObjectCreatedEvent": ["s3://example-bucket/IMG_m7fzo3.jpg"],
    "s3EventBridgeNotificationObjectDeletedEvent": [],
    "s3EventBridgeNotificationObjectExpiredEvent": [],
    "s3EventBridgeNotificationObjectRestoreCompletedEvent": [],
    "s3SqsEvent": ["s3://xxx/test.pdf"],
    "s3BatchOperationEventSchemaV1": ["s3://powertools-dataset/prefix/dataset/dataset.20231222.json.gz"],
    "s3BatchOperationEventSchemaV2": ["s3://powertools-dataset/prefix/dataset/dataset.20231222.json.gz"],
    "eventBridgeSchedulerEvent": [],
}
REFUSED = {"snsEvent": InvocationFailed, "sqsEvent": None, "snsSqsEvent": None}  # none of these is about an object


def answer(event, outcome=Outcome.SCORED):
    request = parse_event(event)
    return request, request.reply(Results({ref: Report(ref, outcome) for ref in request.objects}))


def test_every_event_of_the_collection_is_in_a_table():
    assert set(COLLECTION) == {*ANSWERED, *REFUSED}


@pytest.mark.parametrize("name", sorted(set(ANSWERED) - {"eventBridgeSchedulerEvent"}))
def test_the_events_of_the_collection_are_answered(name):
    request, answered = answer(COLLECTION[name])

    assert [str(ref) for ref in request.objects] == ANSWERED[name]
    if name.startswith("s3Batch"):
        assert [result["resultCode"] for result in answered["results"]] == ["Succeeded"]
        assert answered["invocationSchemaVersion"] == COLLECTION[name]["invocationSchemaVersion"]
        assert answered["invocationId"] == COLLECTION[name]["invocationId"]
    elif name == "s3SqsEvent":
        assert answered == {"batchItemFailures": []}
    else:
        assert [row["object"] for row in answered["objects"]] == ANSWERED[name]


def test_the_schedule_of_the_collection_is_a_sweep_of_its_time():
    assert parse_event(COLLECTION["eventBridgeSchedulerEvent"]).sweeps == (Sweep(scheduled_time="2025-02-20T16:03:00Z"),)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_messages_of_the_collection_about_something_else_fail(name):
    event = COLLECTION[name]

    if REFUSED[name]:
        with pytest.raises(REFUSED[name]):
            answer(event)
    else:
        _, answered = answer(event)
        assert {row["itemIdentifier"] for row in answered["batchItemFailures"]} == {
            record["messageId"] for record in event["Records"]
        }


# --- single sources -----------------------------------------------------------------------------------------------------------


def test_a_raw_key_is_never_decoded_but_its_decoded_form_may_be_tried(load_event):
    request = parse_event(load_event("eventbridge-encoded-key.json"))

    assert request.objects == (ObjectRef(BUCKET, "uploads/red+flower.jpg"),)
    assert request.alternatives == {ObjectRef(BUCKET, "uploads/red+flower.jpg"): ObjectRef(BUCKET, "uploads/red flower.jpg")}


@pytest.mark.parametrize("key", ["coat.png", "100%", "%FF", "a" * 1024])
def test_a_raw_key_that_encodes_nothing_else_has_no_alternative(key):
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": BUCKET}, "object": {"key": key}},
    }

    assert parse_event(event).alternatives == {}


@pytest.mark.parametrize("arn", [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:us-east-1:123456789012:{BUCKET}"])
def test_a_task_s_bucket_is_what_stands_last_in_its_arn(arn):
    task = {"taskId": "t", "s3Key": "a.png", "s3BucketArn": arn}
    request = parse_event({"invocationSchemaVersion": "1.0", "invocationId": "i", "job": {}, "tasks": [task]})

    assert request.objects == (ObjectRef(BUCKET, "a.png"),)


def test_a_task_without_bucket_or_key_fails_for_good():
    tasks = [{"taskId": "t1", "s3Key": "a.png"}, {"taskId": "t2", "s3BucketArn": f"arn:aws:s3:::{BUCKET}"}]
    request = parse_event({"invocationSchemaVersion": "2.0", "invocationId": "i", "job": {}, "tasks": tasks})

    results = request.reply(Results({}))["results"]

    assert [(row["taskId"], row["resultCode"]) for row in results] == [("t1", "PermanentFailure"), ("t2", "PermanentFailure")]


def test_a_job_of_no_tasks_has_no_results_and_missing_ones_are_to_be_tried_again():
    answered = parse_event({"invocationSchemaVersion": "2.0", "invocationId": "i", "job": {}, "tasks": []}).reply(Results({}))

    assert answered == {
        "invocationSchemaVersion": "2.0",
        "treatMissingKeysAs": "TemporaryFailure",
        "invocationId": "i",
        "results": [],
    }


def test_a_result_says_where_the_document_is_or_why_there_is_none(load_event):
    request = parse_event(load_event("batch-operations-1.json"))
    (ref,) = request.objects

    assert request.reply(Results({ref: Report(ref, Outcome.SCORED, ObjectRef("out", "k.json"))}))["results"] == [
        {"taskId": "dGFza2lkZ29lc2hlcmUK0", "resultCode": "Succeeded", "resultString": "scored: s3://out/k.json"}
    ]
    assert request.reply(Results({ref: Report(ref, Outcome.GONE)}))["results"][0]["resultString"] == f"gone: {ref}"


def items(*items, **batch_input):
    return {"Items": list(items), "BatchInput": {"bucket": BUCKET, **batch_input}}


@pytest.mark.parametrize(
    "item",
    [
        {"Key": "a.png", "Etag": '"x"', "Size": 5, "LastModified": 1668699881},
        {"Key": "a.png", "ETag": '"x"', "Size": "5", "LastModified": "2022-11-16T00:29:32.000Z"},
        {"KEY": "a.png", "bucket": BUCKET},
        {"key": "a.png", "Bucket": BUCKET, "label": "coat"},
        f"s3://{BUCKET}/a.png",
    ],
)
def test_an_item_may_have_any_of_the_forms_that_occur(item):
    assert parse_event(items(item)).objects == (ObjectRef(BUCKET, "a.png"),)


@pytest.mark.parametrize("item", [{"Key": 5}, {"Size": 1}, "a.png", 7, None, [], {"Key": ""}, {"Key": "k" * 1025}])
def test_an_item_that_names_no_object_fails_its_batch_and_no_other_item(item):
    request = parse_event(items({"Key": "a.png"}, item))

    assert len(request.objects) == 1
    with pytest.raises(InvocationFailed, match="1 of 2 items"):
        request.reply(Results({ref: Report(ref, Outcome.SCORED) for ref in request.objects}))


def test_an_item_of_a_listing_without_a_bucket_says_where_to_give_it():
    with pytest.raises(InvocationFailed, match=r"a Bucket in it or in BatchInput"):
        parse_event({"Key": "a.png", "Size": 1}).reply(Results({}))


@pytest.mark.parametrize(("tolerated", "raises"), [(0, True), (32, True), ("33.4", False), (34, False), (100, False)])
def test_a_batch_raises_when_more_failed_than_is_tolerated(tolerated, raises):
    request = parse_event(items({"Key": "a"}, {"Key": "b"}, {"Key": "c"}, tolerated_failure_percentage=tolerated))
    outcomes = {"a": Outcome.SCORED, "b": Outcome.FAILED, "c": Outcome.SCORED}
    results = Results({ref: Report(ref, outcomes[ref.key], error=None, images=2) for ref in request.objects})

    if raises:
        with pytest.raises(InvocationFailed, match="1 of 3 items are not finished"):
            request.reply(results)
    else:
        answered = request.reply(results)
        assert (answered["items"], answered["outcomes"]["failed"], answered["outcomes"]["scored"]) == (3, 1, 2)
        assert len(answered["unfinished"]) == 1


def test_the_summary_of_a_batch_is_small_however_large_the_batch():
    request = parse_event(items(*({"Key": f"{n}.png"} for n in range(5000)), tolerated_failure_percentage=100))

    answered = request.reply(Results({ref: Report(ref, Outcome.FAILED, error=ValueError("x" * 50)) for ref in request.objects}))

    assert len(json.dumps(answered)) < 3000


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ({"job": "sweep", "prefx": "s3://bucket/a/"}, "prefx"),
        ({"job": "sweep", "prefix": "uploads/"}, "slash at its end"),
        ({"job": "sweep", "prefix": "s3://bucket/a"}, "slash at its end"),
        ({"job": "sweep", "prefix": ""}, "slash at its end"),
        ({"job": "sweep", "prefix": 5}, "prefix"),
        ({"job": "sweep", "after": "uploads/a"}, "a prefix together with after"),
    ],
)
def test_a_job_that_cannot_be_understood_raises(event, problem):
    request = parse_event(event)

    assert request.sweeps == ()
    with pytest.raises(InvocationFailed, match=problem):
        request.reply(Results({}))


@pytest.mark.parametrize("sweep", [Sweep(), *SWEEPS.values(), Sweep(Prefix("bucket", ""), "k\u2028ey", "t")])
def test_a_sweep_is_read_as_it_is_written(sweep):
    message = sweep.as_message()

    assert parse_event(message).sweeps == (sweep,)
    assert parse_event({"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": json.dumps(message)}]}).sweeps == (
        sweep,
    )


def test_an_envelope_whose_time_is_no_text_is_a_sweep_without_a_name():
    assert parse_event({"source": "aws.events", "detail-type": "Scheduled Event", "time": 5}).sweeps == (Sweep(),)


def test_a_list_for_direct_invocation_that_holds_no_addresses_names_what_is_wrong():
    with pytest.raises(UnrecognisedEvent, match="with one object or more"):
        parse_event({"objects": []})
    request = parse_event({"objects": ["/tmp/a", f"s3://{BUCKET}/a"]})
    with pytest.raises(InvocationFailed, match=r"1 of 2 .*Expected s3://bucket/key. Received: '/tmp/a'"):
        request.reply(Results({ref: Report(ref, Outcome.SCORED) for ref in request.objects}))


# --- hostile events -----------------------------------------------------------------------------------------------------------


def places(value, path=()):
    """The path of everything inside a JSON value."""
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*path, key))


def put(value, path, new):
    if not path:
        return new
    copied = value.copy()
    copied[path[0]] = put(value[path[0]], path[1:], new)
    return copied


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
LOADED = [json.loads((EVENTS / name).read_text()) for name in PAYLOADS]


@given(st.data())
@settings(max_examples=600)
def test_whatever_stands_anywhere_in_an_event_it_is_asked_for_or_refused(data):
    """No other exception comes out of a trigger: of a batch only what is bad may fail, or the whole event with its reason."""
    event = data.draw(st.sampled_from(LOADED))
    path = data.draw(st.sampled_from(list(places(event))))
    hostile = put(event, path, data.draw(ANYTHING))

    try:
        request = parse_event(hostile)
    except UnrecognisedEvent:
        return
    results = Results(
        {ref: Report(ref, Outcome.SCORED) for ref in request.objects}, {sweep: SweepReport(sweep) for sweep in request.sweeps}
    )
    with contextlib.suppress(InvocationFailed):
        json.dumps(request.reply(results))


@pytest.mark.parametrize(
    "event",
    [
        {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": BUCKET}, "object": {"key": "k" * 1025}},
        },
        {"objects": [f"s3://{BUCKET}/{'k' * 1025}"]},
    ],
)
def test_a_key_that_no_object_can_have_fails_its_event(event):
    with pytest.raises(InvocationFailed, match="a key of 1 to 1024 bytes"):
        parse_event(event).reply(Results({}))


def queued(*bodies):
    return {
        "Records": [
            {"eventSource": "aws:sqs", "messageId": f"m{n}", "body": body if isinstance(body, str) else json.dumps(body)}
            for n, body in enumerate(bodies)
        ]
    }


def failures(event):
    request, answered = answer(event)
    return [ref.key for ref in request.objects], [row["itemIdentifier"] for row in answered["batchItemFailures"]]


GOOD = {"objects": [f"s3://{BUCKET}/a"]}


@pytest.mark.parametrize("bad", [{"objects": []}, {"objects": [f"s3://{BUCKET}/b"], "more": 1}, {"requestContext": {}}])
def test_a_message_that_its_source_refuses_fails_alone(bad):
    assert failures(queued(bad, GOOD)) == (["a"], ["m0"])


@pytest.mark.parametrize("depth", [100, 900, 5_000, 9_990, 100_000])
def test_a_list_of_nonsense_however_deep_fails_alone(depth):
    keys, failed = failures(queued('{"objects": [' + "[" * depth + "]" * depth + "]}", GOOD))

    assert (keys, failed) == (["a"], ["m0"])


def test_an_envelope_in_an_envelope_is_opened():
    envelope = {"Type": "Notification", "Message": json.dumps({"Type": "Notification", "Message": json.dumps(GOOD)})}

    assert failures(queued(envelope)) == (["a"], [])


def test_what_lambda_kept_of_a_failed_invocation_asks_for_what_that_asked_for(load_event):
    kept = {
        "version": "1.0",
        "requestContext": {"condition": "RetriesExhausted"},
        "requestPayload": load_event("s3-upload.json"),
    }

    assert failures(queued(kept)) == (COAT, [])


def test_the_alternative_of_a_raw_key_is_carried_along(load_event):
    request = parse_event(queued(load_event("eventbridge-encoded-key.json")))

    assert list(request.alternatives.values()) == [ObjectRef(BUCKET, "uploads/red flower.jpg")]


def test_a_result_s_text_is_cut_to_what_a_job_takes(load_event):
    request = parse_event(load_event("batch-operations-1.json"))
    (ref,) = request.objects

    (result,) = request.reply(Results({ref: Report(ref, Outcome.FAILED, error=ValueError("x" * 5000))}))["results"]

    assert len(result["resultString"]) == 1024


def test_an_item_s_own_bucket_goes_before_the_batch_s():
    assert parse_event(items({"Key": "a", "Bucket": "its-own"})).objects == (ObjectRef("its-own", "a"),)


def test_keys_that_are_said_to_be_encoded_are_decoded_and_nothing_else_is_tried():
    request = parse_event(items({"Key": "a+b"}, {"Key": "a%2Bb"}, encoded_keys="true"))

    assert [ref.key for ref in request.objects] == ["a b", "a+b"]
    assert request.alternatives == {}


def test_a_row_with_a_column_named_job_is_an_item():
    assert parse_event({"key": "a", "bucket": BUCKET, "job": "7"}).objects == (ObjectRef(BUCKET, "a"),)


@pytest.mark.parametrize("event", [{"job": "sweep", "\ud800": 1}, {"job": "\ud800"}])
def test_text_that_is_no_unicode_is_refused(event):
    with pytest.raises((UnrecognisedEvent, InvocationFailed)):
        parse_event(event).reply(Results({}))


def test_what_is_quoted_of_a_hostile_message_is_cut():
    """Ten of a batch are quoted in one summary, which Step Functions limits to 256 KiB."""
    request = parse_event(
        {"Items": [{"Key": "k"}] * 20, "BatchInput": {"bucket": "b" * 150_000, "tolerated_failure_percentage": 100}}
    )

    assert len(json.dumps(request.reply(Results({})))) < 20_000
    assert all(len(str(message.problem)) < 1100 for message in request.messages)


def test_a_major_version_is_compared_whole():
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventVersion": "21.0"}

    assert parse_event({"Records": [record]}).messages[0].problem
