"""Every difference from an expected result is found."""

import json

import pytest

from handler.app import lambda_handler
from infra.cloud.checking import differences, prepare, read_documents
from infra.cloud.event_source import Context
from infra.cloud.expectations import EXPECTED
from infra.cloud.invocation import FunctionError, Invocation
from infra.paths import EVENTS

EXPECTATION = EXPECTED["s3-upload.json"]
KEY = "predictions/uploads/coat-0.png.json"


@pytest.fixture
def documents(cloud):
    """What the function really writes about the sample."""
    prepare(cloud, EXPECTATION)
    lambda_handler(json.loads((EVENTS / "s3-upload.json").read_text()), Context("request-1"))
    return read_documents(cloud)


def test_nothing_differs_where_all_is_as_expected(documents):
    assert differences(EXPECTATION, Invocation(EXPECTATION.answer, None), documents) == []


@pytest.mark.parametrize(
    ("invocation", "word"),
    [
        (Invocation({"objects": []}, None), "Expected answer"),
        (Invocation(None, FunctionError("BadSettings", "OUTPUT_URI is wrong")), "OUTPUT_URI is wrong"),
    ],
)
def test_another_answer_differs(documents, invocation, word):
    assert word in " ".join(differences(EXPECTATION, invocation, documents))


def test_an_error_that_did_not_come_differs(documents):
    expectation = type(EXPECTATION)(EXPECTATION.uploads, error="UnrecognisedEvent")

    assert "Expected error 'UnrecognisedEvent'. Received: None." in differences(expectation, Invocation(None, None), documents)


@pytest.mark.parametrize("change", [lambda found: found.clear(), lambda found: found.update({"predictions/more.json": b"{}"})])
def test_a_missing_or_further_document_differs(documents, change):
    change(documents)

    (difference,) = differences(EXPECTATION, Invocation(EXPECTATION.answer, None), documents)
    assert difference.startswith(f"Expected documents ['{KEY}']")


def without_summary(document):
    del document["summary"]


def of_another(document):
    document["input"]["key"] = "uploads/other.png"


@pytest.mark.parametrize(("change", "word"), [(without_summary, "'summary' is a required property"), (of_another, "other.png")])
def test_a_document_that_is_not_what_its_place_says_differs(documents, change, word):
    document = json.loads(documents[KEY])
    change(document)

    (difference,) = differences(EXPECTATION, Invocation(EXPECTATION.answer, None), {KEY: json.dumps(document).encode()})
    assert word in difference


def test_a_document_that_is_not_json_differs():
    (difference,) = differences(EXPECTATION, Invocation(EXPECTATION.answer, None), {KEY: b"\xff"})

    assert difference.startswith(f"{KEY} is not as predictions.json says")


def test_preparing_an_event_removes_what_the_one_before_left(cloud, documents):
    prepare(cloud, EXPECTED["s3-test-event.json"])

    assert documents
    assert read_documents(cloud) == {}
    assert cloud.s3.list_objects_v2(Bucket=cloud.input_bucket)["KeyCount"] == 0
