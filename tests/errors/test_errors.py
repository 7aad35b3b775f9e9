"""docs/errors.md: every error that a user can cause stands there, with the message that it has now."""

import re

import pytest
from markdown_it import MarkdownIt

from handler import errors
from tests.errors.effects import EFFECTS
from tests.errors.page import AREAS, escaped, render, rows_of
from tests.errors.places import ROOMS, UNREACHABLE, places_of
from tests.errors.telling import PAGE, told


@pytest.mark.parametrize("area", AREAS)
def test_every_error_is_provoked_and_no_two_say_the_same(area):
    messages = told(area)["messages"]

    assert len(set(messages)) == len(messages) == len(rows_of(area))
    assert [message for message in messages if not message or "/tmp" in message] == []


def test_the_page_says_what_the_code_says_now():
    assert PAGE.read_text() == render({area: told(area)["messages"] for area in AREAS}), "run python -m tests.errors"


@pytest.mark.parametrize("room", ROOMS)
def test_every_place_that_makes_an_error_is_reached_or_has_the_reason_why_none_can(room):
    lines = [told(area)["lines"] for area in ROOMS[room]]
    missed = [place for place in places_of(room) if not any(place.line in run.get(place.file, ()) for run in lines)]

    assert [f"{place} in line {place.line}" for place in missed if str(place) not in UNREACHABLE[room]] == []
    assert {str(place) for place in missed} == set(UNREACHABLE[room]), "a place is reached, or is no more"


def test_what_becomes_of_an_error_is_told_once_for_each_name():
    told_of = [name for effect in EFFECTS for name in effect.names]
    leaves = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.ScoringError) and not value.__subclasses__()
    }

    assert sorted(told_of) == sorted(leaves)


def test_every_error_of_the_function_is_provoked():
    provoked = {row.name for area in ROOMS["handler"] for row in rows_of(area)}

    assert {name for effect in EFFECTS for name in effect.names} <= provoked


@pytest.mark.parametrize("area", AREAS)
def test_each_row_says_why_and_what_to_do_without_the_message_s_own_words(area):
    for row, message in zip(rows_of(area), told(area)["messages"], strict=True):
        assert row.cause
        assert row.remedy
        assert row.remedy.rstrip(".").lower() not in message.lower()


def shown(markdown):
    """The text of the last cell of a page's only table."""
    cells = [token for token in MarkdownIt("commonmark").enable("table").parse(markdown) if token.type == "inline"]
    assert {part.type for part in cells[-1].children} <= {"text", "text_special", "html_inline"}
    return "".join("\n" if part.type == "html_inline" else part.content for part in cells[-1].children)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script> & <b>",
        "a|b \\| c\\",
        "*a* __b__ _c_ `d` ~e~ $f$ MAX_IMAGES [g](h) ![i](j) **",
        "first\nsecond",
        "s3://bucket/<!-- -->.png &amp; &#38;",
    ],
)
def test_hostile_text_is_shown_as_it_is(text):
    assert shown(f"| a |\n| --- |\n| {escaped(text)} |\n") == text


def test_a_table_is_whole_whatever_its_messages_quote():
    rows = [len(re.findall(r"(?<!\\)\|", line)) for line in PAGE.read_text().splitlines() if line.startswith("|")]

    assert set(rows) <= {4, 5}
