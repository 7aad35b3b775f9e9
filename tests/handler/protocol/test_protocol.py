"""The protocol by which documents are written: a model of it that SPIN searches, and every order of the real code's calls.

docs/protocol.md explains both, and its tables are held to what is found here.
"""

import io
import re
import shutil
from pathlib import Path

import msgspec
import pytest

from handler.documents import MAX_ATTEMPTS, Document, Documents
from tests.handler.protocol.checking import (
    CASES,
    GUARDS,
    LARGE_CASES,
    MODEL,
    PAGE,
    TOLD,
    fill,
    list_of_steps,
    prove,
    read,
    refute,
    table_of_guards,
    tell,
)
from tests.handler.protocol.exploring import Explorer, Violation, make_document

needs_spin = pytest.mark.skipif(
    not (shutil.which("spin") and shutil.which("gcc") and Path("/usr/include/stdio.h").exists()),
    reason="needs SPIN and a C compiler with its headers: apt install spin gcc libc6-dev",
)


def say(text):
    print(text)  # noqa: T201  # shown by pytest -rP


def part(name):
    return re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end of {name} -->", PAGE.read_text(), re.DOTALL)[1]


def without_states(table):
    """The rows without the last column: how many states SPIN stores may change with its version."""
    return [line.rsplit("|", 2)[0] for line in table.splitlines()]


@needs_spin
@pytest.mark.parametrize("case", [one for one in CASES if not one.broken], ids=lambda case: case.words)
def test_every_promise_holds_in_all_states(case, tmp_path):
    result = prove(case.switches, tmp_path)

    say(f"{case.words}: {result.states:,} states")
    assert result.broken is None
    assert f"| {case.words} | all hold |" in part("cases")


@needs_spin
@pytest.mark.soak
@pytest.mark.parametrize("case", LARGE_CASES, ids=lambda case: case.words)
def test_every_promise_holds_in_all_states_of_a_large_case(case, tmp_path):
    result = prove(case.switches, tmp_path)

    say(f"{case.words}: {result.states:,} states")
    assert result.broken is None
    assert f"| {case.words} | all hold |" in part("cases")


@needs_spin
@pytest.mark.parametrize("case", [one for one in CASES if one.broken], ids=lambda case: case.words)
def test_what_is_not_promised_has_the_counterexample_that_the_page_names(case, tmp_path):
    result = refute(case.switches, tmp_path)

    assert result.broken == case.broken
    assert f"| {case.words} | {result.broken} is broken at depth {result.depth} |" in part("cases")


@needs_spin
@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.switch)
def test_without_a_guard_a_promise_is_broken_as_the_page_tells(guard, tmp_path):
    result = refute(guard.switches, tmp_path)

    assert result.broken == guard.promise
    assert without_states(table_of_guards([(guard, result)]))[-1] in without_states(part("guards"))
    if guard.switch in TOLD:
        assert list_of_steps(tell(guard.switches, tmp_path)) == part(f"without {guard.switch}")


def test_the_page_has_a_row_for_each_guard_and_each_case_and_no_other():
    cases, guards = part("cases").splitlines()[2:], part("guards").splitlines()[2:]

    assert [row.split(" | ")[0].removeprefix("| ") for row in cases] == [case.words for case in (*CASES, *LARGE_CASES)]
    assert [row.split(" | ")[0].removeprefix("| ") for row in guards] == [f"`{one.switch}`: {one.words}" for one in GUARDS]


def test_a_part_of_the_page_is_replaced_and_nothing_else():
    page = "before\n<!-- one -->\n<!-- end of one -->\nbetween\n<!-- two -->\nold\n<!-- end of two -->\nafter"

    filled = fill(fill(page, "one", "1"), "two", "2")
    assert filled == "before\n<!-- one -->\n1\n<!-- end of one -->\nbetween\n<!-- two -->\n2\n<!-- end of two -->\nafter"


def test_the_page_counts_the_schedules_of_the_code_itself():
    schedules = Explorer(("e0", "e1", "e0"), is_versioned=True, faults=1, may_be_late=True).explore()

    assert f"{schedules:,} such schedules" in PAGE.read_text()


def test_every_guard_of_the_model_is_taken_out_once():
    guards = MODEL.read_text().partition("/* The guards")[2]

    assert re.findall(r"^#define (\w+) 1 ", guards, re.MULTILINE) == [guard.switch for guard in GUARDS]


@pytest.mark.parametrize(
    "output",
    [
        "",
        "pan:1: VECTORSZ is too small (at depth 1)\n     9 states, stored\nerrors: 1",
        "error: max search depth too small\n     9 states, stored\nerrors: 0",
        "Warning: Search not completed\n     9 states, stored\nerrors: 0",
        "pan:1: invalid end state (at depth 7)\n     9 states, stored\nerrors: 1",
    ],
)
def test_a_search_that_was_not_whole_proves_nothing(output):
    with pytest.raises(RuntimeError, match="Expected a search of every state"):
        read(output)


HISTORIES = [("e0", "e1", "e0"), ("e0", "e0"), ("e0", "e1", "e2"), ("e0", None, "e0"), ("e0", "e1", None, "e0")]


@pytest.mark.parametrize("changes", HISTORIES, ids=str)
@pytest.mark.parametrize("chances", [{"faults": 1}, {"twins": 1}], ids=str)
def test_no_order_of_calls_of_two_workers_breaks_a_promise_for_an_input_with_versions(changes, chances):
    """With a fault at any call, which may be a write that comes late, or with a message that is delivered twice."""
    explorer = Explorer(changes, is_versioned=True, may_be_late=True, **chances)

    say(f"{changes}, {chances}: {explorer.explore():,} schedules through {len(explorer.schedules):,} states")


@pytest.mark.parametrize("changes", HISTORIES, ids=str)
@pytest.mark.parametrize("chances", [{"faults": 1}, {"twins": 1}], ids=str)
def test_no_order_of_calls_of_two_workers_breaks_a_promise_for_an_input_without_versions(changes, chances):
    explorer = Explorer(changes, is_versioned=False, **chances)

    say(f"{changes}, {chances}: {explorer.explore():,} schedules through {len(explorer.schedules):,} states")


def test_a_late_write_breaks_the_promise_for_an_input_without_versions():
    with pytest.raises(Violation, match=r"the late write comes: WRITTEN\nP1: the document is about e1, and the input is e0$"):
        Explorer(("e0", "e1", "e0"), is_versioned=False, faults=1, may_be_late=True).explore()


class WithoutLastLooks(Documents):
    def _require_unchanged(self, source, deadline):
        pass


class WithoutLookAtOwn(Documents):
    def publish(self, document, deadline):
        outcomes = (self._try_to_publish(document, deadline) for _ in range(MAX_ATTEMPTS))
        return next(outcome for outcome in outcomes if outcome)


class Unnamed(Document):
    """A document whose metadata do not name the version of the input."""

    @property
    def metadata(self):
        return {name: value for name, value in super().metadata.items() if name != "input-version"}


def unnamed(source):
    return Unnamed(*msgspec.structs.astuple(make_document(source)))


def without_version_in_the_content(source):
    return msgspec.structs.replace(make_document(source), content=io.BytesIO(source.etag.encode()))


def without_looks_at_the_input(turn, *rest, **parts):
    """The input seems to be as it was scored."""
    turn.source = turn.worker.source
    return Documents(turn, *rest, **parts)


def without_conditions(turn, *rest, **parts):
    turn.has_conditions = False
    return Documents(turn, *rest, **parts)


def test_the_orders_of_calls_show_that_a_look_at_the_input_is_missing_where_there_are_no_versions():
    with pytest.raises(Violation, match=r"\nP2: the document of e0 replaces that of e1$"):
        Explorer(("e0", "e1"), is_versioned=False, faults=1, publishing=without_looks_at_the_input).explore()


@pytest.mark.parametrize(
    ("promise", "is_versioned", "parts"),
    [
        ("P1", False, {"publishing": WithoutLastLooks}),
        ("P1", False, {"publishing": WithoutLookAtOwn}),
        ("P1", True, {"make_document": unnamed}),
        ("P3", True, {"make_document": without_version_in_the_content}),
        ("P2", True, {"publishing": without_looks_at_the_input}),
        ("P3", True, {"publishing": without_conditions}),
    ],
    ids=["no last looks", "no look at its own", "no version named", "no version in the content", "no looks", "no conditions"],
)
def test_the_orders_of_calls_show_a_guard_that_is_missing(promise, is_versioned, parts):
    with pytest.raises(Violation, match=f"\n{promise}: "):
        Explorer(("e0", "e1", "e0"), is_versioned=is_versioned, faults=1, may_be_late=is_versioned, **parts).explore()
