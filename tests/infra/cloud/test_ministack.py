"""ministack as a process: it answers, can be emptied, and leaves nothing behind."""

import sys
import tempfile
import urllib.request
from pathlib import Path

import boto3
import pytest

from infra.cloud.ministack import reset, serve
from infra.errors import InfraError

pytestmark = pytest.mark.usefixtures("environment")


def working_in(folder):
    """The processes whose working directory is in a folder; one that has ended meanwhile is none."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found += [process.name] if (process / "cwd").readlink().is_relative_to(folder) else []
        except OSError:
            continue
    return found


def test_it_leaves_no_process_and_no_file_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with serve() as endpoint:
        client = boto3.client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket="photos")
        assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["photos"]
        assert len(working_in(tmp_path)) == 1

    assert working_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(endpoint)


def test_it_can_be_emptied(ministack):
    client = boto3.client("s3", endpoint_url=ministack)
    client.create_bucket(Bucket="photos")
    reset(ministack)

    assert client.list_buckets()["Buckets"] == []


def test_a_start_that_fails_is_told_with_what_was_printed():
    """This Python has no ministack."""
    with (
        pytest.raises(InfraError, match=r"(?s)Expected ministack to start. Received: .*No module named 'ministack'"),
        serve(Path(sys.executable)),
    ):
        pass


def test_what_is_not_installed_is_told_with_its_remedy(tmp_path):
    with pytest.raises(InfraError, match=r"which `make .venv-ministack/ready` installs"), serve(tmp_path / "python"):
        pass
