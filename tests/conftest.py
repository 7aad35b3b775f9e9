"""What all tests share: sample files, and the ladder aws -> s3 -> buckets -> uploaded.

boto3, moto and the function take a second to import, so fixtures import them: tests of pure code start without.
"""

import csv
import functools
import gzip
import importlib
import json
import logging
import os
import pkgutil
import struct
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import coverage
import hypothesis
import numpy as np
import pytest

import handler
from tests.browser import browser  # noqa: F401  # a fixture of all tests
from tests.ministack import ministack  # noqa: F401  # a fixture of all tests

ROOT = Path(__file__).parent.parent
EVENTS = ROOT / "events"
IMAGES = EVENTS / "images"
INPUT, OUTPUT = "coatcheck-input-123456789012", "coatcheck-output-123456789012"  # as in events/*.json


# The variables of a machine that are not for the tests, besides those of AWS and of proxies.
STRANGE = {"MODEL_URI", "QUEUE_URL", "RESULT_FORMAT", "S3_CLIENT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"}

hypothesis.settings.register_profile("patient", deadline=None)  # a machine that is busy is no failure
hypothesis.settings.load_profile("patient")

# The files that take longest. Files are handed out whole, so all other processes would wait for one of these at the end.
SLOWEST = (
    "tests/training/recipes/test_fashion_mnist.py",
    "tests/training/test_own_images.py",
    "tests/training/test_command.py",
    "tests/test_deployment.py",
)


def pytest_collection_modifyitems(items):
    places = {str(ROOT / name): place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: places.get(str(item.path), len(places)))


# Coverage is of the handler, and tests/handler covers it by itself. The tests of all else would take up to twice the processor
# time if it watched them too.
WATCHED = ROOT / "tests" / "handler"


@contextmanager
def unwatched(path):
    """Stops coverage meanwhile, unless the tests at `path` are to be watched."""
    watching = None if path.is_relative_to(WATCHED) else coverage.Coverage.current()
    if watching:
        watching.stop()
    yield
    if watching:
        watching.start()


@pytest.hookimpl(tryfirst=True)
def pytest_collection():
    """Loads the whole handler if coverage watches: what is loaded in an unwatched test would count as never run."""
    if coverage.Coverage.current():
        for module in pkgutil.walk_packages(handler.__path__, "handler."):
            importlib.import_module(module.name)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    with unwatched(collector.path):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    with unwatched(item.path):
        return (yield)


def pytest_terminal_summary(terminalreporter):
    """Shows what tests recorded as `told`, such as how many of all cases they ran, in whichever process they ran."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            for name, text in report.user_properties:
                if name == "told" and report.when == "call":
                    terminalreporter.write_line(text)


@pytest.fixture
def load_event():
    return lambda name: json.loads((EVENTS / name).read_text())


@pytest.fixture(scope="session")
def truth():
    """The class name of each sample image, by file name, in the order of the packed file."""
    with (IMAGES / "labels.csv").open(newline="") as file:
        return {row["image"]: row["class_name"] for row in csv.DictReader(file)}


@pytest.fixture(scope="session")
def sample_pixels():
    """All sample images: (100, 28, 28, 1) uint8, in the order of labels.csv."""
    content = gzip.decompress((IMAGES / "packed-idx3-ubyte.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=16).reshape(100, 28, 28, 1)


@pytest.fixture
def environment(monkeypatch):
    """The least environment that the handler runs in, and nothing of the machine's."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy") or name in STRANGE:
            monkeypatch.delenv(name)
    variables = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "INPUT_URIS": f"s3://{INPUT}/uploads/",
        "OUTPUT_URI": f"s3://{OUTPUT}/predictions/",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def aws(environment, recorded_calls):
    from moto import mock_aws

    with mock_aws():
        yield


@pytest.fixture(scope="session")
def moto_server():
    """The endpoint of moto's server, which one process of tests shares."""
    from moto.moto_server.utilities import RegexConverter
    from moto.server import ThreadedMotoServer
    from werkzeug.routing import BaseConverter

    def convert(converter, url_map, regex):
        BaseConverter.__init__(converter, url_map)
        converter.regex = f"(?s:{regex})"  # moto's own routes take no key with a line feed

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RegexConverter, "__init__", convert)
        server.start()
        yield "http://{}:{}".format(*server.get_host_and_port())
        server.stop()


@pytest.fixture
def s3_server(moto_server, environment, recorded_calls, monkeypatch):
    """A client of moto's server, which is empty, and to which the environment leads every client of AWS."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server)
    urllib.request.urlopen(urllib.request.Request(f"{moto_server}/moto-api/reset", method="POST")).close()
    return boto3.client("s3")


@pytest.fixture
def s3(aws):
    import boto3

    return boto3.client("s3")


@pytest.fixture
def buckets(s3):
    s3.create_bucket(Bucket=INPUT)
    s3.create_bucket(Bucket=OUTPUT)
    return INPUT, OUTPUT


@pytest.fixture
def upload(s3, buckets):
    def upload(key, content):
        s3.put_object(Bucket=INPUT, Key=key, Body=content)

    return upload


@pytest.fixture
def stored(s3, buckets):
    """Returns everything in the output bucket but the marks of sweeps: document bytes by key."""

    def stored():
        listed = s3.list_objects_v2(Bucket=OUTPUT).get("Contents", [])
        keys = [row["Key"] for row in listed if not row["Key"].startswith("predictions/_coatcheck/")]
        return {key: s3.get_object(Bucket=OUTPUT, Key=key)["Body"].read() for key in keys}

    return stored


@pytest.fixture
def work_queue_url(aws):
    """The queue that sweeps send to, by a name that CloudFormation could have given it."""
    import boto3

    return boto3.client("sqs").create_queue(QueueName="coatcheck-UploadQueue-1A2B3C")["QueueUrl"]


@pytest.fixture(scope="session")
def botocore_data():
    """Has botocore read each of its files once, though each test has sessions of its own: those of S3 take 0.1 s."""
    from botocore.loaders import JSONFileLoader

    read, loader = JSONFileLoader.load_file, JSONFileLoader()
    with pytest.MonkeyPatch.context() as patch:
        kept = functools.cache(lambda path: read(loader, path))
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: kept(path))
        yield


@pytest.fixture
def recorded_calls(monkeypatch, botocore_data):
    """Records each call of AWS that the function makes, and fails the test if the template's role does not allow it.

    They are seen where they reach the emulated cloud, whichever client makes them. The function's clients are known by what
    they write into access logs, its calls by being made while it runs. Every fixture that stands for AWS requests this one.
    """
    import handler.app
    from tests.permissions import granting, statements
    from tests.wire import record

    granted = statements(ModelUri="s3://models/v1/")
    calls, running = [], []
    handle = handler.app._handle

    def note(call, user_agent, status):
        if running and "coatcheck" in user_agent:
            calls.append((*call, status))

    def handling(*arguments):
        running.append(True)
        try:
            return handle(*arguments)
        finally:
            running.pop()

    record(monkeypatch, note)
    monkeypatch.setattr(handler.app, "_handle", handling)
    yield calls
    refused = [call for call in calls if not all(granting(call, granted))]
    assert not refused, f"the role in template.yaml does not allow {refused}"


@pytest.fixture(scope="session")
def pack_idx():
    """Packs (n, height, width) uint8 pixels as an idx3 file."""
    return lambda pixels: struct.pack(">IIII", 0x0803, *pixels.shape) + pixels.tobytes()


# --- a small data set, and a model for it; Keras is imported by the fixture ---------------------------------------------------


def pack(pixels):
    return struct.pack(">IIII", 0x0803, *pixels.shape) + pixels.tobytes()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A data set in four IDX files that is easy to learn: class 0 is bright above, class 1 below, class 2 in the middle."""
    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(0)
    for part, count in (("train", 3500), ("t10k", 120)):
        labels = rng.integers(0, 3, count, np.uint8)
        pixels = rng.integers(0, 60, (count, 12, 12), np.uint8)
        for image, label in zip(pixels, labels, strict=True):
            image[{0: slice(0, 4), 1: slice(8, 12), 2: slice(4, 8)}[int(label)]] += 150
        (folder / f"{part}-images-idx3-ubyte").write_bytes(pack(pixels))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x0801, count) + labels.tobytes())
    return folder


HOSTILE = ('<script>alert("x")</script>', "_$\\frac{$|`b`", "middle\nof the image")


@pytest.fixture(scope="session")
def tiny_artifact(tiny_folder, tmp_path_factory):
    """The folder of an artifact for `tiny_folder` that is right on most of its images, and whose class names are hostile."""
    import keras

    from handler.contract import Conversion
    from training.data.held_out import hold_out
    from training.data.mnist import load_dataset
    from training.export.network import Description, export_network, one_of_each

    dataset = load_dataset(tiny_folder, HOSTILE)
    weights = np.random.default_rng(0).normal(0, 0.003, (12, 12, 3)).astype(np.float32)
    for index, band in enumerate((slice(0, 4), slice(8, 12), slice(4, 8))):
        weights[band, :, index] += 0.0014
    dense = keras.layers.Dense(3)
    images = keras.Input((12, 12, 1), dtype="uint8")
    logits = dense(keras.layers.Flatten()(keras.layers.Rescaling(1.0)(images)))
    network = keras.Model(images, {"logits": logits})
    dense.set_weights([weights.reshape(144, 3), np.zeros(3, np.float32)])
    rest, held_out = hold_out(dataset.train, 300, seed=0)
    epoch = {"loss": 0.5, "accuracy": 0.8, "held_out_loss": 0.4, "held_out_accuracy": 0.9, "learning_rate": 0.1, "seconds": 1.0}
    description = Description(
        name="tiny & <b>$\\frac$</b>",
        version="0.1.0",
        classes=HOSTILE,
        conversion=Conversion(),
        dataset={"name": dataset.name, "train_images": len(rest), "md5_of_content": dataset.checksums},
        training={"config": {"seed": 0}, "parameters": 435, "multiplications": 432, "history": [epoch, epoch]},
    )
    out = tmp_path_factory.mktemp("tiny-artifact")
    export_network(network, description, one_of_each(held_out), held_out, dataset.test, out)
    return out
