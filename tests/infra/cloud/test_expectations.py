"""The table of expected results is complete, and the function does what it says."""

import json

import pytest

from handler.app import lambda_handler
from handler.errors import ScoringError
from infra.cloud.checking import differences, prepare, read_documents
from infra.cloud.event_source import Context
from infra.cloud.expectations import EXPECTED
from infra.cloud.invocation import FunctionError, Invocation
from infra.paths import EVENTS


def test_each_event_file_has_a_row_and_each_row_a_file():
    assert sorted(EXPECTED) == sorted(path.name for path in EVENTS.glob("*.json"))


@pytest.mark.parametrize("name", EXPECTED)
def test_each_event_leads_to_what_the_table_says(name, cloud):
    """In this process; `make emulate` does the same with the built package."""
    prepare(cloud, EXPECTED[name])

    try:
        invocation = Invocation(lambda_handler(json.loads((EVENTS / name).read_text()), Context("request-1")), None)
    except ScoringError as error:
        invocation = Invocation(None, FunctionError(type(error).__name__, str(error)))

    assert differences(EXPECTED[name], invocation, read_documents(cloud)) == []
