"""What runs the events through `sam local invoke`, with programs in the place of Docker and the SAM CLI."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from infra.__main__ import app
from infra.cloud import sam_local
from infra.cloud.expectations import EXPECTED
from infra.cloud.sam_local import Sam, find_host, run, write_template
from infra.errors import InfraError
from infra.paths import TEMPLATE
from infra.platforms import Architecture

NOTHING = json.dumps(EXPECTED["s3-test-event.json"].answer)  # what a function answers that had nothing to do


@pytest.fixture
def program(tmp_path):
    def program(name, script):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return program


@pytest.fixture
def docker(environment, program, tmp_path, monkeypatch):
    """A Docker whose containers find this machine at 127.0.0.1; what it changes of the environment is restored."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return program("docker", f'echo "$*" >{tmp_path}/docker-arguments; echo 127.0.0.1')


@pytest.fixture
def built(tmp_path, monkeypatch):
    shutil.copy(TEMPLATE, tmp_path / "template.yaml")
    monkeypatch.setattr(sam_local, "BUILD", tmp_path)
    return tmp_path


def test_each_event_that_is_answered_otherwise_is_named(docker, built, program, capsys):
    failed = run(program("sam", f"echo '{NOTHING}'"), Architecture.x86_64)

    assert failed == [name for name, expectation in EXPECTED.items() if expectation != EXPECTED["s3-test-event.json"]]
    rows = capsys.readouterr().out.splitlines()
    assert [name for name in EXPECTED if any(row.startswith(f"{name} ") for row in rows)] == list(EXPECTED)
    assert any("Expected documents ['predictions/uploads/coat-0.png.json']. Received: []." in row for row in rows)


def test_one_event_that_is_answered_otherwise_fails_the_whole(docker, built, program):
    done = CliRunner().invoke(app, ["sam-local", "--sam", str(program("sam", f"echo '{NOTHING}'"))])

    assert done.exit_code == 1
    right = sum(expectation == EXPECTED["s3-test-event.json"] for expectation in EXPECTED.values())
    assert done.stdout.endswith(f"{right} of {len(EXPECTED)} events as expected\n")


def test_the_function_is_told_where_the_cloud_is_by_its_template(built):
    path = write_template({"AWS_ENDPOINT_URL": "http://192.0.2.1:9000", "OUTPUT_URI": "s3://out/"})

    function = json.loads(path.read_text())["Resources"]["ScoringFunction"]["Properties"]
    assert function["Environment"]["Variables"] == {"AWS_ENDPOINT_URL": "http://192.0.2.1:9000", "OUTPUT_URI": "s3://out/"}
    assert path.parent == built


def test_a_container_of_the_function_s_image_is_asked_where_this_machine_is(docker, tmp_path):
    assert find_host(Architecture.arm64) == "127.0.0.1"
    arguments = (tmp_path / "docker-arguments").read_text()
    assert "--add-host=host.docker.internal:host-gateway" in arguments
    assert "public.ecr.aws/lambda/python:3.13-arm64" in arguments


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "127.0.0.1"), ("192.0.2.1", "127.0.0.1"), ("127.0.0.9", "127.0.0.9")]
)
def test_the_cloud_listens_on_the_host_s_address_where_that_is_this_machine_s(host, address):
    assert sam_local.listening_address(host) == address


@pytest.mark.parametrize(
    "script", ["echo 'no such image' >&2; exit 1", "echo 'no such image' >&2; echo text", "echo 'no such image' >&2"]
)
def test_a_sam_cli_that_gives_no_answer_is_an_error_with_its_words(program, tmp_path, script):
    sam = Sam(program("sam", script), tmp_path / "template.json", Architecture.x86_64, {})

    error = sam.invoke(tmp_path / "event.json").error

    assert (error.type, error.message) == ("NoAnswer", "no such image")


def test_what_is_missing_is_said_with_what_to_do(docker, built, program, tmp_path, monkeypatch):
    with pytest.raises(InfraError, match="make build"):
        Sam(tmp_path / "nowhere", tmp_path, Architecture.x86_64, {}).invoke(tmp_path)
    (built / "template.yaml").unlink()
    with pytest.raises(InfraError, match="make build"):
        write_template({})
    program("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 125")
    with pytest.raises(InfraError, match="Cannot connect to the Docker daemon"):
        find_host(Architecture.x86_64)
    docker.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfraError, match="make emulate"):
        find_host(Architecture.x86_64)
