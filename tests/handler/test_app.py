"""The function as Lambda calls it, with the bundled model, on moto's S3."""

import gc
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from handler.app import build_parts
from handler.errors import BadArtifact, BadSettings, InvocationFailed, MisconfiguredError, UnrecognisedEvent
from handler.model import BUNDLED_ARTIFACT
from infra.schemas import DIRECTORY

ROOT = Path(__file__).parent.parent.parent
IMAGES = ROOT / "events" / "images"
INPUT, OUTPUT = "coatcheck-input-123456789012", "coatcheck-output-123456789012"


def uploaded(*keys, bucket=INPUT):
    from urllib.parse import quote_plus

    records = [
        {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key)}},
        }
        for key in keys
    ]
    return {"Records": records}


def outcomes(answer):
    return {row["object"].removeprefix(f"s3://{INPUT}/uploads/"): row["outcome"] for row in answer["objects"]}


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_an_upload_becomes_a_document(invoke, upload, stored, load_event):
    upload("uploads/coat-0.png", (IMAGES / "coat-0.png").read_bytes())

    answer = invoke(load_event("s3-upload.json"))

    assert answer == {
        "objects": [
            {
                "object": f"s3://{INPUT}/uploads/coat-0.png",
                "outcome": "scored",
                "document": f"s3://{OUTPUT}/predictions/uploads/coat-0.png.json",
            }
        ],
        "outcomes": {"scored": 1, "duplicate": 0, "superseded": 0, "gone": 0, "rejected": 0, "failed": 0, "postponed": 0},
        "images": 1,
    }
    ((key, content),) = stored().items()
    document = json.loads(content)
    assert key == "predictions/uploads/coat-0.png.json"
    jsonschema.validate(document, json.loads((DIRECTORY / "predictions.json").read_text()))
    assert document["predictions"][0]["class_name"] == "Coat"


def test_an_encoded_key_is_scored_under_its_own_name(invoke, upload, stored, load_event):
    upload("uploads/rack 1/naïve coat + 100%.png", (IMAGES / "coat-0.png").read_bytes())

    invoke(load_event("s3-upload-encoded-key.json"))

    assert list(stored()) == ["predictions/uploads/rack 1/naïve coat + 100%.png.json"]


def test_two_records_give_two_documents(invoke, upload, stored, load_event, truth):
    for name in ("sandal-0.png", "packed-idx3-ubyte.gz"):
        upload(f"uploads/{name}", (IMAGES / name).read_bytes())

    invoke(load_event("s3-two-records.json"))

    single = json.loads(stored()["predictions/uploads/sandal-0.png.json"])
    packed = json.loads(stored()["predictions/uploads/packed-idx3-ubyte.gz.json"])
    assert packed["summary"]["images"] == 100
    assert (
        packed["predictions"][list(truth).index("sandal-0.png")]["probabilities"] == single["predictions"][0]["probabilities"]
    )


def test_the_test_event_is_acknowledged_and_nothing_is_written(invoke, stored, load_event):
    assert invoke(load_event("s3-test-event.json"))["objects"] == []
    assert stored() == {}


def test_a_queue_gets_its_upload_scored_and_nothing_back(invoke, upload, stored, load_event):
    upload("uploads/coat-0.png", (IMAGES / "coat-0.png").read_bytes())

    assert invoke(load_event("sqs-s3-upload.json")) == {"batchItemFailures": []}
    assert list(stored()) == ["predictions/uploads/coat-0.png.json"]


def test_of_a_mixed_batch_only_what_cannot_be_read_comes_back(invoke, upload, stored, load_event):
    for name in ("coat-0.png", "bag-0.png"):
        upload(f"uploads/{name}", (IMAGES / name).read_bytes())
    event = load_event("sqs-mixed-batch.json")

    answer = invoke(event)

    assert answer == {"batchItemFailures": [{"itemIdentifier": event["Records"][n]["messageId"]} for n in (2, 3)]}
    assert list(stored()) == ["predictions/uploads/bag-0.png.json", "predictions/uploads/coat-0.png.json"]


def queued(*bodies, receive_count=1):
    return {
        "Records": [
            {
                "eventSource": "aws:sqs",
                "messageId": f"m{number}",
                "body": json.dumps(body),
                "attributes": {"ApproximateReceiveCount": str(receive_count)},
            }
            for number, body in enumerate(bodies)
        ]
    }


def failed(answer):
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_an_object_that_a_batch_names_again_and_again_is_written_once(invoke, upload, recorded_calls):
    """In two messages, twice in one of them, and in three spellings."""
    upload("uploads/a b.png", (IMAGES / "bag-1.png").read_bytes())
    event = uploaded("uploads/a b.png")
    spellings = ["uploads/a+b.png", "uploads%2Fa%20b.png", "uploads%2Fa+b.png"]
    thrice = {
        "Records": [
            record | {"s3": {**record["s3"], "object": {"key": key}}} for record in event["Records"] for key in spellings
        ]
    }

    assert failed(invoke(queued(event, thrice, event))) == []
    place = "predictions/uploads/a b.png.json"
    assert [operation for operation, arguments, _ in recorded_calls if arguments.get("Key") == place] == ["PutObject"]


def test_a_message_that_is_half_readable_comes_back_and_its_object_is_written_once(invoke, upload, recorded_calls):
    upload("uploads/a.png", (IMAGES / "bag-1.png").read_bytes())
    event = uploaded("uploads/a.png")
    event["Records"].append({**event["Records"][0], "s3": {"bucket": {"name": INPUT}, "object": {"key": "%FF"}}})

    for receive_count in (1, 2, 3):
        assert failed(invoke(queued(event, receive_count=receive_count))) == ["m0"]
    place = "predictions/uploads/a.png.json"
    calls = [(operation, status) for operation, arguments, status in recorded_calls if arguments.get("Key") == place]
    assert calls == [("PutObject", 200), ("HeadObject", 200), ("HeadObject", 200)]


@pytest.mark.parametrize(
    "sequencers", [("0055AE", "0055AED6DCD90281E5"), ("0055AED6DCD90281E5", "0055AE"), (None, None), (7, [])], ids=str
)
def test_events_out_of_order_leave_the_document_of_the_object_that_is_there(invoke, stored, s3, buckets, sequencers):
    """Whatever an event says of versions and of the order of uploads, the object is scored as it is now."""
    s3.put_bucket_versioning(Bucket=INPUT, VersioningConfiguration={"Status": "Enabled"})
    names, events = ("bag-1.png", "sneaker-1.png"), []
    for name, sequencer in zip(names, sequencers, strict=True):
        put = s3.put_object(Bucket=INPUT, Key="uploads/a.png", Body=(IMAGES / name).read_bytes())
        event = uploaded("uploads/a.png")
        told = {"sequencer": sequencer, "versionId": put["VersionId"], "eTag": put["ETag"].strip('"')}
        event["Records"][0]["s3"]["object"] |= told if sequencer else {}
        events.append(event)
    older, newer = events

    assert outcomes(invoke(newer)) == {"a.png": "scored"}
    before = stored()
    assert outcomes(invoke(older)) == {"a.png": "duplicate"}

    assert stored() == before
    document = json.loads(before["predictions/uploads/a.png.json"])
    assert document["input"]["version_id"] == put["VersionId"]
    assert document["predictions"][0]["class_name"] == "Sneaker"


@pytest.mark.parametrize("size", [1, "text", None])
def test_the_size_that_an_event_tells_is_not_believed(invoke, upload, stored, monkeypatch, size):
    monkeypatch.setenv("MAX_OBJECT_BYTES", "100")
    upload("uploads/a.png", (IMAGES / "bag-1.png").read_bytes())
    event = uploaded("uploads/a.png")
    event["Records"][0]["s3"]["object"]["size"] = size

    assert outcomes(invoke(event)) == {"a.png": "rejected"}
    assert json.loads(stored()["predictions/uploads/a.png.json"])["error"]["name"] == "ObjectTooLarge"


@pytest.fixture
def forbid(aws, monkeypatch):
    """Has S3 answer calls that name some keys as if the function's role lacked a permission."""
    from botocore.awsrequest import AWSResponse
    from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse

    answer, forbidden = BotocoreStubber.__call__, set()
    refusal = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"

    def answering(stubber, event_name, request, **rest):
        if request.url.partition("?")[0].rpartition(".amazonaws.com/")[2] in forbidden:
            return AWSResponse(request.url, 403, {}, MockRawResponse(refusal))
        return answer(stubber, event_name, request, **rest)

    monkeypatch.setattr(BotocoreStubber, "__call__", answering)
    return forbidden.update


@pytest.mark.parametrize("bad", [{3, 7}, set(range(10))], ids=str)
def test_of_ten_messages_exactly_those_come_back_whose_object_s3_does_not_give(invoke, upload, stored, forbid, bad):
    for number in range(10):
        upload(f"uploads/{number}", (IMAGES / "bag-1.png").read_bytes())
    forbid(f"uploads/{number}" for number in bad)

    answer = invoke(queued(*(uploaded(f"uploads/{number}") for number in range(10))))

    assert failed(answer) == [f"m{number}" for number in sorted(bad)]
    assert sorted(stored()) == [f"predictions/uploads/{number}.json" for number in range(10) if number not in bad]


@pytest.mark.parametrize("place", ["uploads/a.png", "predictions/uploads/a.png.json"])
def test_what_the_role_does_not_allow_comes_back_is_not_taken_for_gone_and_is_named_in_the_log(
    invoke, upload, stored, forbid, logged, place
):
    upload("uploads/a.png", (IMAGES / "bag-1.png").read_bytes())
    forbid([place])

    assert failed(invoke(queued(uploaded("uploads/a.png")))) == ["m0"]
    (line,) = logged()
    assert (line["level"], line["outcome"], line["error"]) == ("ERROR", "failed", "StorageUnavailable")
    assert "AccessDenied" in line["reason"]
    assert place in line["reason"]


def test_the_images_of_an_invocation_share_the_model_s_batches(invoke, upload, monkeypatch):
    """100 objects of an image each make seven calls; one object at a time would make a hundred."""
    stopwatch, sizes = build_parts().stopwatch, []
    classify = stopwatch.classify
    stopwatch.classify = lambda images: sizes.append(len(images)) or classify(images)
    names = [path.name for path in sorted(IMAGES.glob("*.png"))]
    for name in names:
        upload(f"uploads/{name}", (IMAGES / name).read_bytes())

    invoke(uploaded(*(f"uploads/{name}" for name in names)))

    assert sizes == [*[16] * 6, 4]


def test_redelivery_changes_no_byte(invoke, upload, stored, s3):
    upload("uploads/a.png", (IMAGES / "bag-1.png").read_bytes())
    invoke(uploaded("uploads/a.png"))
    before = s3.list_objects_v2(Bucket=OUTPUT)["Contents"], stored()

    answer = invoke(uploaded("uploads/a.png"))

    assert outcomes(answer) == {"a.png": "duplicate"}
    assert (s3.list_objects_v2(Bucket=OUTPUT)["Contents"], stored()) == before


def test_a_new_version_of_an_object_gets_a_new_document(invoke, upload, stored):
    upload("uploads/a.png", (IMAGES / "bag-1.png").read_bytes())
    invoke(uploaded("uploads/a.png"))
    upload("uploads/a.png", (IMAGES / "sneaker-1.png").read_bytes())

    assert outcomes(invoke(uploaded("uploads/a.png"))) == {"a.png": "scored"}
    assert json.loads(stored()["predictions/uploads/a.png.json"])["predictions"][0]["class_name"] == "Sneaker"


@pytest.mark.parametrize("images", [1, 2_000], ids=["small", "large"])
def test_a_new_object_costs_two_calls_of_s3_and_a_redelivered_one_three(invoke, upload, monkeypatch, images):
    """Also one of 1.5 MB, which is read when its turn comes, out of the answer to the call that opened it.

    A process also looks at the marker when it writes its first document.
    """
    import botocore.client

    calls, marking = [], []
    make_call = botocore.client.BaseClient._make_api_call

    def counting(self, operation, arguments):
        (marking if "_coatcheck/" in arguments.get("Key", "") else calls).append(operation)
        return make_call(self, operation, arguments)

    upload("uploads/a.npy", npy(np.zeros((images, 28, 28), np.uint8)))
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", counting)
    invoke(uploaded("uploads/a.npy"))
    first = calls.copy()
    invoke(uploaded("uploads/a.npy"))

    assert first == ["GetObject", "PutObject"]
    assert calls[len(first) :] == ["GetObject", "PutObject", "HeadObject"]
    assert marking == ["HeadObject", "PutObject"]  # it was not there


BAD_OBJECTS = {
    "not an image": (b"<html>404</html>", "UnrecognisedFormat"),
    "truncated.png": ((IMAGES / "bag-1.png").read_bytes()[:200], "UnreadableImage"),
    "zero bytes": (b"", "EmptyObject"),
    "folder/": (b"", "EmptyObject"),
    "shape.npy": (npy(np.zeros((2, 32, 32), np.uint8)), "WrongShape"),
    "dtype.npy": (npy(np.zeros((2, 28, 28), np.float32)), "UnreadableArray"),
}


def test_bad_objects_get_rejection_documents_and_the_good_one_is_scored(invoke, upload, stored):
    for key, (content, _) in BAD_OBJECTS.items():
        upload(f"uploads/{key}", content)
    upload("uploads/good.png", (IMAGES / "bag-1.png").read_bytes())

    answer = invoke(uploaded(*(f"uploads/{key}" for key in [*BAD_OBJECTS, "good.png", "deleted.png"])))

    assert outcomes(answer) == dict.fromkeys(BAD_OBJECTS, "rejected") | {"good.png": "scored", "deleted.png": "gone"}
    schema = json.loads((DIRECTORY / "rejection.json").read_text())
    for key, (_, error) in BAD_OBJECTS.items():
        document = json.loads(stored()[f"predictions/uploads/{key}.json"])
        jsonschema.validate(document, schema)
        assert document["error"]["name"] == error
        assert "Expected" in document["error"]["message"]
    assert len(stored()) == len(BAD_OBJECTS) + 1


@pytest.mark.parametrize(
    ("bucket", "key"),
    [("somebody-elses", "uploads/a.png"), (INPUT, "private/a.png"), (OUTPUT, "predictions/uploads/a.png.json")],
)
def test_an_object_that_may_not_be_read_is_neither_read_nor_written_about(invoke, upload, stored, bucket, key, recorded_calls):
    upload("uploads/good.png", (IMAGES / "bag-1.png").read_bytes())
    event = uploaded("uploads/good.png")
    event["Records"] += uploaded(key, bucket=bucket)["Records"]

    with pytest.raises(InvocationFailed, match="1 of 2 records"):
        invoke(event)

    assert {arguments["Key"] for _, arguments, _ in recorded_calls} == {
        "predictions/_coatcheck/maker",
        "uploads/good.png",
        "predictions/uploads/good.png.json",
    }
    assert list(stored()) == ["predictions/uploads/good.png.json"]


def test_missing_settings_stop_the_function_before_anything_is_read(invoke, upload, stored, monkeypatch):
    upload("uploads/a.png", (IMAGES / "bag-1.png").read_bytes())
    monkeypatch.delenv("OUTPUT_URI")
    monkeypatch.setenv("INPUT_URIS", "nonsense")

    with pytest.raises(BadSettings, match=r"(?s)OUTPUT_URI.*INPUT_URIS"):
        invoke(uploaded("uploads/a.png"))
    assert stored() == {}


def test_a_model_with_one_byte_changed_stops_the_function(invoke, upload, stored, monkeypatch, tmp_path):
    shutil.copytree(BUNDLED_ARTIFACT, tmp_path / "artifact")
    model = tmp_path / "artifact" / "model.tflite"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    monkeypatch.setenv("MODEL_URI", str(tmp_path / "artifact"))
    upload("uploads/a.png", (IMAGES / "bag-1.png").read_bytes())

    with pytest.raises(BadArtifact, match="sha256"):
        invoke(uploaded("uploads/a.png"))
    assert stored() == {}


def test_a_model_can_be_read_from_s3(invoke, upload, s3, monkeypatch):
    s3.create_bucket(Bucket="models")
    for path in BUNDLED_ARTIFACT.iterdir():
        s3.put_object(Bucket="models", Key=f"v1/{path.name}", Body=path.read_bytes())
    monkeypatch.setenv("MODEL_URI", "s3://models/v1/")
    upload("uploads/a.png", (IMAGES / "bag-1.png").read_bytes())

    assert outcomes(invoke(uploaded("uploads/a.png"))) == {"a.png": "scored"}


def test_lines_are_written_where_the_settings_say_so(invoke, upload, stored, monkeypatch):
    monkeypatch.setenv("RESULT_FORMAT", "jsonl")
    upload("uploads/a.npy", npy(np.zeros((3, 28, 28), np.uint8)))

    invoke(uploaded("uploads/a.npy"))

    ((key, content),) = stored().items()
    assert key == "predictions/uploads/a.npy.jsonl"
    assert len(content.splitlines()) == 5


@pytest.mark.parametrize(
    "event", [{"detail-type": "Object Created"}, {}, [], [{"job": "plan"}], "text", 7, True, None], ids=str
)
def test_an_event_of_nobody_is_an_error(invoke, buckets, event):
    with pytest.raises(UnrecognisedEvent):
        invoke(event)


def test_settings_client_and_model_are_built_once(invoke, upload, monkeypatch):
    upload("uploads/a.png", (IMAGES / "bag-1.png").read_bytes())
    invoke(uploaded("uploads/a.png"))
    monkeypatch.setenv("OUTPUT_URI", "nonsense, which a second look would stumble over")

    assert outcomes(invoke(uploaded("uploads/a.png"))) == {"a.png": "duplicate"}


def test_each_object_is_in_one_line_of_the_log_with_the_request_s_id(invoke, upload, logged):
    for key, content in {"good.png": (IMAGES / "bag-1.png").read_bytes(), "bad\n{}.png": b"?"}.items():
        upload(f"uploads/{key}", content)

    invoke(uploaded("uploads/good.png", "uploads/bad\n{}.png"))

    lines = sorted(logged(), key=lambda line: line["outcome"])  # in the order in which they were finished
    assert [(line["message"], line["outcome"], line["function_request_id"]) for line in lines] == [
        ("object", "rejected", "request-1"),
        ("objects", "scored", "request-1"),
    ]
    assert lines[1]["objects"] == [["uploads/good.png", 1, 0, 0, (IMAGES / "bag-1.png").stat().st_size]]
    assert lines[0]["object"] == f"s3://{INPUT}/uploads/bad\n{{}}.png"
    assert lines[0]["error"] == "UnrecognisedFormat"
    assert not any("testing" in json.dumps(line) for line in lines)  # the credentials


def test_what_fails_is_logged_with_its_reason(invoke, buckets, logged):
    event = uploaded("uploads/a.png", bucket="somebody-elses")

    with pytest.raises(InvocationFailed):
        invoke(event)

    lines = logged()
    assert [(line["message"], line["level"]) for line in lines] == [("object", "ERROR"), ("invocation_failed", "ERROR")]
    assert lines[0]["error"] == "UnacceptedObject"


def test_a_scored_invocation_never_imports_what_trains(environment):
    """In a process of its own, because other tests import all of it."""
    program = f"""
import json, sys, boto3
from moto import mock_aws
with mock_aws():
    s3 = boto3.client("s3")
    for bucket in ("{INPUT}", "{OUTPUT}"):
        s3.create_bucket(Bucket=bucket)
    s3.upload_file("{IMAGES}/coat-0.png", "{INPUT}", "uploads/coat-0.png")
    from handler.app import lambda_handler
    from infra.cloud.event_source import Context
    answer = lambda_handler(json.load(open("{ROOT}/events/s3-upload.json")), Context("r"))
    assert answer["objects"][0]["outcome"] == "scored", answer
print(sorted({{name.split(".")[0] for name in sys.modules}} & {{"tensorflow", "keras", "training", "jax", "torch", "sklearn"}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_attempt_to_start_that_failed_leaves_nothing_frozen(environment, monkeypatch, tmp_path):
    monkeypatch.setenv("MODEL_URI", str(tmp_path))
    before = gc.get_freeze_count()
    with pytest.raises(MisconfiguredError):
        build_parts()
    assert gc.get_freeze_count() <= before
    assert gc.isenabled()
