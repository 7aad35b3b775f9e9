"""obstore calls S3 where, by what and as whom boto3 does, or leaves it to boto3, and the log says why."""

import os
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from handler.deadline import Deadline
from handler.errors import StorageUnavailable
from handler.objects import ObjectRef
from handler.obstore_client import Unsuited, connect
from handler.obstore_storage import ObstoreStorage
from handler.storage import S3Storage, make_client
from handler.stores import make_store
from tests.handler.test_obstore_storage import CLIENTS, read, recording

DEADLINE_S = 60


@pytest.fixture(autouse=True)
def home(environment, tmp_path, monkeypatch):
    """A home without AWS's files."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("time.sleep", lambda _: None)
    return tmp_path


@pytest.fixture
def recorder(monkeypatch):
    with recording() as (recorder, endpoint):
        recorder.endpoint = endpoint
        yield recorder


def signed(recorder):
    """The access key, the region and the token of each request, as it was signed."""
    scopes = [headers["Authorization"].partition("Credential=")[2].split("/") for _, _, headers, _ in recorder.requests]
    tokens = [headers.get("X-Amz-Security-Token") for _, _, headers, _ in recorder.requests]
    return [(scope[0], scope[2], token) for scope, token in zip(scopes, tokens, strict=True)]


def read_by(client, bucket="bucket"):
    store = make_store(client, 1, os.environ)
    return store, read(store, ObjectRef(bucket, "a b.png"))[1]


def write_files(home, config="", credentials=""):
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text(config)
    (home / ".aws" / "credentials").write_text(credentials)


@contextmanager
def proxying():
    """A proxy that refuses everything; yields its address, and the method and target of each request."""
    lines, server = [], socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                lines.append(connection.recv(65536).decode().partition(" HTTP/1.")[0])
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", lines
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def reached(client, lines, bucket="bucket"):
    """The requests that one client sends a proxy; those of obstore end where boto3 asks again."""
    store = make_store(client, 1, os.environ)
    lines.clear()
    by_obstore = []
    if client == "obstore":
        store._make_reference = lambda: by_obstore.extend(lines) or S3Storage(make_client(1))
    with pytest.raises(StorageUnavailable):
        store.open(ObjectRef(bucket, "k"), deadline=Deadline.after(DEADLINE_S))
    return set(by_obstore or lines)


REGIONS = ["us-east-1", "us-west-2", "eu-central-1", "ap-southeast-7", "us-gov-west-1", "mx-central-1"]


@pytest.mark.parametrize("bucket", ["bucket", "my.bucket", "a-1", "0bucket9"])
@pytest.mark.parametrize("region", REGIONS)
def test_both_call_the_same_host_for_a_bucket_in_a_region(monkeypatch, region, bucket):
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")  # which boto3 does not read
    with proxying() as (address, lines):
        monkeypatch.setenv("HTTPS_PROXY", address)
        by_boto3, by_obstore = (reached(client, lines, bucket) for client in CLIENTS)

    host = "s3.amazonaws.com" if region == "us-east-1" else f"s3.{region}.amazonaws.com"
    assert by_obstore == by_boto3
    assert by_boto3 == {f"CONNECT {host if '.' in bucket else f'{bucket}.{host}'}:443"}


@pytest.mark.parametrize("bucket", ["data--use1-az4--x-s3", "x-s3alias", "Old_Bucket", "xn--bucket"])
def test_odd_buckets_are_left_to_boto3(recorder, monkeypatch, bucket):
    monkeypatch.setenv("AWS_ENDPOINT_URL", recorder.endpoint)
    store = make_store("obstore", 1, os.environ)

    assert isinstance(store, ObstoreStorage)
    assert store._buckets.of(bucket) is None


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_ENDPOINT_URL": "{}"},
        {"AWS_ENDPOINT_URL_S3": "{}/"},
        {"AWS_ENDPOINT_URL_S3": "{}", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
        {"AWS_ENDPOINT_URL": "{}", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"},
        {"AWS_ENDPOINT_URL": "{}/base"},
    ],
    ids=str,
)
@pytest.mark.parametrize("client", CLIENTS)
def test_both_call_the_endpoint_of_the_environment(recorder, monkeypatch, client, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(recorder.endpoint))

    assert read_by(client)[1] == b"pixels"
    ((_, path, *_),) = recorder.requests
    assert path == ("/base" if "/base" in str(variables) else "") + "/bucket/a%20b.png"


def test_both_ignore_the_endpoint_if_they_are_told_to(recorder, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", recorder.endpoint)
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")

    assert make_client(1).meta.endpoint_url == "https://s3.amazonaws.com"
    assert connect(os.environ, lambda: make_client(1)).url == "https://s3.amazonaws.com"


@pytest.mark.parametrize("client", CLIENTS)
def test_both_sign_with_the_keys_the_token_and_the_region_of_the_environment(recorder, monkeypatch, client):
    variables = {
        "AWS_ENDPOINT_URL": recorder.endpoint,
        "AWS_ACCESS_KEY_ID": "KEY",
        "AWS_SESSION_TOKEN": "token",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_REGION": "us-west-2",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    read_by(client)

    assert signed(recorder) == [("KEY", "eu-central-1", "token")]


@pytest.mark.parametrize("client", CLIENTS)
def test_both_sign_as_the_profile_of_the_files_says(recorder, monkeypatch, home, client):
    write_files(
        home,
        f"[profile work]\nregion = eu-west-1\nendpoint_url = {recorder.endpoint}\n",
        "[work]\naws_access_key_id = FILE\naws_secret_access_key = s\naws_session_token = t\n",
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_PROFILE", "work")
    store, _ = read_by(client)

    assert signed(recorder) == [("FILE", "eu-west-1", "t")]
    assert isinstance(store, ObstoreStorage) is (client == "obstore")
    assert (recorder.requests[0][2]["User-Agent"] == "coatcheck") is (client == "obstore")


def test_credentials_that_change_are_asked_for_again(recorder, monkeypatch):
    """Those of a container or a role end within hours; botocore renews them, and obstore asks botocore."""
    from botocore.credentials import RefreshableCredentials

    def credentials(key):
        ends = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        return {"access_key": key, "secret_key": "s", "token": "t", "expiry_time": ends}

    monkeypatch.setenv("AWS_ENDPOINT_URL", recorder.endpoint)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/")
    monkeypatch.setattr("handler.obstore_client._CREDENTIALS_LIVE", timedelta(0))
    client = make_client(1)
    keys = iter(["SECOND", "THIRD", "FOURTH", "FIFTH"])
    client._request_signer._credentials = RefreshableCredentials.create_from_metadata(
        credentials("FIRST"), lambda: credentials(next(keys)), "test"
    )
    monkeypatch.setattr("handler.storage.make_client", lambda _: client)
    store = make_store("obstore", 1, os.environ)
    for _ in range(2):
        read(store)

    first, second = [key for key, _, _ in signed(recorder)]
    assert first != second
    assert all(headers["User-Agent"] == "coatcheck" for _, _, headers, _ in recorder.requests)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("no_proxy", [None, "127.0.0.1", "*", "example.com"])
def test_both_take_the_proxy_unless_the_host_needs_none(recorder, monkeypatch, client, no_proxy):
    monkeypatch.setenv("AWS_ENDPOINT_URL", recorder.endpoint)
    if no_proxy:
        monkeypatch.setenv("NO_PROXY", no_proxy)
    with proxying() as (address, lines):
        monkeypatch.setenv("http_proxy", address)
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")  # which boto3 does not read
        if no_proxy in {None, "example.com"}:
            assert reached(client, lines) == {f"GET {recorder.endpoint}/bucket/k"}
        else:
            assert read_by(client)[1] == b"pixels"
            assert lines == []
            assert (recorder.requests[0][2]["User-Agent"] == "coatcheck") is (client == "obstore")


UNSUITED = {
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": "regional",
    "AWS_SKIP_SIGNATURE": "true",  # which obstore alone would heed
    "AWS_CHECKSUM_ALGORITHM": "SHA256",
    "AWS_SERVER_SIDE_ENCRYPTION": "AES256",
    "AWS_CA_BUNDLE": "/nowhere.pem",
    "REQUESTS_CA_BUNDLE": "/nowhere.pem",
    "SSL_CERT_FILE": "/nowhere.pem",
    "AWS_DEFAULT_REGION": "cn-north-1",
    "AWS_ENDPOINT_URL": "https://user@example.com/base?x=1",
    "HTTPS_PROXY": "socks5://127.0.0.1:9",
}


@pytest.mark.parametrize("name", UNSUITED)
def test_where_obstore_cannot_do_as_boto3_does_boto3_is_used_and_the_log_says_why(monkeypatch, logged, name):
    monkeypatch.setenv(name, UNSUITED[name])
    monkeypatch.setattr("handler.storage.make_client", lambda _: None)  # some settings are wrong for boto3 too

    assert isinstance(make_store("obstore", 1, os.environ), S3Storage)
    (line,) = logged()
    assert (line["level"], line["message"], line["chosen"]) == ("WARNING", "boto3_used", "obstore")
    assert line["reason"].startswith("obstore")


@pytest.mark.parametrize(
    "setting", ["use_dualstack_endpoint = true", "s3 =\n  addressing_style = virtual", "use_fips_endpoint = true"]
)
def test_settings_in_files_that_obstore_cannot_honour_are_left_to_boto3(home, setting):
    write_files(home, f"[default]\nregion = us-east-1\n{setting}\n")

    with pytest.raises(Unsuited, match="in the files of AWS"):
        connect(os.environ, lambda: make_client(1))


def test_a_ca_bundle_matters_to_https_alone(recorder, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", recorder.endpoint)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")

    assert isinstance(make_store("obstore", 1, os.environ), ObstoreStorage)


def test_without_credentials_boto3_says_so(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(StorageUnavailable, match="Unable to locate credentials"):
        read_by("obstore")
