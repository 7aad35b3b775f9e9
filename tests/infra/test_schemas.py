import json

import jsonschema
import pytest

from handler.model import BUNDLED_ARTIFACT
from infra.schemas import DIRECTORY, render_schemas


def test_the_schemas_that_ship_are_those_of_the_types():
    """If this fails, run `python -m infra schemas` and look at the difference."""
    assert {path.name: path.read_bytes() for path in DIRECTORY.glob("*.json")} == render_schemas()


def test_the_schemas_are_schemas():
    for content in render_schemas().values():
        jsonschema.Draft202012Validator.check_schema(json.loads(content))


def schema(name):
    return json.loads((DIRECTORY / name).read_text())


def test_a_document_of_version_1_is_valid_by_the_schema_of_version_1_alone():
    document = {
        "schema": "coatcheck.rejection/1",
        "input": {"bucket": "in", "key": "a", "etag": "e", "version_id": None, "size_bytes": 0, "format": None},
        "model": {"name": "fashion-mnist", "version": "1.5.0", "sha256": "f" * 64},
        "error": {"name": "EmptyObject", "message": "Expected images in one of the known formats. Received: 0 bytes."},
    }

    jsonschema.validate(document, schema("1/rejection.json"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema("rejection.json"))


@pytest.mark.parametrize("name", ["predictions.json", "prediction-lines.json", "rejection.json", "list.json"])
def test_readers_must_expect_fields_that_later_versions_add(name):
    closed = '"additionalProperties": false'

    assert closed not in (DIRECTORY / name).read_text()
    assert closed in (DIRECTORY / "1" / name).read_text()


def test_the_bundled_manifest_is_valid():
    manifest = json.loads((BUNDLED_ARTIFACT / "manifest.json").read_text())

    jsonschema.validate(manifest, json.loads((DIRECTORY / "artifact.json").read_text()))
