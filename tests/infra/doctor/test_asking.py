"""What commands say of a call that failed names what to do about it, whoever answered or did not."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, NoRegionError, ProfileNotFound

from infra.doctor.asking import Answer, Cloud
from infra.doctor.deployment import find_stack
from infra.errors import InfraError

PAGE = b"<!doctype html>\n<title>Sign in to the network</title>\n"


class _Portal(BaseHTTPRequestHandler):
    """Answers every call as a proxy does that is no AWS."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(500)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_):
        pass


def test_a_page_in_place_of_an_answer_is_one_line(aws, monkeypatch):
    with HTTPServer(("127.0.0.1", 0), _Portal) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with pytest.raises(InfraError) as raised:
                find_stack(Cloud("us-east-1"), "coatcheck")
        finally:
            server.shutdown()

    assert "describe_stacks failed with ResponseParserError" in str(raised.value)
    assert str(raised.value).endswith("; try again.")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "error",
    [
        NoCredentialsError(),
        NoRegionError(),
        ProfileNotFound(profile="p"),
        EndpointConnectionError(endpoint_url="http://nobody/"),
    ],
)
def test_what_boto3_was_not_told_is_no_reason_to_allow_anything(error, monkeypatch):
    def fail(_self, _service):
        raise error

    monkeypatch.setattr(Cloud, "client", fail)

    with pytest.raises(InfraError, match=r"; check the credentials, the profile, the region and the endpoint that .* boto3\.$"):
        find_stack(Cloud("us-east-1"), "coatcheck")


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AccessDenied", "allow ReceiveMessage to"),
        ("AWS.SimpleQueueService.NonExistentQueue", "check its name, the region and the account"),
        ("ServiceUnavailable", "try again"),
    ],
)
def test_the_advice_is_about_what_the_service_said(code, advice):
    assert Answer("receive_message", code=code).advice.startswith(advice)
