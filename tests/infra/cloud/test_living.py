"""`coatcheck cloud` as a process: what it prints works, what arrives is told of, and signals end it cleanly."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from queue import Empty, SimpleQueue

import pytest

from infra.cloud.arrivals import describe
from infra.cloud.guide import SAM_KEY, invocation
from infra.paths import ROOT
from infra.show.documents import Document

PATIENCE_S = 60


class Running:
    """A `coatcheck cloud` and the lines that it prints."""

    def __init__(self, folder, *arguments):
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "infra", "cloud", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "AWS_PROFILE": "nosuch"},
        )
        self.lines = SimpleQueue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def until(self, pattern):
        """The lines up to the first that matches."""
        read = []
        try:
            while not (read and re.search(pattern, read[-1])):
                read.append(self.lines.get(timeout=PATIENCE_S))
        except Empty:
            pytest.fail(f"no {pattern!r} in {read}")
        return read


@pytest.fixture
def running(tmp_path):
    started = []

    def running(*arguments):
        started.append(Running(tmp_path, *arguments))
        return started[-1]

    yield running
    for one in started:
        one.close()


def snippet(lines):
    """The printed lines of Python."""
    begin = lines.index("    import boto3")
    return "\n".join(line.strip() for line in lines[begin : lines.index("", begin)])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_printed_lines_of_boto3_upload_an_image_whose_document_is_told_of_until_a_signal_ends_it(running, number):
    cloud = running()
    program = snippet(cloud.until("Each document is told of here"))
    read_back = 'import sys; print(s3.get_object(Bucket=sys.argv[1], Key=sys.argv[2])["Body"].read().decode())'

    subprocess.run([sys.executable, "-c", program], check=True, env={})
    line = cloud.until("^predicted")[-1]
    bucket, key = re.search(r"uploads/coat-0\.png: Coat 0\.\d{3} \(unsure\) -> s3://([^/]+)/(.+)$", line).groups()
    document = subprocess.run(
        [sys.executable, "-c", f"{program}\n{read_back}", bucket, key], check=True, capture_output=True, text=True, env={}
    ).stdout
    cloud.process.send_signal(number)

    assert '"class_name":"Coat"' in document
    assert cloud.until("^ended")[-1] == "ended after 1 documents"
    assert cloud.process.wait(PATIENCE_S) == 0


def test_a_port_that_is_taken_is_an_error_in_one_line(running):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        cloud = running("--port", str(port))

        assert cloud.process.wait(PATIENCE_S) == 1
        assert cloud.process.stderr.read() == (
            f"error: Expected a free port. Received: 127.0.0.1:{port}, Address already in use; choose another.\n"
        )


def test_a_broken_artifact_ends_it_before_anything_is_promised(running, tmp_path):
    (tmp_path / "artifact").mkdir()
    cloud = running("--artifact", str(tmp_path / "artifact"))

    assert cloud.process.wait(PATIENCE_S) == 1
    assert "error: --artifact: Expected an artifact with model.tflite and manifest.json." in cloud.process.stderr.read()
    assert cloud.lines.empty()


def test_the_line_for_the_sam_cli_names_a_file_that_asks_for_the_object_which_waits(cloud, tmp_path):
    event = tmp_path / "new" / "event.json"
    line = invocation(cloud, tmp_path / "template.json", event, "x86_64")

    assert event.read_text() == f'{{"objects": ["s3://{cloud.input_bucket}/{SAM_KEY}"]}}'
    assert f"sam local invoke ScoringFunction --template {tmp_path}/template.json --event {event}" in line


def test_a_hostile_name_cannot_move_the_cursor():
    content = (
        b'{"schema":"coatcheck.rejection/2","input":{"bucket":"b","key":"\\u001b[2Jx\\n","etag":"e","version_id":null,'
        b'"size_bytes":1,"format":null},"model":{"name":"m","version":"1","sha256":"' + b"0" * 64 + b'"},'
        b'"error":{"name":"EmptyObject","message":"\\u001b[31m' + b"x" * 500 + b'"}}'
    )
    line = describe(Document("s3://out/\x1b.json", content))

    assert line.isprintable()
    assert line.startswith(r"rejected   \x1b[2Jx\n: EmptyObject: ")
    assert len(line) < 250
