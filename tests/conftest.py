"""What all tests share: sample files, and the ladder aws -> s3 -> buckets -> uploaded."""

import csv
import gzip
import json
import struct
from pathlib import Path

import boto3
import numpy as np
import pytest
from moto import mock_aws

ROOT = Path(__file__).parent.parent
EVENTS = ROOT / "events"
IMAGES = EVENTS / "images"
INPUT, OUTPUT = "coatcheck-input-123456789012", "coatcheck-output-123456789012"  # as in events/*.json


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
    for name in ("MODEL_URI", "RESULT_FORMAT", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
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
def aws(environment):
    with mock_aws():
        yield


@pytest.fixture
def s3(aws):
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
    """Returns everything in the output bucket: document bytes by key."""

    def stored():
        listed = s3.list_objects_v2(Bucket=OUTPUT).get("Contents", [])
        return {row["Key"]: s3.get_object(Bucket=OUTPUT, Key=row["Key"])["Body"].read() for row in listed}

    return stored


@pytest.fixture(scope="session")
def pack_idx():
    """Packs (n, height, width) uint8 pixels as an idx3 file."""
    return lambda pixels: struct.pack(">IIII", 0x0803, *pixels.shape) + pixels.tobytes()
