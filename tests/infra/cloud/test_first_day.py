"""docs/first-day.md: its commands are those of the day; `make rehearse` itself compares what the page quotes."""

import re
import shlex

import pytest
import typer.main

from infra.__main__ import app
from infra.cloud.first_day import DAY, Command, render
from infra.cloud.quoting import quoted_lines, require_quoted
from infra.cloud.rehearsal import PAGE
from infra.dashboard.reading import Asked, Reading
from infra.errors import InfraError

MAX_WORDS = 700
TEXT = PAGE.read_text()
SHOWN = [line.removeprefix("$ ") for line in quoted_lines(TEXT) if line.startswith("$ ")]
OURS = [command for command in Command if command.startswith("coatcheck")]


def test_the_page_shows_every_command_of_the_day_in_its_order():
    assert list(DAY) == SHOWN
    assert set(DAY) == set(Command)


@pytest.mark.parametrize("command", OURS)
def test_every_command_of_ours_on_the_page_is_one_that_coatcheck_takes(command):
    _, name, *arguments = shlex.split(command)

    typer.main.get_command(app).commands[name].make_context(name, arguments)


def test_the_page_is_short_and_links_to_pages_that_are_there():
    assert len(TEXT.split()) < MAX_WORDS
    assert [link for link in re.findall(r"\]\(([^)#]+)", TEXT) if not (PAGE.parent / link).exists()] == []


PRINTED = [
    "$ aws s3 ls",
    "  photos:  3 objects",
    "  -> They stay.",
    "$ coatcheck redrive",
    "  oldest 17 s, scored 6.87, at noon",
]


@pytest.mark.parametrize(
    "page",
    [
        "    aws s3 ls\n\n```text\nphotos: 3 objects\n```\n",
        "Only the second:\n\n    coatcheck redrive\n",
        "```text\nphotos:  3 objects\noldest 4 min, scored 12.1, at noon\n```\n",
        "```text\n… at noon\n```\n",
        "```text\noldest …\n```\n",
        "```text\noldest … noon\n```\n",
        "Nothing.\n",
    ],
)
def test_a_page_may_leave_out_lines_and_numbers_that_differ_from_run_to_run(page):
    require_quoted(page, PRINTED)


@pytest.mark.parametrize(
    ("page", "line"),
    [
        ("```text\nphotos: 4 objects\n```\n", "photos: 4 objects"),
        ("    coatcheck redrive\n\n    aws s3 ls\n", r"\$ aws s3 ls"),
        ("```text\nphotos: 3\n```\n", "photos: 3"),
        ("```text\n… at night\n```\n", "… at night"),
    ],
)
def test_a_line_that_was_not_printed_there_is_named(page, line):
    with pytest.raises(InfraError, match=f"Received: '{line}'; mend the page"):
        require_quoted(page, PRINTED)


def test_a_graph_is_told_with_the_source_of_its_numbers_and_with_the_lines_that_have_none():
    """Lines that are 0 are left out, unless all of them are."""
    errors = Asked("AWS/Lambda", "Errors", {}, "Sum", 900)

    def told(**values):
        return render(Reading("Failing", "invocations", values, (errors,)))

    assert told(errors=0.0, throttled=None) == (
        "Failing, invocations: 0 (from REPORT lines of the log); no number of: throttled"
    )
    assert told(errors=2.0, throttled=0.0) == "Failing, invocations: errors 2 (from REPORT lines of the log)"
    assert told(errors=None) == "Failing, invocations: no number of: errors"
