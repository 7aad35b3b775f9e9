"""The mixed batch that every fault strikes: one object of each kind that the function treats in a way of its own."""

import gzip
import io
import json
import zipfile
from dataclasses import dataclass

from infra.paths import IMAGES
from tests.promises import described

MIB = 2**20


def _archive():
    """A zip archive whose bytes are always the same."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("bag-1.png", "coat-1.png", "dress-1.png"):
            archive.writestr(zipfile.ZipInfo(f"rack/{name}"), (IMAGES / name).read_bytes())
    return out.getvalue()


def _png(name):
    return (IMAGES / f"{name}.png").read_bytes()


def inputs(bucket):
    """The content of each input, by key."""
    return {
        "uploads/single.png": _png("coat-0"),
        "uploads/photo.jpg": (IMAGES / "photos" / "dress.jpg").read_bytes(),
        "uploads/archive.zip": _archive(),
        "uploads/packed.gz": gzip.compress(_png("sandal-0"), mtime=0),
        "uploads/streamed.png": _png("bag-0") + bytes(MIB + MIB // 4),  # too large to be read when it is opened
        "uploads/list": f"{bucket},uploads/listed.png\n{bucket},uploads/gone-since.png\n".encode(),
        "uploads/listed.png": _png("shirt-0"),
        "uploads/overwritten.png": _png("pullover-0"),
        "uploads/rejected.png": b"",
        "uploads/duplicate.png": _png("trouser-0"),
        "uploads/twice.png": _png("sneaker-0"),
        "uploads/again-1.png": _png("coat-2"),
        "uploads/again-2.png": _png("bag-2"),
        "uploads/swept/missed.png": _png("dress-0"),
    }


EARLIER = {"uploads/overwritten.png": _png("ankle-boot-0")}  # what lay there when the document that stands was written
SCORED_BEFORE = ("uploads/overwritten.png", "uploads/duplicate.png")
REDELIVERED = ("uploads/again-1.png", "uploads/again-2.png")  # delivered in vain before, so that each is begun alone
EARLIER_DELIVERIES = 3
SWEPT = "uploads/swept/"
NAMED = ("uploads/listed.png", "uploads/swept/missed.png")  # by the list and by the sweep, and by no event
EVENTS = (
    *("uploads/single.png", "uploads/photo.jpg", "uploads/archive.zip", "uploads/packed.gz", "uploads/streamed.png"),
    *("uploads/list", "uploads/overwritten.png", "uploads/rejected.png", "uploads/duplicate.png", "uploads/gone.png"),
    *("uploads/twice.png", "uploads/twice.png"),
)


def upload_event(bucket, key):
    """The body of the message that tells of an upload; the keys here need no encoding."""
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": key}},
    }
    return json.dumps({"Records": [record]})


def sweep_job(bucket, prefix):
    """The body of the message that asks for a sweep."""
    return json.dumps({"job": "sweep", "prefix": f"s3://{bucket}/{prefix}"})


@dataclass(frozen=True, slots=True)
class Standing:
    """A document that stood before the batch came, with the metadata by which it is recognised."""

    content: bytes
    metadata: dict[str, str]

    @property
    def about(self):
        """The address and the ETag of the input that it is about."""
        return described(self.content)
