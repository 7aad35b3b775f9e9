"""Tasks for Label Studio: as its documentation has them, those that need a person first, in bounded memory."""

import json
from urllib.parse import parse_qs, urlsplit

import jsonschema
import pytest

from infra.show.formats import TableFormat
from infra.show.label_studio import IN_S3, LOCAL
from infra.show.tables import Shape, TableSummary, write_table
from tests.infra.show.rows import predicted, rejected

# What https://labelstud.io/guide/predictions says of tasks with predictions: the two sections of a task, the fields of results,
# and the choice in its example, for `<Choices name="choice" toName="image">` and `<Image name="image" value="$image"/>`. The
# score is a number: https://api.labelstud.io/api-reference/api-reference/predictions/create. What the import itself requires is
# less: label_studio/tasks/validation.py of github.com/HumanSignal/label-studio.
SCHEMA = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["data", "predictions"],
        "properties": {
            "data": {"type": "object", "required": ["image"], "properties": {"image": {"type": "string", "minLength": 1}}},
            "predictions": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["result"],
                    "additionalProperties": False,
                    "properties": {
                        "model_version": {"type": "string"},
                        "score": {"type": "number"},
                        "result": {
                            "type": "array",
                            "minItems": 1,
                            "items": {
                                "type": "object",
                                "required": ["from_name", "to_name", "type", "value"],
                                "additionalProperties": False,
                                "properties": {
                                    "id": {"type": "string"},
                                    "from_name": {"const": "choice"},
                                    "to_name": {"const": "image"},
                                    "type": {"const": "choices"},
                                    "value": {
                                        "type": "object",
                                        "required": ["choices"],
                                        "additionalProperties": False,
                                        "properties": {
                                            "choices": {"type": "array", "minItems": 1, "items": {"type": "string"}}
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def tasks(tmp_path, *rows, address=IN_S3, told=None):
    out = tmp_path / "tasks.json"
    summary = write_table(
        rows, out, Shape(TableFormat.LABEL_STUDIO, image_address=address), (told if told is not None else []).append
    )
    return json.loads(out.read_bytes()), summary


def keys(found):
    return [task["data"]["key"] for task in found]


def test_tasks_are_as_label_studio_documents_them(tmp_path):
    found, _ = tasks(tmp_path, predicted("a.png"), predicted("b.png", unsure=True))

    jsonschema.validate(found, SCHEMA)


def test_a_task_holds_the_address_of_the_image_and_the_prediction(tmp_path):
    found, summary = tasks(tmp_path, predicted())

    assert found == [
        {
            "data": {
                "image": "s3://photos/rack/coat.png",
                "bucket": "photos",
                "key": "rack/coat.png",
                "etag": "e0",
                "unsure": False,
                "unfamiliar": None,
            },
            "predictions": [
                {
                    "model_version": "fashion-mnist 1.5.0",
                    "score": 0.75,
                    "result": [
                        {
                            "value": {"choices": ["Coat"]},
                            "id": "class",
                            "type": "choices",
                            "from_name": "choice",
                            "to_name": "image",
                        }
                    ],
                }
            ],
        }
    ]
    assert summary == TableSummary(rows=1, predictions=1, rejected=0, written=1)


@pytest.mark.parametrize("needy", ["", "b", "ac", "abcd"])
def test_the_unsure_and_the_unfamiliar_come_first_and_each_part_keeps_its_order(tmp_path, needy):
    rows = [predicted(f"{name}.png", unsure=name in needy, unfamiliar=name in needy and name != "a") for name in "abcd"]
    found, _ = tasks(tmp_path, *rows)

    order = [*(name for name in "abcd" if name in needy), *(name for name in "abcd" if name not in needy)]
    assert keys(found) == [f"{name}.png" for name in order]


def test_an_image_that_is_unfamiliar_alone_comes_first(tmp_path):
    found, _ = tasks(tmp_path, predicted("a.png"), predicted("b.png", unfamiliar=True))

    assert keys(found) == ["b.png", "a.png"]


def test_what_label_studio_cannot_show_is_left_out(tmp_path):
    found, summary = tasks(tmp_path, rejected(), predicted("a.zip", form="zip"), predicted("b.npy", form="npy"), predicted())

    assert keys(found) == ["rack/coat.png"]
    assert summary == TableSummary(rows=4, predictions=3, rejected=1, written=1)


def test_no_tasks_are_an_empty_array(tmp_path):
    assert tasks(tmp_path, rejected())[0] == []


KEYS = ("a b.png", "100%.png", "a?d=/etc/passwd&x#y.png", "ü.png", "{bucket}/{key}.png", 'a"},{.png')


@pytest.mark.parametrize("key", KEYS)
def test_the_address_of_a_local_file_leads_to_it_whatever_it_is_called(tmp_path, key):
    [task], _ = tasks(tmp_path, predicted(key), address=LOCAL)

    address = urlsplit(task["data"]["image"])
    assert (address.path, parse_qs(address.query), address.fragment) == ("/data/local-files/", {"d": [f"photos/{key}"]}, "")


@pytest.mark.parametrize("key", KEYS)
def test_the_address_in_s3_is_the_key_as_it_is(tmp_path, key):
    [task], _ = tasks(tmp_path, predicted(key))

    assert task["data"]["image"] == f"s3://photos/{key}"


def test_an_address_of_ones_own_names_bucket_and_key(tmp_path):
    [task], _ = tasks(tmp_path, predicted("a b.png"), address="https://images.example/{key}?of={bucket}&{0.__class__}")

    assert task["data"]["image"] == "https://images.example/a%20b.png?of=photos&{0.__class__}"


def test_a_task_that_cannot_be_written_costs_no_other(tmp_path):
    told = []
    found, summary = tasks(tmp_path, predicted("a.png"), predicted("\udcff.png"), predicted("c.png"), told=told)

    assert (keys(found), summary.written, len(told)) == (["a.png", "c.png"], 2, 1)
