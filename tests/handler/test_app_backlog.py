"""The function as the state machine of a backlog invokes it, with the bundled model, on moto's S3."""

import hashlib
import json
from pathlib import Path

import pytest

from handler.errors import BadArtifact, StaleRun, UnacceptedObject
from handler.model import BUNDLED_ARTIFACT

IMAGES = Path(__file__).parent.parent.parent / "events" / "images"
INPUT, OUTPUT = "coatcheck-input-123456789012", "coatcheck-output-123456789012"
OWN = "predictions/_coatcheck/"


@pytest.fixture
def content(s3, buckets):
    """Returns the content of an object that the function keeps for itself."""
    return lambda key: s3.get_object(Bucket=OUTPUT, Key=key)["Body"].read()


@pytest.fixture
def own_keys(s3, buckets):
    """Returns the keys of what the function keeps for itself, in order, without their common beginning."""

    def keys():
        listed = s3.list_objects_v2(Bucket=OUTPUT, Prefix=OWN).get("Contents", [])
        return [row["Key"].removeprefix(OWN) for row in listed]

    return keys


@pytest.fixture
def do(invoke, content):
    """Does what the state machine does with an event that plans; returns the plan's answer and the summary."""

    def run(event):
        answer = event
        while not answer.get("is_planned"):
            answer = json.loads(json.dumps(invoke(answer)))
        for shard in json.loads(content(answer["shards_key"])):
            invoke(shard)
        return answer, invoke({"job": "summarise", "run": answer["run"]})

    return run


def test_the_rows_of_a_backlog_are_the_documents_of_uploads(invoke, do, upload, stored, content, logged):
    names = sorted(path.name for path in IMAGES.glob("*.png"))
    for name in names:
        upload(f"uploads/{name}", (IMAGES / name).read_bytes())
    upload("uploads/broken.png", (IMAGES / names[0]).read_bytes()[:100])

    answer, summary = do({"job": "plan", "run": "first", "max_seconds": 20})
    rows = content(f"{summary['rows'].removeprefix(f's3://{OUTPUT}/')}0000001.jsonl").splitlines()
    invoke({"objects": [f"s3://{INPUT}/uploads/{name}" for name in [*names, "broken.png"]]})

    documents = stored()
    keys = [json.loads(row)["input"]["key"] for row in rows]
    assert sorted(keys) == sorted(f"uploads/{name}" for name in [*names, "broken.png"])
    assert rows == [documents[f"predictions/{key}.json"] for key in keys]
    assert answer["plan"]["objects"] == len(names) + 1
    assert summary["outcomes"] | {"scored": len(names), "rejected": 1} == summary["outcomes"]
    assert {line["run"] for line in logged() if line.get("trigger") == "backlog"} == {"first"}


def test_a_sweep_after_a_backlog_finds_nothing_to_do(invoke, do, upload):
    for number in range(3):
        upload(f"uploads/{number}.png", (IMAGES / "coat-0.png").read_bytes())
    do({"job": "plan", "run": "first"})

    (sweep,) = invoke({"job": "sweep"})["sweeps"]

    assert (sweep["examined"], sweep["missing"], sweep["outcomes"]) == (3, 0, {})


@pytest.fixture
def own_model(s3, buckets):
    """A model that a run brings, which is the bundled one under another version; returns its digest."""
    manifest = json.loads((BUNDLED_ARTIFACT / "manifest.json").read_bytes()) | {"version": "9.9.9"}
    text = json.dumps(manifest).encode()
    digest = hashlib.sha256(text).hexdigest()
    model = (BUNDLED_ARTIFACT / "model.tflite").read_bytes()
    s3.put_object(Bucket=OUTPUT, Key=f"{OWN}models/{digest}/manifest.json", Body=text)
    s3.put_object(Bucket=OUTPUT, Key=f"{OWN}models/{digest}/model.tflite", Body=model)
    return digest


def test_a_list_that_a_brought_model_could_not_send_is_sent_once_the_model_is_deployed(
    invoke, do, upload, own_model, work_queue_url, monkeypatch
):
    from handler.app import build_parts

    monkeypatch.setenv("QUEUE_URL", work_queue_url)
    upload("uploads/a.png", (IMAGES / "coat-0.png").read_bytes())
    upload("uploads/all.jsonl", json.dumps({"source-ref": f"s3://{INPUT}/uploads/a.png"}).encode())
    _, summary = do({"job": "plan", "run": "other", "model": own_model})
    assert (summary["outcomes"]["scored"], summary["outcomes"]["rejected"]) == (1, 1)

    monkeypatch.setenv("MODEL_URI", f"s3://{OUTPUT}/{OWN}models/{own_model}/")
    build_parts.cache_clear()
    answer, after = do({"job": "plan", "run": "after"})

    assert (answer["plan"]["objects"], answer["plan"]["left_out"]) == (1, {"done": 1})
    assert (after["outcomes"]["scored"], after["outcomes"]["rejected"]) == (1, 0)


def test_a_run_scores_with_a_model_that_it_brings(invoke, do, upload, own_model, own_keys):
    """One byte of the manifest is another, which makes it another model by its digest."""
    upload("uploads/a.png", (IMAGES / "coat-0.png").read_bytes())
    do({"job": "plan", "run": "first"})

    _, summary = do({"job": "plan", "run": "other", "model": own_model})

    assert summary["model"]["version"] == "9.9.9"
    makers = {key.split("/")[1] for key in own_keys() if key.startswith("shards/")}
    assert len(makers) == 2
    assert summary["rows"].split("/")[-3] in makers


def test_a_model_that_is_not_what_its_digest_says_is_refused(invoke, upload, s3):
    for name in ("manifest.json", "model.tflite"):
        body = (BUNDLED_ARTIFACT / name).read_bytes()
        s3.put_object(Bucket=OUTPUT, Key=f"{OWN}models/{'0' * 64}/{name}", Body=body)

    with pytest.raises(BadArtifact, match="0000"):
        invoke({"job": "plan", "run": "other", "model": "0" * 64})


def test_a_prefix_outside_of_the_inputs_is_refused_by_its_name(invoke, buckets):
    with pytest.raises(UnacceptedObject, match="INPUT_URIS"):
        invoke({"job": "plan", "run": "first", "prefix": "s3://elsewhere/"})


def test_a_run_that_nobody_planned_is_refused(invoke, buckets):
    with pytest.raises(StaleRun, match="planned"):
        invoke({"job": "summarise", "run": "never"})


def test_objects_of_a_shard_are_counted_in_the_metrics(invoke, do, upload, capsys):
    upload("uploads/a.png", (IMAGES / "coat-0.png").read_bytes())
    do({"job": "plan", "run": "first"})

    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"ObjectsScored"' in line]

    assert sum(line["ObjectsScored"][0] for line in metrics) == 1
