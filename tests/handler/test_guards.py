"""What keeps the function fast, by counts that a busy machine does not change: calls, threads, log, imports, memory."""

import io
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from handler.settings import DEFAULTS

ROOT = Path(__file__).parent.parent.parent
PNG = (ROOT / "events" / "images" / "coat-0.png").read_bytes()
INPUT = "coatcheck-input-123456789012"


def upload_event(*keys):
    """An event of SQS with a message for each upload."""
    from infra.bench.own.events import sqs_event

    return sqs_event(INPUT, list(keys))


def made(recorded_calls):
    return Counter(operation for operation, _, _ in recorded_calls)


@pytest.fixture
def warm(invoke, upload, recorded_calls):
    """Invokes the function in a process that has looked at the marker, and at nothing else lately."""
    upload("uploads/first.png", PNG)
    assert invoke(upload_event("uploads/first.png")) == {"batchItemFailures": []}
    recorded_calls.clear()
    return invoke


def test_a_new_object_takes_one_get_and_one_put(warm, upload, recorded_calls):
    upload("uploads/a.png", PNG)

    warm(upload_event("uploads/a.png"))

    assert made(recorded_calls) == {"GetObject": 1, "PutObject": 1}


def test_a_redelivered_object_takes_a_head_more(warm, upload, recorded_calls):
    upload("uploads/a.png", PNG)
    warm(upload_event("uploads/a.png"))
    recorded_calls.clear()

    warm(upload_event("uploads/a.png"))

    assert made(recorded_calls) == {"GetObject": 1, "PutObject": 1, "HeadObject": 1}


def test_a_batch_takes_two_calls_for_each_object(warm, upload, recorded_calls):
    keys = [f"uploads/{number:02}.png" for number in range(25)]
    for key in keys:
        upload(key, PNG)

    warm(upload_event(*keys))

    assert made(recorded_calls) == {"GetObject": 25, "PutObject": 25}


@pytest.mark.parametrize("name", ["packed-idx3-ubyte.gz"])
def test_an_object_of_a_hundred_images_takes_no_call_more(warm, upload, recorded_calls, name):
    upload(f"uploads/{name}", (ROOT / "events" / "images" / name).read_bytes())

    warm(upload_event(f"uploads/{name}"))

    assert made(recorded_calls) == {"GetObject": 1, "PutObject": 1}


def test_an_archive_of_pictures_takes_no_call_more(warm, upload, recorded_calls):
    import zipfile

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for number in range(30):
            file.writestr(f"{number}.png", PNG)
    upload("uploads/a.zip", archive.getvalue())

    warm(upload_event("uploads/a.zip"))

    assert made(recorded_calls) == {"GetObject": 1, "PutObject": 1}


def test_an_object_that_is_gone_takes_one_get(warm, recorded_calls):
    warm(upload_event("uploads/none.png"))

    assert made(recorded_calls) == {"GetObject": 1}


def test_an_object_that_is_no_image_takes_two_calls_as_well(warm, upload, recorded_calls):
    upload("uploads/a.png", b"no image")

    warm(upload_event("uploads/a.png"))

    assert made(recorded_calls) == {"GetObject": 1, "PutObject": 1}


def test_a_batch_makes_no_more_threads_than_its_calls_need(warm, upload):
    """A call takes two threads: one of the batch, and one on which the call can be given up."""
    keys = [f"uploads/{number:02}.png" for number in range(40)]
    for key in keys:
        upload(key, PNG)
    most = 0

    start = threading.Thread.start

    def counting(thread):
        nonlocal most
        start(thread)
        most = max(most, threading.active_count())

    before = threading.active_count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", counting)
        warm(upload_event(*keys))

    assert most - before <= 2 * min(DEFAULTS["S3_CONCURRENCY"], len(keys))


def test_the_log_of_25_objects_is_short(warm, upload, monkeypatch):
    from handler.telemetry import logger

    keys = [f"uploads/{number:05}.png" for number in range(25)]
    for key in keys:
        upload(key, PNG)
    log, printed = io.StringIO(), io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    monkeypatch.setattr(sys, "stdout", printed)

    warm(upload_event(*keys))

    assert 0 < len((log.getvalue() + printed.getvalue()).encode()) < 6000


def test_scoring_a_small_object_needs_little_memory(warm, upload):
    """The peak of what Python and NumPy hold for one PNG of half a kilobyte: pictures, calls of botocore, and the document."""
    upload("uploads/a.png", PNG)
    upload("uploads/b.png", PNG)
    warm(upload_event("uploads/a.png"))
    tracemalloc.start()
    try:
        warm(upload_event("uploads/b.png"))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 2 * 2**20


def started(client):
    """The modules that a fresh process has imported when it is ready, and the services whose models botocore has read."""
    program = (
        "import json, sys, handler.app; handler.app.build_parts(); names, models = sorted(sys.modules), []\n"
        "if 'botocore' in sys.modules:\n"
        "    import gc, botocore.loaders\n"
        "    gc.unfreeze()\n"
        "    for loader in gc.get_objects():\n"
        "        if isinstance(loader, botocore.loaders.Loader):\n"
        "            models += [key[1] for key in loader._cache if 'load_service_model' in key]\n"
        "print(json.dumps([names, sorted(set(models))]))"
    )
    environment = {
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "INPUT_URIS": "s3://in-bucket/",
        "OUTPUT_URI": "s3://out-bucket/",
        "PATH": os.environ["PATH"],
        "S3_CLIENT": client,
    }
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    modules, models = json.loads(done.stdout.splitlines()[-1])
    return set(modules), models


def test_a_start_by_boto3_reads_the_model_of_s3_alone():
    _, models = started("boto3")

    assert models == ["s3"]


def test_a_start_by_obstore_makes_no_client_of_botocore():
    """A client of botocore takes a quarter of a second to make."""
    modules, models = started("obstore")

    assert models == []
    assert not {"boto3", "s3transfer", "botocore.client", "botocore.session", "botocore.loaders"} & modules


@pytest.mark.parametrize(("client", "most"), [("boto3", 750), ("obstore", 550)])
def test_a_start_imports_few_modules(client, most):
    modules, _ = started(client)

    assert len(modules) <= most
    assert not {"tensorflow", "keras", "moto", "asyncio", "pydantic"} & modules
