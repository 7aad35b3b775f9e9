from pathlib import Path

import pytest

from handler import aws
from handler.errors import BadSettings
from handler.layout import Layout, LayoutName
from handler.limits import Limits
from handler.objects import Prefix
from handler.settings import DEFAULTS, load_settings

ENOUGH = {"OUTPUT_URI": "s3://out-bucket/documents/", "INPUT_URIS": "s3://in-bucket/uploads/, s3://in-bucket/more/"}


def test_all_threads_of_a_process_are_no_more_than_lambda_has():
    """Those of objects, of a sweep's looks and of messages, those of all calls, and those of the model and of Python."""
    settings = load_settings(ENOUGH | {"S3_CONCURRENCY": "160"})

    with pytest.raises(BadSettings, match="S3_CONCURRENCY: expected a whole number from 1 to 160"):
        load_settings(ENOUGH | {"S3_CONCURRENCY": "161"})
    assert 3 * settings.s3_concurrency + aws.MAX_THREADS <= 1024 - 32


def test_required_variables_are_enough():
    settings = load_settings(ENOUGH)

    assert settings.output == Prefix("out-bucket", "documents/")
    assert settings.inputs == (Prefix("in-bucket", "uploads/"), Prefix("in-bucket", "more/"))
    assert settings.model is None
    assert settings.layout == Layout(LayoutName.JSON, 10_000)
    assert settings.limits == Limits(
        object_bytes=64 * 2**20,
        image_pixels=2**26,
        images=100_000,
        archive_members=10_000,
        member_bytes=64 * 2**20,
        unpacked_bytes=2**30,
        compression_ratio=100,
        list_objects=100_000,
    )
    assert (settings.model_batch_images, settings.model_threads) == (16, 1)
    assert (settings.s3_concurrency, settings.deadline_reserve_ms) == (64, 10_000)
    assert (settings.max_sweep_objects, settings.max_sweep_queue_messages) == (100_000, 10_000)


def test_a_whole_bucket_can_be_named():
    settings = load_settings({"OUTPUT_URI": "s3://out-bucket", "INPUT_URIS": "s3://in-bucket/"})

    assert (settings.output.prefix, settings.inputs[0].prefix) == ("", "")


def test_one_error_names_every_bad_variable():
    environ = {
        "INPUT_URIS": "s3://in-bucket/uploads,http://elsewhere/",
        "RESULT_FORMAT": "xml",
        "MAX_OBJECT_BYTES": "-1",
        "S3_CLIENT": "s3fs",
        "S3_CONCURRENCY": "many",
        "MODEL_URI": "s3://Not A Bucket/",
    }

    with pytest.raises(BadSettings) as raised:
        load_settings(environ)

    bad = [line.split(":")[0].removeprefix("- ") for line in str(raised.value).splitlines()[1:]]
    others = ["INPUT_URIS", "MAX_OBJECT_BYTES", "MODEL_URI", "OUTPUT_URI", "RESULT_FORMAT"]
    assert sorted(bad) == [*others, "S3_CLIENT", "S3_CONCURRENCY"]


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


@pytest.mark.parametrize(("result_format", "suffix"), [("json", ".json"), ("jsonl", ".jsonl"), ("auto", ".jsonl")])
def test_the_format_decides_the_layout_and_the_one_suffix(result_format, suffix):
    layout = load_settings(ENOUGH | {"RESULT_FORMAT": result_format, "LINES_ABOVE_IMAGES": "500"}).layout

    assert layout == Layout(LayoutName(result_format), 500)
    assert (layout.suffix, layout.content_type) == (suffix, f"application/{suffix[1:]}")


@pytest.mark.parametrize(
    ("chosen", "client"), [({}, "boto3"), ({"S3_CLIENT": ""}, "boto3"), ({"S3_CLIENT": "obstore"}, "obstore")]
)
def test_boto3_reads_and_writes_objects_unless_obstore_is_chosen(chosen, client):
    assert load_settings(ENOUGH | chosen).s3_client == client


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1e3", "٣", "9" * 5000, "89478486"])
def test_numbers_have_bounds(text):
    with pytest.raises(BadSettings, match="MAX_IMAGE_PIXELS: expected a whole number from 1 to 89478485"):
        load_settings(ENOUGH | {"MAX_IMAGE_PIXELS": text})


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("MAX_OBJECT_BYTES", "object_bytes"),
        ("MAX_IMAGE_PIXELS", "image_pixels"),
        ("MAX_IMAGES_PER_OBJECT", "images"),
        ("MAX_ARCHIVE_MEMBERS", "archive_members"),
        ("MAX_MEMBER_BYTES", "member_bytes"),
        ("MAX_UNPACKED_BYTES", "unpacked_bytes"),
        ("MAX_COMPRESSION_RATIO", "compression_ratio"),
        ("MAX_LIST_OBJECTS", "list_objects"),
    ],
)
def test_every_limit_is_a_number_of_at_least_one(name, limit):
    assert getattr(load_settings(ENOUGH | {name: "7"}).limits, limit) == 7
    with pytest.raises(BadSettings, match=f"{name}: expected a whole number from 1 to"):
        load_settings(ENOUGH | {name: "0"})


OTHERS = [
    "MODEL_BATCH_IMAGES",
    "MODEL_THREADS",
    "S3_CONCURRENCY",
    "DEADLINE_RESERVE_MS",
    "MAX_SWEEP_OBJECTS",
    "MAX_SWEEP_QUEUE_MESSAGES",
]


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_number_is_one_of_at_least_one(name):
    assert getattr(load_settings(ENOUGH | {name: "7"}), name.lower()) == 7
    with pytest.raises(BadSettings, match=f"{name}: expected a whole number from 1 to"):
        load_settings(ENOUGH | {name: "0"})


def test_every_number_is_in_one_of_the_tables_above():
    assert len(DEFAULTS) == 8 + len(OTHERS) + len(["LINES_ABOVE_IMAGES"])


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
