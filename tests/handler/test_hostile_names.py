"""Whatever names and errors hold, each line of the log is one JSON value that tells it exactly, and nothing raw comes out."""

import io
import json
import unicodedata
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from botocore.exceptions import EndpointConnectionError, HTTPClientError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from handler.app import build_parts
from handler.errors import BadSettings, InvocationFailed, UnacceptedObject, UnrecognisedEvent
from handler.objects import ObjectRef
from handler.plain_text import REMOVED, plain, printable
from handler.s3_answers import unavailable
from handler.telemetry import render_line

INPUT = "coatcheck-input-123456789012"
COAT = Path(__file__).parent.parent.parent / "events" / "images" / "coat-0.png"
RAW = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # control, format, surrogate, private, unassigned, and what ends lines
HOSTILE = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in {"Cc", "Cf", "Zl", "Zp"}]
NAMES = [
    "../../etc/passwd",
    "/leading",
    "a//b",
    "//",
    "./.",
    "..",
    'a\n{"level":"ERROR","message":"forged"}\n',
    "\r\n[ERROR] forged",
    "x" * (1024 - len("uploads/") - len("predictions/.json")),
    "\u202egnp.exe",
    "שלום.png",
    "コート.png",
    "a.png",
    "\\u202e%0A\\n",
]


def uploaded(*keys, bucket=INPUT):
    return {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key)}},
            }
            for key in keys
        ]
    }


@pytest.fixture
def heard(environment, invoke, monkeypatch, capfd):
    """Returns the lines that were written to the log, the standard output and the standard error, after it looked at each."""
    from handler.telemetry import logger

    build_parts()  # LiteRT tells its own of its start
    capfd.readouterr()
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="utf-8", newline="", write_through=True)  # strict, as in Lambda
    monkeypatch.setattr(logger.registered_handler, "stream", stream)

    def heard():
        """Each line is printable, and one JSON value."""
        captured = capfd.readouterr()
        assert captured.err == ""
        lines = [*written.getvalue().decode().split("\n"), *captured.out.split("\n")]
        for line in filter(None, lines):
            assert line == line.strip()
            assert {character for character in line if unicodedata.category(character) in RAW} == set()
        return [json.loads(line) for line in lines if line]

    return heard


def keys_in(lines):
    shared = [row[0] for line in lines for row in line.get("objects", ())]
    return shared + [line["object"].removeprefix(f"s3://{INPUT}/") for line in lines if "object" in line]


def test_keys_of_every_hostile_character_are_in_the_log_exactly_and_never_raw(invoke, upload, stored, heard):
    keys = [f"uploads/{character}.png" for character in HOSTILE] + [f"uploads/{name}" for name in NAMES]
    rejected = [f"uploads/{name}?" for name in NAMES if len(name) < 999] + ["uploads/\x00\x85\ufeff\u2028"]
    for key in rejected:
        upload(key, b"?")

    answer = invoke(uploaded(*keys, *rejected))

    assert answer["outcomes"] | {"gone": len(keys), "rejected": len(rejected)} == answer["outcomes"]
    assert sorted(keys_in(heard())) == sorted(keys + rejected)
    assert sorted(stored()) == sorted(f"predictions/{key}.json" for key in rejected)


@given(st.recursive(st.text(st.characters(), max_size=20), lambda it: st.lists(it, max_size=3), max_leaves=5))
@example("\ud800\udfff\U000e0001\U00010ffff\x7f")
@settings(max_examples=200)
def test_a_line_is_one_printable_json_value_from_which_the_fields_come_back(value):
    line = render_line({"message": "object", "object": value})

    assert line.isprintable()
    # JSON cannot tell a pair of surrogates from the character that they encode.
    assert json.loads(line)["object"] == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    "event",
    [
        {"Records": [{"eventSource": "aws:sqs", "messageId": "m\n\u202e\ud800", "body": "\u2028\x00", "attributes": {}}]},
        uploaded("uploads/a.png", bucket="b\n\u202e\ud800"),
        {"\u202e\nforged": 1, "\ud800": 2},
        {"job": "plan", "run": "\n\u202e\ud800"},
        {"invocationSchemaVersion": "\u202e", "invocationId": "\n", "tasks": [{"taskId": "\x00"}]},
        {"Items": ["s3\u202e://\n"], "BatchInput": {"bucket": "\x85"}},
    ],
)
def test_events_of_hostile_fields_leave_nothing_raw_in_logs_answers_and_errors(invoke, buckets, heard, event):
    try:
        told = json.dumps(invoke(event))
    except (InvocationFailed, UnrecognisedEvent) as error:
        told = str(error)

    assert told.isprintable()
    assert heard()


@pytest.mark.parametrize("bucket", [INPUT, "somebody-elses"])
def test_the_results_of_s3_batch_operations_are_printable(invoke, buckets, bucket):
    tasks = [{"taskId": "1", "s3Key": quote_plus("uploads/\n\u202e.png"), "s3Bucket": bucket}]

    answer = invoke({"invocationSchemaVersion": "2.0", "invocationId": "1", "tasks": tasks})

    (result,) = answer["results"]
    assert result["resultCode"] == "PermanentFailure"  # it is gone, or may not be read
    assert f"s3://{bucket}/uploads/\\n\\u202e.png" in result["resultString"]


def test_a_bug_s_text_reaches_lambda_printable_and_without_credentials(invoke, upload, heard, monkeypatch):
    upload("uploads/a.png", COAT.read_bytes())

    def broken(images):
        raise ValueError("\u202e\nforged AKIAIOSFODNN7EXAMPLE")

    monkeypatch.setattr(build_parts().stopwatch, "classify", broken)
    with pytest.raises(InvocationFailed) as raised:
        invoke(uploaded("uploads/a.png"))

    assert str(raised.value) == f"ValueError: \\u202e\\nforged {REMOVED}"
    (line,) = [line for line in heard() if line.get("message") == "invocation_failed"]
    assert (line["error"], line["exception_name"]) == ("ValueError", "ValueError")
    assert f"\u202e\nforged {REMOVED}" in line["exception"]


SECRETS = {
    "https://user:pa55word@s3.example/?x=1": "pa55word",
    "https://s3.example/?token=pa55word&x=1": "pa55word",
    "https://b.s3.amazonaws.com/k?X-Amz-Credential=pa55word%2F2026&X-Amz-Date=1": "pa55word",
    "https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Signature=pa55word": "pa55word",
    "https://b.s3.amazonaws.com/k?X-Amz-Security-Token=pa55word": "pa55word",
    "https://b.s3.amazonaws.com/k?AWSAccessKeyId=pa55word&Expires=1": "pa55word",
    "https://queue.example/?sv=1&sig=pa55word": "pa55word",
    "GET\n/k\n\nx-amz-date:1\nx-amz-security-token:pa55word\n": "pa55word",
    "Authorization: AWS4-HMAC-SHA256 Credential=pa55word/2026, SignedHeaders=host, Signature=pa55word": "pa55word",
    "Invalid header value b'pa55word\\n'": "pa55word",
    "{'X-Amz-Security-Token': b'pa55word'}": "pa55word",
    "403: <Error><Code>ExpiredToken</Code><Token-0>pa55word</Token-0></Error>": "pa55word",
    "<CanonicalRequestBytes>70 61 35 35</CanonicalRequestBytes>": "70 61 35 35",
    "The key\nAKIAIOSFODNN7EXAMPLE is unknown": "AKIAIOSFODNN7EXAMPLE",
}


@pytest.mark.parametrize(("text", "secret"), SECRETS.items())
def test_no_credentials_are_in_errors_and_lines(text, secret):
    error = unavailable("GetObject", ObjectRef("in", "a"), "", HTTPClientError(error=text))

    for told in (str(error), plain(text), render_line({"reason": text}), render_line({"reason": json.dumps(text)})):
        assert secret not in told
        assert REMOVED in told
    assert str(error).startswith("S3 refused or failed GetObject of s3://in/a")


@pytest.mark.parametrize("text", [*SECRETS, "a<Token-0>", "Invalid header value '", "//@", "?token=", "x-amz-signature: '"])
def test_what_looks_like_the_beginning_of_a_credential_spoils_no_other_text_of_its_line(text):
    fields = {"objects": [[text, 1], ["it's <b>", 2]], "reason": 'after "it\'s" & <more>', text: 3}

    line = json.loads(render_line(fields))

    assert line["objects"][0][1] == 1
    assert (line["objects"][1], line["reason"], line[text]) == (["it's <b>", 2], fields["reason"], 3)


OPENINGS = [
    "<Token-0>",
    "Invalid header value '",
    "AWS4-HMAC-SHA256 Credential=",
    "http://",
    "?token=",
    "X-Amz-Signature=",
    "AKIA",
]


@pytest.mark.parametrize("opening", OPENINGS)
def test_a_key_that_begins_like_a_credential_takes_no_other_object_out_of_the_line(opening):
    others = ["b.png", "c'@<x.png", 'd"\\.png', "'"]

    line = json.loads(render_line({"objects": [[opening, 1], [f"{opening}a.png", 1], *others], "outcome": "scored"}))

    assert line["objects"][2:] == others
    assert line["outcome"] == "scored"
    assert len(line["objects"]) == 2 + len(others)


@pytest.mark.parametrize(
    "text", ["s3://in/a@b/c.png", "uploads/token=7/signature=8/x.png", "asiancuisinephotos01", "What? a&b=c", "a:b@c"]
)
def test_what_is_no_credential_stays(text):
    assert plain(text) == text


def test_an_endpoint_that_holds_a_password_is_told_without_it():
    error = EndpointConnectionError(endpoint_url="http://user:pa55word@127.0.0.1:9/in/a?token=pa55word")

    assert str(unavailable("GetObject", ObjectRef("in", "a"), "", error)) == (
        "S3 refused or failed GetObject of s3://in/a: Could not connect to the endpoint URL: "
        f'"http://{REMOVED}@127.0.0.1:9/in/a?token={REMOVED}".'
    )


def test_a_token_that_python_refuses_to_send_is_in_no_line(invoke, environment, monkeypatch, heard):
    """It ends in a line feed, as one that was read from a file, and Python's HTTP client quotes it."""
    token = "FwoGZXIvYXdzEBYaDGq" * 10
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SESSION_TOKEN", f"{token}\n")
    build_parts.cache_clear()

    with pytest.raises(InvocationFailed) as raised:
        invoke(uploaded("uploads/a.png"))

    assert "Invalid header value" in str(raised.value)
    assert token not in str(raised.value) + json.dumps(heard())


CANARY = b"canary of an image "


def test_no_more_than_the_eight_bytes_by_which_an_object_is_no_image_are_in_the_log(invoke, upload, heard):
    begin = [
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"GIF89a",
        b"BM",
        b"II*\0",
        b"RIFF____WEBP",
        b"\x93NUMPY\1\0",
        b"PK\3\4",
    ]
    begin += [b"\0\0\x08\x03", b"\x1f\x8b", b"label,pixel0\n", b"P5 ", b"", b"{", b"BZh9", b"\xfd7zXZ\0"]
    for number, head in enumerate(begin):
        upload(f"uploads/{number}", head + CANARY * 50)

    answer = invoke(uploaded(*(f"uploads/{number}" for number in range(len(begin)))))

    assert answer["outcomes"]["rejected"] == len(begin)
    assert [line for line in heard() if "canary of" in json.dumps(line)] == []


def test_settings_are_named_one_a_line_and_printable(monkeypatch, invoke, environment):
    monkeypatch.setenv("OUTPUT_URI", "\u202e")
    monkeypatch.setenv("QUEUE_URL", "ftp://user:pa55word@queue")

    with pytest.raises(BadSettings) as raised:
        invoke({})

    _, *lines = str(raised.value).split("\n")
    assert [line.split(":")[0] for line in lines] == ["- OUTPUT_URI", "- QUEUE_URL"]
    assert all(line.isprintable() for line in lines)
    assert "pa55word" not in str(raised.value)


def test_what_is_printable_is_what_python_says():
    assert printable("".join(map(chr, range(0xE100)))).isprintable()
    assert printable("naïve コート שלום 🧥") == "naïve コート שלום 🧥"


def test_an_error_that_quotes_a_name_is_one_line():
    ref = ObjectRef("in", "a\n\u2028\u202e")

    assert str(UnacceptedObject(f"Received: {ref}")) == "Received: s3://in/a\\n\\u2028\\u202e"
