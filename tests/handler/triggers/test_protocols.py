"""Every source, in one table: what it asks for, and what it is answered when all, some or none of it is done."""

import json
from urllib.parse import quote_plus

import pytest

from handler.errors import InvocationFailed, StorageUnavailable, UnacceptedObject, UnrecognisedEvent
from handler.objects import ObjectRef
from handler.outcomes import VERDICTS, Outcome, Report, Verdict
from handler.triggers import TRIGGERS, parse_event
from handler.triggers.request import Results

BUCKET = "coatcheck-input-123456789012"
KEYS = ("a b.png", "c+d.png", "ñ.png")


def s3(key=None):
    encoded = "%FF" if key is None else quote_plus(key)
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}
    return record | {"s3": {"bucket": {"name": BUCKET}, "object": {"key": encoded}}}


def eventbridge(key=None):
    detail = {"bucket": {"name": BUCKET}, "object": {} if key is None else {"key": key}}
    return {"source": "aws.s3", "detail-type": "Object Created", "id": "e", "detail": detail}


def cloudtrail(key=None):
    parameters = {"bucketName": BUCKET} if key is None else {"bucketName": BUCKET, "key": key}
    detail = {"eventSource": "s3.amazonaws.com", "eventName": "PutObject", "requestParameters": parameters}
    return {"source": "aws.s3", "detail-type": "AWS API Call via CloudTrail", "id": "c", "detail": detail}


def sns(body):
    return {"EventSource": "aws:sns", "Sns": {"Message": body if isinstance(body, str) else json.dumps(body)}}


def sqs(index, body):
    return {"eventSource": "aws:sqs", "messageId": f"m{index}", "body": body if isinstance(body, str) else json.dumps(body)}


def task(index, key):
    return {"taskId": f"t{index}", "s3Key": "%FF" if key is None else quote_plus(key), "s3BucketArn": f"arn:aws:s3:::{BUCKET}"}


def uri(key):
    return "no address" if key is None else f"s3://{BUCKET}/{key}"


# For each source, an event that names keys; None stands for one that cannot be read.
EVENTS = {
    "S3 notification": lambda *keys: {"Records": [s3(key) for key in keys]},
    "SNS": lambda *keys: {"Records": [sns("not JSON" if key is None else {"Records": [s3(key)]}) for key in keys]},
    "SQS": lambda *keys: {
        "Records": [sqs(index, "not JSON" if key is None else {"Records": [s3(key)]}) for index, key in enumerate(keys)]
    },
    "EventBridge": eventbridge,
    "CloudTrail": cloudtrail,
    "Step Functions Distributed Map": lambda *keys: {
        "BatchInput": {"bucket": BUCKET},
        "Items": [{"Size": 1} if key is None else {"Key": key} for key in keys],
    },
    "S3 Batch Operations": lambda *keys: {
        "invocationSchemaVersion": "1.0",
        "invocationId": "i",
        "job": {"id": "j"},
        "tasks": [task(index, key) for index, key in enumerate(keys)],
    },
    "direct invocation": lambda *keys: {"objects": [uri(key) for key in keys]},
}
ONE_OBJECT = {"EventBridge", "CloudTrail"}


def parse(source, *keys):
    request = parse_event(EVENTS[source](*keys))

    assert request.trigger == source
    return request


def report_on(request, outcome=Outcome.SCORED, **by_key):
    failed = StorageUnavailable("S3 is down.")

    def report(ref):
        became = by_key.get(ref.key, outcome)
        document = ObjectRef("out", f"{ref.key}.json") if VERDICTS[became] is Verdict.SUCCEEDED else None
        return Report(ref, became, document, failed if became is Outcome.FAILED else None, images=1)

    return Results({ref: report(ref) for ref in request.objects})


def test_the_table_names_every_source_of_objects():
    assert {*EVENTS, "schedule"} == {trigger.NAME for trigger in TRIGGERS}


@pytest.mark.parametrize("source", EVENTS)
@pytest.mark.parametrize("key", KEYS)
def test_a_key_comes_out_as_it_is_whatever_the_source_does_to_it(source, key):
    assert parse(source, key).objects == (ObjectRef(BUCKET, key),)


@pytest.mark.parametrize("source", sorted(set(EVENTS) - ONE_OBJECT))
def test_every_object_of_an_event_is_named_in_order(source):
    assert [ref.key for ref in parse(source, *KEYS).objects] == list(KEYS)


@pytest.mark.parametrize("source", sorted(EVENTS))
@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.FAILED])
def test_what_is_finished_is_not_asked_for_again(source, outcome):
    request = parse(source, "a.png")
    answer = request.reply(report_on(request, outcome))

    if source == "SQS":
        assert answer == {"batchItemFailures": []}
    elif source == "S3 Batch Operations":
        expected = "Succeeded" if VERDICTS[outcome] is Verdict.SUCCEEDED else "PermanentFailure"
        assert [result["resultCode"] for result in answer["results"]] == [expected]
    else:
        assert answer["outcomes"][outcome.value] == 1
        assert sum(answer["outcomes"].values()) == 1


@pytest.mark.parametrize("source", sorted(set(EVENTS) - ONE_OBJECT))
def test_when_one_of_three_fails_the_source_is_told_so(source):
    request = parse(source, "a.png", "b.png", "c.png")
    results = report_on(request, **{"b.png": Outcome.FAILED})

    if source == "SQS":
        assert request.reply(results) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    elif source == "S3 Batch Operations":
        codes = {result["taskId"]: result["resultCode"] for result in request.reply(results)["results"]}
        assert codes == {"t0": "Succeeded", "t1": "TemporaryFailure", "t2": "Succeeded"}
    else:
        with pytest.raises(InvocationFailed, match=r"1 of 3 .*b\.png \(StorageUnavailable: S3 is down\.\)"):
            request.reply(results)


@pytest.mark.parametrize("source", sorted(EVENTS))
def test_when_all_fail_the_source_is_told_so(source):
    keys = ("a.png",) if source in ONE_OBJECT else ("a.png", "b.png", "c.png")
    request = parse(source, *keys)
    results = report_on(request, Outcome.FAILED)

    if source == "SQS":
        assert len(request.reply(results)["batchItemFailures"]) == 3
    elif source == "S3 Batch Operations":
        assert {result["resultCode"] for result in request.reply(results)["results"]} == {"TemporaryFailure"}
    else:
        with pytest.raises(InvocationFailed, match=f"{len(keys)} of {len(keys)}"):
            request.reply(results)


@pytest.mark.parametrize("source", sorted(set(EVENTS) - ONE_OBJECT))
def test_what_cannot_be_read_fails_alone(source):
    request = parse(source, "a.png", None, "c.png")
    results = report_on(request)

    assert [ref.key for ref in request.objects] == ["a.png", "c.png"]
    if source == "SQS":
        assert request.reply(results) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    elif source == "S3 Batch Operations":
        bad = request.reply(results)["results"][1]
        assert (bad["taskId"], bad["resultCode"]) == ("t1", "PermanentFailure")
        assert bad["resultString"].startswith("Expected a key")
    else:
        with pytest.raises(InvocationFailed, match=r"1 of 3 .*Expected"):
            request.reply(results)


@pytest.mark.parametrize("source", sorted(ONE_OBJECT))
def test_an_event_of_one_object_that_cannot_be_read_raises(source):
    request = parse(source, None)

    with pytest.raises(InvocationFailed, match=r"Expected an Object Created event|Expected a call that CloudTrail reports"):
        request.reply(Results({}))


@pytest.mark.parametrize("source", sorted(EVENTS))
def test_an_event_is_recognised_by_one_source_alone(source):
    event = EVENTS[source]("a.png")

    assert [trigger.NAME for trigger in TRIGGERS if trigger.recognises(event)] == [source]


def test_no_error_grows_with_the_number_of_failures():
    request = parse("direct invocation", *(f"{number}.png" for number in range(1000)))

    with pytest.raises(InvocationFailed) as raised:
        request.reply(report_on(request, Outcome.FAILED))

    assert "and 990 more" in str(raised.value)
    assert len(str(raised.value)) < 2000


def test_an_object_that_may_not_be_read_is_no_task_to_try_again():
    """A job has no dead letters; tried again, the task would fail until the job gives up."""
    request = parse("S3 Batch Operations", "a.png")
    (ref,) = request.objects
    report = Report(ref, Outcome.FAILED, error=UnacceptedObject("Expected another bucket."))

    (result,) = request.reply(Results({ref: report}))["results"]

    assert result == {
        "taskId": "t0",
        "resultCode": "PermanentFailure",
        "resultString": "failed: UnacceptedObject: Expected another bucket.",
    }


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        {},
        {"Records": []},
        {"Records": None},
        {"Records": ["x"]},
        {"Records": [{"EventSource": "aws:sns"}, {"eventSource": "aws:sqs"}]},
        {"Event": "s3:Other"},
        {"detail-type": "x"},
        {"source": "aws.ec2", "detail-type": "Object Created"},
        {"source": ["aws.s3"], "detail-type": "Object Created"},
        {"source": {}, "detail-type": "Scheduled Event"},
        {"job": 5},
        {"objects": []},
        {"objects": "s3://bucket/key"},
        {"objects": ["s3://bucket/key"], "job": {}},
        {"Items": []},
        {"Items": "x"},
        {"Items": [{"Key": "k"}], "BatchInput": {"bucket": 5}},
        {"Items": [{"Key": "k"}], "BatchInput": {"tolerated_failure_percentage": 101}},
        {"Items": [{"Key": "k"}], "BatchInput": {"tolerated_failure_percentage": "nan"}},
        {"invocationSchemaVersion": "3.0", "invocationId": "i", "tasks": []},
        {"invocationSchemaVersion": "1.0", "invocationId": "i", "tasks": []},
        {"invocationSchemaVersion": "1.0", "tasks": []},
        {"invocationSchemaVersion": "1.0", "invocationId": "i", "tasks": [{"s3Key": "k"}]},
    ],
    ids=str,
)
def test_an_event_of_nobody_is_a_loud_error(event):
    with pytest.raises(UnrecognisedEvent, match=r"Expected .*Received"):
        parse_event(event)
