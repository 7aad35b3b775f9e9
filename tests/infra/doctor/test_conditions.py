"""`coatcheck doctor --probe` on stores that judge conditions, and on stores that do as if, each of which is a server here."""

import hashlib
import http.server
import json
import threading
from contextlib import contextmanager

import boto3
import pytest
from typer.testing import CliRunner

from handler.objects import Prefix
from infra.__main__ import app
from infra.doctor.asking import Cloud
from infra.doctor.conditions import examine_conditions
from infra.doctor.findings import State
from tests.ministack import reset

OUTPUT = Prefix("documents", "predictions/")
LOST = "do not write documents there: the document of an older upload may replace that of a newer one"


def probe():
    return list(examine_conditions(Cloud(None), OUTPUT, is_probed=True))


@pytest.fixture(params=["moto", "ministack", "versioned ministack"])
def emulator(request, environment, monkeypatch):
    """A client of an emulator with an empty bucket for documents."""
    if request.param == "moto":
        request.getfixturevalue("s3_server")
    else:
        endpoint = request.getfixturevalue("ministack")
        reset(endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    client = boto3.client("s3")
    client.create_bucket(Bucket=OUTPUT.bucket)
    if "versioned" in request.param:
        client.put_bucket_versioning(Bucket=OUTPUT.bucket, VersioningConfiguration={"Status": "Enabled"})
    return client


def test_a_store_that_judges_conditions_is_right_and_nothing_is_left_in_it(emulator):
    (finding,) = probe()

    assert (finding.subject, finding.state) == ("conditional writes", State.OK)
    assert "judges If-None-Match and If-Match, as four writes to s3://documents/predictions/_coatcheck/ showed" in finding.found
    left = emulator.list_object_versions(Bucket=OUTPUT.bucket)
    assert (left.get("Versions", []), left.get("DeleteMarkers", [])) == ([], [])


def test_a_bucket_that_is_not_there_is_named(environment, ministack, monkeypatch):
    reset(ministack)
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack)
    (finding,) = probe()

    assert finding.state is State.WRONG
    assert finding.found == "is not there (put_object: NoSuchBucket)"


IGNORING = {"ignores conditions", "writes though it refuses", "only says that it writes"}


class Careless(http.server.BaseHTTPRequestHandler):
    """A store that speaks S3's protocol and ignores conditions; `faults` says what else it does."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        stands = self.path in self.server.objects
        stopped = bool(self.headers["If-None-Match"] and stands) or bool(
            self.headers["If-Match"] and self.headers["If-Match"] != self.etag()
        )
        if "judges If-None-Match alone" in self.server.faults and self.headers["If-Match"]:
            stopped = False
        if {"refuses conditions", "refuses writes"} & self.server.faults:
            code = "NotImplemented" if "refuses conditions" in self.server.faults else "AccessDenied"
            return self.answer(501 if code == "NotImplemented" else 403, f"<Error><Code>{code}</Code></Error>")
        if "never replaces" in self.server.faults and stands:
            return self.answer(412, "<Error><Code>PreconditionFailed</Code></Error>")
        if not self.server.faults & IGNORING and stopped:
            return self.answer(412, "<Error><Code>PreconditionFailed</Code></Error>")
        if not (stopped and "only says that it writes" in self.server.faults):
            self.server.objects[self.path] = content
        if "fails once it has written" in self.server.faults:
            return self.answer(500, "<Error><Code>InternalError</Code></Error>")
        if "writes though it refuses" in self.server.faults and stopped:
            return self.answer(412, "<Error><Code>PreconditionFailed</Code></Error>")
        return self.answer(200)

    def do_GET(self):
        self.answer(200, self.server.objects[self.path].decode())

    def do_HEAD(self):
        self.answer(200 if self.path in self.server.objects else 404)

    def do_DELETE(self):
        if "refuses deletions" in self.server.faults:
            return self.answer(403, "<Error><Code>AccessDenied</Code></Error>")
        self.server.objects.pop(self.path, None)
        return self.answer(204)

    def etag(self):
        return f'"{hashlib.md5(self.server.objects.get(self.path, b"")).hexdigest()}"'

    def answer(self, status, text=""):
        self.send_response(status)
        if status == 200:
            self.send_header("ETag", self.etag())
        if status != 204:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@contextmanager
def careless(monkeypatch, *faults):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Careless)
    server.daemon_threads = True
    server.objects, server.faults = {}, set(faults)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield server.objects
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("ignores conditions", "does not stop a write with If-None-Match: * (it answered 200)"),
        ("judges If-None-Match alone", "does not stop a write with another ETag in If-Match (it answered 200)"),
        ("only says that it writes", "does not stop a write with If-None-Match: * (it answered 200)"),
        ("writes though it refuses", "does not stop a write with If-None-Match: * (PreconditionFailed)"),
        ("refuses conditions", "does not create an object with If-None-Match: * (NotImplemented)"),
        ("fails once it has written", "does not create an object with If-None-Match: * (PreconditionFailed)"),
        ("never replaces", "does not replace an object with its ETag in If-Match (PreconditionFailed)"),
    ],
)
def test_a_store_that_does_not_judge_conditions_is_wrong(environment, monkeypatch, fault, found):
    with careless(monkeypatch, fault) as objects:
        (finding,) = probe()

    assert finding.state is State.WRONG
    assert finding.found.endswith(found)
    assert finding.advice.startswith(LOST)
    assert objects == {}


def test_a_store_without_a_fault_is_right(environment, monkeypatch):
    """So the server itself is no reason for the others' findings."""
    with careless(monkeypatch) as objects:
        (finding,) = probe()

    assert (finding.state, objects) == (State.OK, {})


def test_who_may_not_write_is_told_so(environment, monkeypatch):
    with careless(monkeypatch, "refuses writes"):
        (finding,) = probe()

    assert (finding.state, finding.found) == (State.WRONG, "put_object is refused (AccessDenied)")


def test_an_object_that_may_not_be_deleted_is_named(environment, monkeypatch):
    with careless(monkeypatch, "refuses deletions") as objects:
        finding, left = probe()

    (path,) = objects
    assert (finding.state, left.state) == (State.OK, State.UNKNOWN)
    assert left.found.endswith("the object of this probe stays, since its deletion failed with AccessDenied")
    assert left.advice == f"delete s3:/{path}"


def test_without_a_probe_nothing_is_written_and_another_store_than_s3_is_pointed_out(environment, monkeypatch):
    with careless(monkeypatch) as objects:
        (finding,) = examine_conditions(Cloud(None), OUTPUT, is_probed=False)

    assert (finding.state, finding.advice) == (State.UNKNOWN, "run this again with --probe")
    assert objects == {}


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1", "cn-north-1"])
def test_s3_itself_needs_no_probe(environment, region):
    assert list(examine_conditions(Cloud(region), OUTPUT, is_probed=False)) == []


def test_the_command_probes_if_it_is_asked_to(cloud):
    done = CliRunner().invoke(app, ["doctor", "--json", "--probe"])

    findings = json.loads(done.stdout)
    assert done.exit_code == 0
    assert [one["state"] for one in findings if one["subject"] == "conditional writes"] == ["ok"]
    assert cloud.s3.list_objects_v2(Bucket=cloud.output_bucket).get("Contents", []) == []
