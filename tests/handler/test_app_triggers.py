"""The function under each kind of trigger, with the bundled model, on moto: documents, answers, log and metrics."""

import json
import subprocess
import sys
from pathlib import Path

import boto3
import jsonschema
import pytest

from handler.app import build_parts
from handler.errors import InvocationFailed, UnrecognisedEvent
from infra.schemas import DIRECTORY

ROOT = Path(__file__).parent.parent.parent
IMAGES = ROOT / "events" / "images"
COAT = (IMAGES / "coat-0.png").read_bytes()
INPUT, OUTPUT = "coatcheck-input-123456789012", "coatcheck-output-123456789012"


@pytest.fixture
def queue(work_queue_url, monkeypatch):
    """The queue that sweeps send to; returns the bodies that lie in it."""
    sqs, url = boto3.client("sqs"), work_queue_url
    monkeypatch.setenv("QUEUE_URL", url)

    def bodies():
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += [message["Body"] for message in messages]
        return found

    return bodies


def test_a_raw_key_is_scored_as_it_is_even_if_its_decoded_form_exists(invoke, upload, stored, load_event):
    upload("uploads/c++ notes+100%.png", COAT)
    upload("uploads/c   notes 100%.png", COAT)

    invoke(load_event("eventbridge-raw-key.json"))

    assert list(stored()) == ["predictions/uploads/c++ notes+100%.png.json"]


def test_a_raw_key_that_was_encoded_after_all_is_scored_under_its_own_name_and_logged(
    invoke, upload, stored, load_event, logged
):
    upload("uploads/red flower.jpg", COAT)

    answer = invoke(load_event("eventbridge-encoded-key.json"))

    assert [row["object"] for row in answer["objects"]] == [f"s3://{INPUT}/uploads/red flower.jpg"]
    assert list(stored()) == ["predictions/uploads/red flower.jpg.json"]
    (line,) = logged()
    assert (line["object"], line["named"]) == (f"s3://{INPUT}/uploads/red flower.jpg", f"s3://{INPUT}/uploads/red+flower.jpg")
    assert line["trigger"] == "EventBridge"


def test_a_raw_key_that_is_gone_in_every_form_is_gone(invoke, buckets, stored, load_event):
    answer = invoke(load_event("eventbridge-encoded-key.json"))

    assert [row["outcome"] for row in answer["objects"]] == ["gone"]
    assert stored() == {}


def test_a_sweep_sends_what_has_no_document_and_the_messages_score_it(invoke, upload, stored, queue, load_event):
    for number in range(3):
        upload(f"uploads/{number} +ñ.png", COAT)
    invoke({"objects": [f"s3://{INPUT}/uploads/1 +ñ.png"]})

    answer = invoke(load_event("schedule-sweep.json"))

    bodies = queue()
    assert {k: answer["sweeps"][0][k] for k in ("scheduled_time", "examined", "missing", "sent", "handed_on")} == {
        "scheduled_time": "2026-11-02T10:00:00Z",
        "examined": 3,
        "missing": 2,
        "sent": 2,
        "handed_on": [],
    }
    assert len(stored()) == 1
    records = [{"eventSource": "aws:sqs", "messageId": str(n), "body": body} for n, body in enumerate(bodies)]
    assert invoke({"Records": records}) == {"batchItemFailures": []}
    assert sorted(stored()) == [f"predictions/uploads/{number} +ñ.png.json" for number in range(3)]

    invoke(load_event("schedule-sweep.json"))
    assert queue() == []


@pytest.mark.parametrize("name", ["schedule-sweep.json", "schedule-scheduler.json", "schedule-rule.json"])
def test_a_sweep_without_a_queue_scores_in_place(invoke, upload, stored, load_event, name):
    upload("uploads/a.png", COAT)
    upload("uploads/bad", b"?")

    answer = invoke(load_event(name))

    assert answer["sweeps"][0]["outcomes"] == {"scored": 1, "rejected": 1}
    assert len(stored()) == 2


def test_a_new_model_is_what_a_sweep_finds_work_for(invoke, upload, stored, load_event, s3):
    upload("uploads/a.png", COAT)
    invoke(load_event("schedule-sweep.json"))
    old = s3.head_object(Bucket=OUTPUT, Key="predictions/uploads/a.png.json")["Metadata"]
    s3.copy_object(
        Bucket=OUTPUT,
        Key="predictions/uploads/a.png.json",
        CopySource={"Bucket": OUTPUT, "Key": "predictions/uploads/a.png.json"},
        Metadata=old | {"maker": "0" * 64},
        MetadataDirective="REPLACE",
    )

    answer = invoke(load_event("schedule-sweep.json"))

    assert answer["sweeps"][0]["outcomes"] == {"scored": 1}


def test_a_sweep_that_runs_out_of_time_goes_on_by_way_of_the_queue(invoke, upload, queue, load_event, monkeypatch):
    monkeypatch.setattr("handler.dispatch.CHUNK_OBJECTS", 2)
    for number in range(5):
        upload(f"uploads/{number}", COAT)

    answer = invoke(load_event("schedule-sweep.json"), remaining_ms=5_000)

    assert answer["sweeps"][0]["handed_on"][0]["after"] == "uploads/1"
    job = json.loads(next(body for body in queue() if "job" in body))
    assert job == load_event("schedule-sweep.json") | {"after": "uploads/1", "chain": job["chain"]}
    assert (job["chain"]["may_send"], job["chain"]["is_clean"]) == (99_998, True)
    record = {"eventSource": "aws:sqs", "messageId": "m", "body": json.dumps(job)}
    assert invoke({"Records": [record]}) == {"batchItemFailures": []}
    assert [json.loads(body)["objects"] for body in queue()] == [[f"s3://{INPUT}/uploads/{number}"] for number in (2, 3, 4)]


def test_a_sweep_whose_queue_is_gone_raises_and_from_a_queue_comes_back(invoke, upload, monkeypatch, load_event, logged):
    monkeypatch.setenv("QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/coatcheck-UploadQueue-gone")
    upload("uploads/z.png", COAT)

    with pytest.raises(InvocationFailed, match="QueueUnavailable"):
        invoke(load_event("schedule-sweep.json"))
    answer = invoke(load_event("sqs-sweep.json"))

    assert len(answer["batchItemFailures"]) == 1
    assert {(line["message"], line["level"]) for line in logged()} == {("sweep", "ERROR"), ("invocation_failed", "ERROR")}


def test_a_job_gets_one_result_for_each_task(invoke, upload, stored, load_event):
    upload("uploads/red flower.jpg", COAT)
    upload("uploads/rack 2/", b"")

    answer = invoke(load_event("batch-operations-2.json"))

    codes = [(result["resultCode"], result["resultString"].split(":")[0]) for result in answer["results"]]
    assert codes == [
        ("Succeeded", "scored"),
        ("PermanentFailure", "rejected"),
        ("PermanentFailure", "gone"),
        ("PermanentFailure", "failed"),
        ("PermanentFailure", "Expected a key that encodes UTF-8. Received"),
    ]
    assert sorted(stored()) == ["predictions/uploads/rack 2/.json", "predictions/uploads/red flower.jpg.json"]


def test_a_batch_of_a_map_is_summarised(invoke, upload, load_event):
    upload("uploads/coat-0.png", COAT)
    upload("uploads/red flower.jpg", COAT)

    answer = invoke(load_event("map-inventory-batch.json"))

    assert (answer["items"], answer["images"]) == (3, 2)
    assert answer["outcomes"] == {
        "scored": 2,
        "duplicate": 0,
        "superseded": 0,
        "gone": 0,
        "rejected": 0,
        "failed": 1,
        "postponed": 0,
    }
    assert answer["unfinished"][0].startswith(f"s3://{INPUT}/elsewhere/coat-0.png (UnacceptedObject")


def test_a_person_gets_addresses_and_counts(invoke, upload, load_event):
    upload("uploads/coat-0.png", COAT)
    upload("uploads/c++ notes+100%.png", b"not an image")

    answer = invoke(load_event("direct-objects.json"))

    assert [row["outcome"] for row in answer["objects"]] == ["scored", "rejected", "gone"]
    assert answer["objects"][0]["document"] == f"s3://{OUTPUT}/predictions/uploads/coat-0.png.json"
    assert answer["objects"][1]["error"] == "UnrecognisedFormat"
    assert (answer["outcomes"]["scored"], answer["images"]) == (1, 1)


def test_nested_messages_are_all_scored(invoke, upload, stored, load_event):
    for name in ("coat", "bag", "dress", "shirt", "sandal"):
        upload(f"uploads/{name}-0.png", (IMAGES / f"{name}-0.png").read_bytes())

    assert invoke(load_event("sqs-nested.json")) == {"batchItemFailures": []}
    assert len(stored()) == 5


def emitted(capsys):
    """The metrics of each invocation, by name."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [{name: value[0] for name, value in line.items() if isinstance(value, list)} for line in lines if "Images" in line]


def test_every_invocation_writes_its_metrics_failed_ones_too(invoke, upload, capsys):
    upload("uploads/coat-0.png", COAT)
    uri = f"s3://{INPUT}/uploads/coat-0.png"

    invoke({"objects": [uri]})
    invoke({"objects": [uri]})
    with pytest.raises(UnrecognisedEvent):
        invoke({"hello": 1})

    first, second, third = emitted(capsys)
    assert (first["ObjectsScored"], first["Images"], first["Bytes"]) == (1, 1, len(COAT))
    assert first["ModelTime"] > 0
    assert (second["ObjectsDuplicate"], second["Images"], second["ColdStart"]) == (1, 0, 0)
    assert (third["ObjectsScored"], third["ModelTime"]) == (0, 0)


START = f"""
import json, boto3
from moto import mock_aws
with mock_aws():
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="{INPUT}")
    s3.create_bucket(Bucket="{OUTPUT}")
    import handler.app
    from infra.cloud.event_source import Context
    print("built at import:", handler.app.build_parts.cache_info().currsize)
    for _ in range(2):
        handler.app.lambda_handler(json.load(open("{ROOT}/events/s3-upload.json")), Context("r"))
"""


@pytest.mark.parametrize(("initialisation", "built"), [("snap-start", 1), ("on-demand", 0)])
def test_a_snapshot_holds_the_model_and_a_cold_start_is_counted_once(environment, monkeypatch, initialisation, built):
    """In a process of its own, because it is about what happens at import."""
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", initialisation)
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=False, cwd=ROOT)

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"built at import: {built}"
    assert [json.loads(line)["ColdStart"][0] for line in lines if '"ColdStart"' in line] == [1, 0]


def test_why_a_message_is_unreadable_is_in_the_log(invoke, buckets, load_event, logged):
    invoke(load_event("sqs-unreadable.json"))

    lines = logged()
    assert [line["message"] for line in lines] == ["message_unreadable"] * 4
    assert lines[0]["message_id"].endswith("0000")
    assert "not JSON" not in lines[0]["reason"]
    assert lines[0]["reason"].startswith("Expected a message in JSON")


def test_nothing_of_one_invocation_is_in_the_log_of_the_next(invoke, buckets, load_event, logged):
    invoke(load_event("s3-test-event.json"))
    with pytest.raises(UnrecognisedEvent):
        invoke({"hello": 1})

    assert "trigger" not in logged()[-1]


def test_a_sweep_keeps_to_the_inputs_and_to_what_has_a_place(invoke, upload, queue, s3):
    upload("uploads/" + "k" * 1000, COAT)
    upload("private/a.png", COAT)

    with pytest.raises(InvocationFailed, match="Expected a prefix under INPUT_URIS"):
        invoke({"job": "sweep", "prefix": f"s3://{INPUT}/private/"})
    answer = invoke({"job": "sweep"})

    assert (answer["sweeps"][0]["examined"], answer["sweeps"][0]["refused"]) == (1, 1)
    assert queue() == []


def test_a_sweep_s_line_of_the_log_says_how_far_it_came(invoke, upload, queue, load_event, monkeypatch, logged):
    monkeypatch.setattr("handler.dispatch.CHUNK_OBJECTS", 1)
    for number in range(2):
        upload(f"uploads/{number}", COAT)

    invoke(load_event("schedule-sweep.json"), remaining_ms=5_000)

    (line,) = logged()
    assert (line["message"], line["examined"], line["sent"]) == ("sweep", 1, 1)
    assert line["handed_on"][0]["after"] == "uploads/0"


def test_what_there_is_no_time_for_comes_back_and_nothing_is_read_of_it(invoke, upload, stored, load_event):
    upload("uploads/coat-0.png", COAT)

    answer = invoke(load_event("sqs-s3-upload.json"), remaining_ms=5_000)

    assert len(answer["batchItemFailures"]) == 1
    assert stored() == {}


def test_the_model_s_time_is_told_also_of_an_invocation_that_it_fails(invoke, upload, capsys, monkeypatch):
    upload("uploads/coat-0.png", COAT)
    stopwatch = build_parts().stopwatch
    classify = stopwatch.classify

    def broken(images):
        classify(images)
        raise RuntimeError("the graph is broken")

    uri = f"s3://{INPUT}/uploads/coat-0.png"
    stopwatch.classify = broken
    with pytest.raises(RuntimeError):
        invoke({"objects": [uri]})
    stopwatch.classify = classify
    invoke({"job": "sweep"})

    first, second = emitted(capsys)
    assert first["ModelTime"] > 0
    assert second["ObjectsScored"] == 1


def test_a_list_has_what_it_names_scored_as_if_it_had_been_uploaded(invoke, upload, stored, queue):
    upload("uploads/a b.png", COAT)
    upload("uploads/list.csv", f"{INPUT},uploads/a+b.png\n{INPUT},uploads/list.csv\n{INPUT},private/c.png\n".encode())
    uri = f"s3://{INPUT}/uploads/list.csv"

    invoke({"objects": [uri]})
    bodies = queue()
    records = [{"eventSource": "aws:sqs", "messageId": str(n), "body": body} for n, body in enumerate(bodies)]
    answer = invoke({"Records": records})

    assert answer == {"batchItemFailures": []}
    assert len(bodies) == 1  # the list names itself, and is in work
    assert queue() == []
    documents = {key: json.loads(content)["schema"] for key, content in stored().items()}
    assert documents == {
        "predictions/uploads/a b.png.json": "coatcheck.predictions/2",
        "predictions/uploads/list.csv.json": "coatcheck.list/2",
    }
    document = json.loads(stored()["predictions/uploads/list.csv.json"])
    jsonschema.validate(document, json.loads((DIRECTORY / "list.json").read_text()))
    assert [row["error"] for row in document["rejected"]] == ["UnacceptedObject"]
