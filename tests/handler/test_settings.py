from pathlib import Path

import pytest

from handler.errors import BadSettings, UnacceptedObject
from handler.objects import ObjectRef, Prefix
from handler.settings import DEFAULTS, load_settings

ENOUGH = {"OUTPUT_URI": "s3://out-bucket/documents/", "INPUT_URIS": "s3://in-bucket/uploads/, s3://in-bucket/more/"}


def test_required_variables_are_enough():
    settings = load_settings(ENOUGH)

    assert settings.output == Prefix("out-bucket", "documents/")
    assert settings.inputs == (Prefix("in-bucket", "uploads/"), Prefix("in-bucket", "more/"))
    assert settings.model is None
    assert settings.result_format == "json"
    assert {name: getattr(settings, name.lower()) for name in DEFAULTS} == DEFAULTS


def test_a_whole_bucket_can_be_named():
    settings = load_settings({"OUTPUT_URI": "s3://out-bucket", "INPUT_URIS": "s3://in-bucket/"})

    assert (settings.output.prefix, settings.inputs[0].prefix) == ("", "")


def test_one_error_names_every_bad_variable():
    environ = {
        "INPUT_URIS": "s3://in-bucket/uploads,http://elsewhere/",
        "RESULT_FORMAT": "xml",
        "MAX_OBJECT_BYTES": "-1",
        "S3_CONCURRENCY": "many",
        "MODEL_URI": "s3://Not A Bucket/",
    }

    with pytest.raises(BadSettings) as raised:
        load_settings(environ)

    bad = [line.split(":")[0].removeprefix("- ") for line in str(raised.value).splitlines()[1:]]
    assert sorted(bad) == ["INPUT_URIS", "MAX_OBJECT_BYTES", "MODEL_URI", "OUTPUT_URI", "RESULT_FORMAT", "S3_CONCURRENCY"]


@pytest.mark.parametrize(
    ("output", "inputs"),
    [
        ("s3://one-bucket/in/out/", "s3://one-bucket/in/"),
        ("s3://one-bucket/", "s3://one-bucket/in/"),  # documents of in/x would land under in/ again
        ("s3://one-bucket/x/", "s3://one-bucket/x/"),
        ("s3://one-bucket/x/", "s3://other-bucket/,s3://one-bucket/"),
    ],
)
def test_an_output_that_shares_a_place_with_an_input_is_refused(output, inputs):
    with pytest.raises(BadSettings, match="shares nothing with INPUT_URIS"):
        load_settings({"OUTPUT_URI": output, "INPUT_URIS": inputs})


def test_two_outputs_are_refused():
    with pytest.raises(BadSettings, match="OUTPUT_URI: expected one"):
        load_settings(ENOUGH | {"OUTPUT_URI": "s3://a-bucket/,s3://b-bucket/"})


@pytest.mark.parametrize(
    ("uri", "place"), [("/opt/model", Path("/opt/model")), ("s3://models/v1/", Prefix("models", "v1/")), ("", None)]
)
def test_a_model_is_a_directory_or_a_prefix(uri, place):
    assert load_settings(ENOUGH | {"MODEL_URI": uri}).model == place


@pytest.mark.parametrize(
    ("result_format", "lines_above", "suffix"), [("json", None, ".json"), ("jsonl", -1, ".jsonl"), ("auto", 500, ".jsonl")]
)
def test_the_format_decides_the_layout_and_the_one_place(result_format, lines_above, suffix):
    settings = load_settings(ENOUGH | {"RESULT_FORMAT": result_format, "LINES_ABOVE_IMAGES": "500"})

    assert settings.layout.lines_above == lines_above
    assert settings.layout.content_type == f"application/{suffix[1:]}"
    assert settings.locate(ObjectRef("in-bucket", "a")).key == f"documents/a{suffix}"


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1e3", "٣", "9" * 5000, "89478486"])
def test_numbers_have_bounds(text):
    with pytest.raises(BadSettings, match="MAX_IMAGE_PIXELS: expected a whole number from 1 to 89478485"):
        load_settings(ENOUGH | {"MAX_IMAGE_PIXELS": text})


@pytest.mark.parametrize(
    "name", ["MAX_IMAGES_PER_OBJECT", "MAX_ARCHIVE_MEMBERS", "MAX_MEMBER_BYTES", "MAX_UNPACKED_BYTES", "MAX_COMPRESSION_RATIO"]
)
def test_every_limit_is_a_number_of_at_least_one(name):
    assert getattr(load_settings(ENOUGH | {name: "7"}), name.lower()) == 7
    with pytest.raises(BadSettings, match=f"{name}: expected a whole number from 1 to"):
        load_settings(ENOUGH | {name: "0"})


@pytest.mark.parametrize("key", ["uploads/a.png", "more/b c/../d.png", "uploads/"])
def test_objects_under_an_input_are_accepted(key):
    load_settings(ENOUGH).require_accepted(ObjectRef("in-bucket", key))


@pytest.mark.parametrize(
    "ref",
    [
        ObjectRef("in-bucket", "elsewhere/a.png"),
        ObjectRef("in-bucket", "uploads"),
        ObjectRef("other-bucket", "uploads/a.png"),
        ObjectRef("out-bucket", "documents/uploads/a.png.json"),
    ],
)
def test_any_other_object_is_refused(ref):
    with pytest.raises(UnacceptedObject, match="it was not read"):
        load_settings(ENOUGH).require_accepted(ref)


def test_a_key_whose_document_would_have_too_long_a_key_is_refused():
    settings = load_settings(ENOUGH)
    room = 1024 - len("documents/") - len("uploads/") - len(".json")

    settings.require_accepted(ObjectRef("in-bucket", "uploads/" + "é" * (room // 2)))
    with pytest.raises(UnacceptedObject, match="at most 1024 bytes"):
        settings.require_accepted(ObjectRef("in-bucket", "uploads/" + "é" * (room // 2 + 1)))


def test_a_document_lies_where_the_user_can_compute_it():
    place = load_settings(ENOUGH).locate(ObjectRef("in-bucket", "uploads/rack 1.zip"))

    assert place == ObjectRef("out-bucket", "documents/uploads/rack 1.zip.json")


@pytest.mark.parametrize(
    "url", ["https://sqs.us-east-1.amazonaws.com/123456789012/work", "http://127.0.0.1:5000/123456789012/work"]
)
def test_a_queue_is_named_by_its_url(url):
    assert load_settings(ENOUGH | {"QUEUE_URL": url}).queue_url == url


def test_no_queue_is_none():
    assert load_settings(ENOUGH).queue_url is None
    assert load_settings(ENOUGH | {"QUEUE_URL": ""}).queue_url is None


@pytest.mark.parametrize("url", ["work", "arn:aws:sqs:us-east-1:123456789012:work", "https://", "s3://in-bucket/"])
def test_a_queue_that_is_no_url_is_refused(url):
    with pytest.raises(BadSettings, match="QUEUE_URL: expected the URL of a queue"):
        load_settings(ENOUGH | {"QUEUE_URL": url})


@pytest.mark.parametrize(
    ("prefix", "is_accepted"),
    [
        (Prefix("in-bucket", "uploads/"), True),
        (Prefix("in-bucket", "uploads/2026/"), True),
        (Prefix("in-bucket", ""), False),
        (Prefix("in-bucket", "private/"), False),
        (Prefix("out-bucket", "documents/"), False),
        (Prefix("other-bucket", "uploads/"), False),
    ],
)
def test_a_prefix_is_accepted_if_all_of_it_may_be_read(prefix, is_accepted):
    settings = load_settings(ENOUGH)

    if is_accepted:
        settings.require_accepted_prefix(prefix)
    else:
        with pytest.raises(UnacceptedObject, match="Expected a prefix under INPUT_URIS"):
            settings.require_accepted_prefix(prefix)
