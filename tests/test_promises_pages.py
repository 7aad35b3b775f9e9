"""The pages of cases, durability and security name tests, modules and permissions that are there, and leave none out."""

import ast
import functools
import re
from pathlib import Path

import pytest

from infra.template import read_template
from tests.permissions import aslist, statements

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = ("cases.md", "durability.md", "security.md")
CASES = 62
ROLES = {  # each with the parameters by which it has all of its statements
    "ScoringRole": {"ModelUri": "s3://models/v1/"},
    "BacklogRole": {},
    "SweepRole": {},
    "ScheduledBacklogRole": {},
}
_KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
KEYS = {f"{kind}KmsKeyArn": _KEY for kind in ("Input", "Output", "Model")}


@functools.cache
def named_in(path):
    """The names of the tests in a file; none if there is no file."""
    if not (ROOT / path).is_file():
        return frozenset()
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


def missing(text):
    """What a page names and nobody has: tests by path and name, files, and the targets of links."""
    tests = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text)
    files = re.findall(r"`((?:tests|handler|infra|docs)/[\w/.]+)`", text)
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    return [
        *(f"{path}::{name}" for path, name in tests if name not in named_in(path)),
        *(path for path in files if not (ROOT / path).exists()),
        *(link for link in links if not (DOCS / link).exists()),
    ]


def rows(text):
    """The rows of all tables of a page, as lists of cells, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if row[0] not in {"#", "promise", "who", "statement", "what"}]


def read(page):
    return (DOCS / page).read_text()


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page):
    assert missing(read(page)) == []


@pytest.mark.parametrize(
    "text",
    [
        "`tests/test_promises_pages.py::test_that_nobody_wrote`",
        "`tests/test_of_nothing.py::test_what_a_page_names_is_there`",
        "`handler/nothing.py`",
        "[elsewhere](nowhere.md)",
        "[elsewhere](../nowhere.md#part)",
    ],
)
def test_a_name_of_nothing_is_noticed(text):
    assert len(missing(text)) >= 1


def test_each_case_stands_once_and_in_order_with_a_test():
    cases = rows(read("cases.md"))

    assert [row[0] for row in cases] == [str(number) for number in range(1, CASES + 1)]
    assert [row[0] for row in cases if len(row) != 4 or not all(row) or "::test_" not in row[3]] == []


def test_each_promise_stands_once_with_its_mechanism_and_a_test():
    promises = rows(read("durability.md"))

    assert [row[0] for row in promises] == [f"I{number}" for number in range(1, 9)]
    assert [row[0] for row in promises if len(row) != 4 or not all(row) or "::test_" not in row[3]] == []


def test_each_threat_has_a_guard_a_test_and_what_is_left():
    threats = [row for row in rows(read("security.md")) if len(row) == 5]

    assert len(threats) > 20
    assert [row for row in threats if not all(row[1:]) or "::test_" not in row[3]] == []  # the first cell holds for those below


@pytest.mark.parametrize("role", ROLES)
def test_each_statement_of_a_role_stands_on_the_page_with_its_actions_and_no_other_does(role):
    told = {row[0]: row[1:] for row in rows(read("security.md")) if len(row) == 3}
    expected = {
        f"{role} `{sid}`": " ".join(f"`{action}`" for action in aslist(statement["Action"]))
        for sid, statement in statements(role=role, **KEYS, **ROLES[role]).items()
    }

    assert {name: actions for name, (actions, _) in told.items() if name.startswith(f"{role} ")} == expected
    assert all(reason for _, reason in told.values())


def test_every_role_of_the_template_is_on_the_page():
    resources = read_template((ROOT / "template.yaml").read_text())["Resources"]

    assert set(ROLES) == {name for name, part in resources.items() if part["Type"] == "AWS::IAM::Role"}
