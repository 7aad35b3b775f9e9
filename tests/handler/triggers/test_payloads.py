"""The payloads in events/, and those that others publish."""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handler.errors import InvocationFailed, UnrecognisedEvent
from handler.jobs import Chain, Sweep, SweepReport
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
DEAD_LETTERS = ["uploads/coat-0.png", "uploads/red flower.jpg"] + [
    f"uploads/{name}-0.png" for name in ("bag", "dress", "shirt", "sandal")
]
DUE = "2026-11-02T10:00:00Z"
UPLOADS = Prefix(BUCKET, "uploads/")

S3, SQS, SNS, EVENTBRIDGE = "S3 notification", "SQS", "SNS", "EventBridge"
CLOUDTRAIL = "CloudTrail"
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
    "s3-minio.json": (S3, ["uploads/red flower.jpg"], 0),
    "s3-ceph.json": (S3, ["uploads/c++ notes+100%.png", "uploads/coat-0.png"], 0),
    "s3-tiering.json": (S3, [], 0),
    "sqs-s3-upload.json": (SQS, COAT, 0),
    "sqs-mixed-batch.json": (SQS, ["uploads/coat-0.png", "uploads/bag-0.png"], 2),
    "sqs-hostile-keys.json": (SQS, [*HOSTILE, LONGEST], 0),
    "sqs-nested.json": (SQS, NESTED, 0),
    "sqs-dead-letters.json": (SQS, DEAD_LETTERS, 0),
    "sqs-unreadable.json": (SQS, [], 4),
    "sqs-sweep.json": (SQS, [], 0),
    "sns-upload.json": (SNS, ["uploads/red flower.jpg"], 0),
    "sns-test-event.json": (SNS, [], 0),
    "eventbridge-upload.json": (EVENTBRIDGE, COAT, 0),
    "eventbridge-raw-key.json": (EVENTBRIDGE, ["uploads/c++ notes+100%.png"], 0),
    "eventbridge-encoded-key.json": (EVENTBRIDGE, ["uploads/red+flower.jpg"], 0),
    "eventbridge-delete.json": (EVENTBRIDGE, [], 0),
    "eventbridge-unknown.json": (EVENTBRIDGE, [], 1),
    "cloudtrail-put.json": (CLOUDTRAIL, ["uploads/c++ notes+100%.png"], 0),
    "cloudtrail-read.json": (CLOUDTRAIL, [], 0),
    "cloudtrail-refused-put.json": (CLOUDTRAIL, [], 0),
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
    "sqs-dead-letters.json": Sweep(UPLOADS, scheduled_time=DUE),
    "sqs-sweep.json": Sweep(UPLOADS, after="uploads/coat-0.png", scheduled_time=DUE),
}


def alternatives(request):
    """The objects to score instead, by the object that may not exist."""
    return {one.ref: one.alternative for one in request.asked if one.alternative}


def ids_given_by_sources(event):
    """The ids that the source of an event gives its parts, by which it is told of them; None if it only counts them."""
    if "tasks" in event:
        return [task["taskId"] for task in event["tasks"]]
    if "detail-type" in event:
        return [event["id"]]
    return [record["messageId"] for record in event.get("Records", []) if "messageId" in record] or None


@pytest.mark.parametrize("name", [name for name, (source, *_) in PAYLOADS.items() if source != SCHEDULE])
def test_a_message_has_the_id_that_its_source_gave_it_or_its_number(name):
    event = json.loads((EVENTS / name).read_text())
    ids = [message.id for message in parse_event(event).messages]

    assert ids == (ids_given_by_sources(event) or [str(number) for number in range(len(ids))])


def test_every_payload_is_in_the_table():
    assert {path.name for path in EVENTS.glob("*.json")} == {*PAYLOADS, "map-task-token.json"}
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
    "s3EventBridgeNotificationObjectRestoreCompletedEvent": ["s3://example-bucket/IMG_m7fzo3.jpg"],
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
    assert alternatives(request) == {ObjectRef(BUCKET, "uploads/red+flower.jpg"): ObjectRef(BUCKET, "uploads/red flower.jpg")}


@pytest.mark.parametrize("key", ["coat.png", "100%", "%FF", "a" * 1024])
def test_a_raw_key_that_encodes_nothing_else_has_no_alternative(key):
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": BUCKET}, "object": {"key": key}},
    }

    assert alternatives(parse_event(event)) == {}


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


def test_a_job_without_tasks_is_refused_since_nothing_would_be_done_for_it():
    with pytest.raises(UnrecognisedEvent, match="one task or more"):
        parse_event({"invocationSchemaVersion": "2.0", "invocationId": "i", "job": {}, "tasks": []})


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
        ({"job": "sweep", "rescore": "yes"}, "rescore"),
        ({"job": "sweep", "verify": 1}, "verify"),
        ({"job": "sweep", "chain": {"may_send": 5}}, "began"),
        ({"job": "sweep", "chain": {"began": "2026-11-02T10:00:00", "may_send": 5}}, "began"),  # in no time zone
        ({"job": "sweep", "chain": {"began": "2026-11-02T10:00:00Z", "may_send": -1}}, "may_send"),
        ({"job": "sweep", "chain": {"began": "2026-11-02T10:00:00Z", "may_send": 5, "is_clena": True}}, "is_clena"),
    ],
)
def test_a_job_that_cannot_be_understood_raises(event, problem):
    request = parse_event(event)

    assert request.sweeps == ()
    with pytest.raises(InvocationFailed, match=problem):
        request.reply(Results({}))


CHAIN = Chain(datetime(2026, 11, 2, 10, 0, 0, 5, tzinfo=UTC), 7, 8, 9, is_clean=False)


@pytest.mark.parametrize(
    "sweep",
    [
        Sweep(),
        *SWEEPS.values(),
        Sweep(Prefix("bucket", ""), "k\u2028ey", "t"),
        Sweep(rescore=True),
        Sweep(Prefix("bucket", "a/"), verify=True, chain=CHAIN),
        Sweep(Prefix("bucket", "a/"), "a/b", chain=msgspec.structs.replace(CHAIN, is_clean=True)),
    ],
)
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


IDLE = {"s3-test-event.json", "s3-delete.json", "s3-tiering.json", "sns-test-event.json", "eventbridge-delete.json"}
IDLE |= {"cloudtrail-read.json", "cloudtrail-refused-put.json"}

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
LOADED = {name: json.loads((EVENTS / name).read_text()) for name in PAYLOADS}


def requested(event):
    """What an event asks for, or None if it is refused as a whole."""
    try:
        request = parse_event(event)
    except UnrecognisedEvent:
        return None
    return [*request.objects, *request.sweeps, *(message.problem for message in request.messages if message.problem)]


@given(st.data())
@settings(max_examples=600)
def test_no_event_that_asks_for_something_is_answered_as_if_it_asked_for_nothing(data):
    """Whatever is changed in it, each event asks for something or fails, unless it becomes one that is known to be idle."""
    name = data.draw(st.sampled_from(sorted(set(LOADED) - IDLE)))
    path = data.draw(st.sampled_from([path for path in places(LOADED[name]) if path]))
    changed = put(LOADED[name], path, data.draw(ANYTHING.filter(bool)))

    assert requested(changed) != []


@pytest.mark.parametrize("name", sorted(LOADED))
def test_the_events_that_ask_for_nothing_are_known(name):
    assert (requested(LOADED[name]) == []) is (name in IDLE)


@given(st.data())
@settings(max_examples=600)
def test_whatever_stands_anywhere_in_an_event_it_is_asked_for_or_refused(data):
    """No other exception comes out of a trigger: of a batch only what is bad may fail, or the whole event with its reason."""
    event = data.draw(st.sampled_from(list(LOADED.values())))
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


def kept(event):
    return {"version": "1.0", "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": event}


def enveloped(event):
    return {"Type": "Notification", "Message": json.dumps(event)}


def on_topic(*events):
    return {"Records": [{"EventSource": "aws:sns", "Sns": enveloped(event)} for event in events]}


@pytest.mark.parametrize("around", [kept, enveloped, on_topic, lambda event: enveloped(kept(on_topic(enveloped(event))))])
@pytest.mark.parametrize(
    "name", sorted(name for name, (source, _, _) in PAYLOADS.items() if source in {S3, SNS, EVENTBRIDGE, CLOUDTRAIL, DIRECT})
)
def test_a_message_asks_for_what_the_event_in_its_envelopes_asks_for(name, around, load_event):
    _, keys, unreadable = PAYLOADS[name]

    assert failures(queued(around(load_event(name)))) == (keys, ["m0"] * bool(unreadable))


@pytest.mark.parametrize("name", sorted(name for name, (source, _, _) in PAYLOADS.items() if source in {MAP, SCHEDULE}))
def test_the_record_of_a_failed_invocation_asks_for_what_that_asked_for(name, load_event):
    request = parse_event(queued(kept(load_event(name))))

    assert [ref.key for ref in request.objects] == PAYLOADS[name][1]
    assert request.sweeps == ((SWEEPS[name],) if name in SWEEPS else ())
    assert not any(message.problem for message in request.messages)


def test_of_a_kept_event_of_a_topic_the_readable_notifications_are_scored_and_the_message_fails():
    event = on_topic(GOOD, {"hello": 1})
    event["Records"].append({"EventSource": "aws:sns", "Sns": {}})

    assert failures(queued(kept(event))) == (["a"], ["m0"])


@pytest.mark.parametrize("around", [kept, enveloped, on_topic])
def test_events_in_too_many_envelopes_are_refused_however_many_there_are(around):
    nested = GOOD
    for _ in range(9):
        nested = around(nested)

    assert failures(queued(nested, GOOD)) == (["a"], ["m0"])


def test_a_record_that_holds_itself_ten_thousand_times_fails_alone():
    body = '{"requestContext":1,"requestPayload":' * 10_000 + json.dumps(GOOD) + "}" * 10_000

    assert failures(queued(body, GOOD)) == (["a"], ["m0"])


def test_an_item_of_a_map_is_read_from_the_record_of_a_failed_invocation_alone():
    item = {"Key": "b", "Bucket": BUCKET}

    assert failures(queued(item, kept(item))) == (["b"], ["m0"])


def test_the_alternative_of_a_raw_key_is_carried_along(load_event):
    request = parse_event(queued(load_event("eventbridge-encoded-key.json")))

    assert list(alternatives(request).values()) == [ObjectRef(BUCKET, "uploads/red flower.jpg")]


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
    assert alternatives(request) == {}


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


# --- events that ask for nothing ----------------------------------------------------------------------------------------------


def upload(source, name, key="a.png", **details):
    record = {"eventSource": source, "eventVersion": "2.0", "eventName": name}
    return {"Records": [record | {"s3": {"bucket": {"name": BUCKET}, "object": {"key": key, **details}}}]}


@pytest.mark.parametrize("source", ["aws:s3", "minio:s3", "rustfs:s3", "ceph:s3", "sgws:s3"])
@pytest.mark.parametrize("name", ["ObjectCreated:Put", "s3:ObjectCreated:Copy", "s3:ObjectCreated:CompleteMultipartUpload"])
@pytest.mark.parametrize("version", [None, "", "null", "f0a2"])
def test_stores_of_s3_s_shape_are_understood_whatever_they_write_besides_the_key(source, name, version):
    event = upload(source, name, versionId=version, size="1024", eTag='"x-2"', sequencer=7)

    assert parse_event(event).objects == (ObjectRef(BUCKET, "a.png"),)


@pytest.mark.parametrize("source", ["minio:s3", "rustfs:s3"])
def test_stores_that_encode_slashes_too_are_decoded_once(source):
    request = parse_event(upload(source, "s3:ObjectCreated:Put", "a%2Fb+c%252F.png"))

    assert (request.objects, alternatives(request)) == ((ObjectRef(BUCKET, "a/b c%2F.png"),), {})


@pytest.mark.parametrize("source", ["ceph:s3", "sgws:s3"])
def test_keys_of_stores_that_may_not_encode_them_are_taken_as_they_are_first(source):
    (ref,) = parse_event(upload(source, "ObjectCreated:Put", "a+b.png")).objects

    assert alternatives(parse_event(upload(source, "ObjectCreated:Put", "a+b.png"))) == {ref: ObjectRef(BUCKET, "a b.png")}
    assert ref.key == "a+b.png"


def test_an_object_that_another_zone_of_ceph_sent_is_scored():
    assert parse_event(upload("ceph:s3", "ObjectSynced:Create")).objects == (ObjectRef(BUCKET, "a.png"),)


@pytest.mark.parametrize("source", ["vast:s3", "s3", "AWS:S3", "", None, 5, ["aws:s3"]])
def test_a_store_whose_events_are_not_known_is_refused_by_its_name(source):
    with pytest.raises(UnrecognisedEvent) as raised:
        parse_event(upload(source, "ObjectCreated:Put"))

    assert (f"records of ['{source}']" in str(raised.value)) is isinstance(source, str)


@pytest.mark.parametrize(
    "event",
    [
        {"action": "PutObject", "bucket": BUCKET, "object": {"key": "a.png"}, "account": "1"},  # Cloudflare R2
        {"Records": [{"event": {"eventName": "cos:ObjectCreated:Put"}, "cos": {}}]},  # Tencent COS
        {"EventName": "s3:ObjectCreated:Put", "Key": f"{BUCKET}/a.png", "Records": []},
        {"Records": [{"eventSource": "s3.amazonaws.com", "eventName": "PutObject"}]},  # a log file of CloudTrail
        {"source": "aws.s3express", "detail-type": "AWS API Call via CloudTrail", "detail": {}},
        {"source": "aws.scheduler", "detail-type": "Other"},
        {"Event": "s3:TestEvent", "objects": []},
    ],
)
def test_what_looks_like_an_upload_and_is_not_understood_is_refused(event):
    with pytest.raises(UnrecognisedEvent):
        parse_event(event)


@pytest.mark.parametrize("name", ["ObjectCreate:Put", "", "s3:", "s3:s3:ObjectCreated:Put", "ObjectMoved:Put", "PutObject"])
def test_a_record_with_an_unknown_event_name_is_a_problem(name):
    with pytest.raises(InvocationFailed, match="Expected an eventName of ObjectCreated"):
        answer(upload("aws:s3", name))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "s3:ObjectRemoved:DeleteMarkerCreated",
            "s3:ObjectAccessed:Get",
            "s3:BucketCreated:*",
            "ObjectLifecycle:Expiration:Current",
        ),
        *("Replication:OperationFailedReplication", "IntelligentTiering", "ObjectAnnotation:Put", "ObjectSynced:Delete"),
    ],
)
def test_a_record_of_a_change_that_makes_no_object_asks_for_nothing(name):
    assert answer(upload("aws:s3", name))[1]["objects"] == []


@pytest.mark.parametrize("detail_type", ["Object Moved", "", "Object ObjectCreated Put", "AWS Service Event via CloudTrail"])
def test_an_unknown_detail_type_is_a_problem(detail_type, load_event):
    with pytest.raises(InvocationFailed, match="Expected detail-type Object Created"):
        answer(load_event("eventbridge-upload.json") | {"detail-type": detail_type})


# --- CloudTrail ---------------------------------------------------------------------------------------------------------------


def call(name, **detail):
    detail = {
        "eventSource": "s3.amazonaws.com",
        "eventName": name,
        "requestParameters": {"bucketName": BUCKET, "key": "a.png"},
    } | detail
    return {"source": "aws.s3", "detail-type": "AWS API Call via CloudTrail", "id": "1", "detail": detail}


@pytest.mark.parametrize("name", ["PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload", "RenameObject"])
def test_a_call_that_made_an_object_asks_for_it(name):
    assert parse_event(call(name, errorCode=None)).objects == (ObjectRef(BUCKET, "a.png"),)
    assert answer(call(name, errorCode="AccessDenied", requestParameters=None))[1]["objects"] == []


@pytest.mark.parametrize(
    "name",
    [
        *("GetObject", "HeadObject", "ListObjectsV2", "SelectObjectContent", "DeleteObject", "DeleteObjects", "PutObjectAcl"),
        *("PutObjectTagging", "CreateMultipartUpload", "UploadPart", "UploadPartCopy", "AbortMultipartUpload", "RestoreObject"),
        *("PutBucketPolicy", "CreateBucket"),
    ],
)
def test_a_call_that_makes_no_object_asks_for_nothing(name):
    assert answer(call(name, requestParameters={"bucketName": BUCKET}))[1]["objects"] == []


@pytest.mark.parametrize(
    "event",
    [
        *(call(name) for name in ("PutObjects", "CreateJob", "WriteGetObjectResponse", "putobject", "", "Get")),
        call("PutObject", requestParameters=None),
        call("PutObject", requestParameters={"bucketName": BUCKET, "key": ["a", "b"]}),
        call("PutObject", requestParameters={"bucketName": BUCKET, "key": ""}),
        call("PutObject", requestParameters={"bucketName": BUCKET}),
        call("PutObject", eventSource="s3-outposts.amazonaws.com"),
        call("PutObject", errorCode=403),
        call("GetObject") | {"detail": None},
        call("GetObject") | {"detail": {}},
    ],
)
def test_a_call_that_is_not_understood_is_a_problem(event):
    with pytest.raises(InvocationFailed):
        answer(event)


# --- task tokens --------------------------------------------------------------------------------------------------------------

ITEMS = {"Items": [{"Key": "a.png"}], "BatchInput": {"bucket": BUCKET}}


@pytest.mark.parametrize(
    "event",
    [
        ITEMS | {"TaskToken": "AQC"},
        ITEMS | {"taskToken": "AQC"},
        ITEMS | {"task_token.$": "AQC"},
        ITEMS | {"token": "AQC"},
        ITEMS | {"BatchInput": {"bucket": BUCKET, "TaskToken": "AQC"}},
        ITEMS | {"Context": {"Task": {"My": {"TaskToken": "AQC"}}}},
        {"Key": "a.png", "Bucket": BUCKET, "TaskToken": "AQC"},
        {"objects": [f"s3://{BUCKET}/a.png"], "TaskToken": "AQC"},
        {"job": "sweep", "TaskToken": "AQC"},
        upload("aws:s3", "ObjectCreated:Put") | {"TaskToken": "AQC"},
    ],
)
def test_an_event_with_a_task_token_is_refused_and_told_what_to_use_instead(event):
    with pytest.raises(UnrecognisedEvent, match=r"sends no task token back.*Use arn:aws:states:::lambda:invoke without"):
        parse_event(event)
    assert failures(queued(event, kept(event), GOOD)) == (["a"], ["m0", "m1"])


def test_the_event_file_with_a_task_token_is_refused(load_event):
    with pytest.raises(UnrecognisedEvent, match="'TaskToken'"):
        parse_event(load_event("map-task-token.json"))


def test_a_column_named_token_of_a_csv_file_is_no_task_token():
    item = {"key": "a.png", "bucket": BUCKET, "token": "7"}

    assert parse_event(item).objects == parse_event(items(item)).objects == (ObjectRef(BUCKET, "a.png"),)
