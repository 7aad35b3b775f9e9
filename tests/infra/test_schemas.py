import json

import jsonschema

from handler.model import BUNDLED_ARTIFACT
from infra.schemas import DIRECTORY, render_schemas


def test_the_schemas_that_ship_are_those_of_the_types():
    """If this fails, run `python -m infra schemas` and look at the difference."""
    assert {path.name: path.read_bytes() for path in DIRECTORY.iterdir()} == render_schemas()


def test_the_schemas_are_schemas():
    for content in render_schemas().values():
        jsonschema.Draft202012Validator.check_schema(json.loads(content))


def test_the_bundled_manifest_is_valid():
    manifest = json.loads((BUNDLED_ARTIFACT / "manifest.json").read_text())

    jsonschema.validate(manifest, json.loads((DIRECTORY / "artifact.json").read_text()))
