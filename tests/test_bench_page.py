"""The table of docs/performance.md holds what docs/bench/results.json holds, digit by digit.

The table stands between the lines `<!-- bench -->` and `<!-- /bench -->`. The first cell of a row is the name of a figure, the
second its value as `infra.bench.tables` writes it; other cells are free.
"""

import re
from pathlib import Path

import pytest

from infra.bench.results import RESULTS, Figure, load_results
from infra.bench.tables import figure_cell, render_page

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "performance.md").read_text()
TABLE = re.compile(r"^<!-- bench -->\n(.*?)^<!-- /bench -->$", re.MULTILINE | re.DOTALL)
NO_RUN = pytest.mark.skipif(not RESULTS.exists(), reason="no run of the benchmark has been kept yet")


def rows(text):
    """The cells of each row below the heading of the table."""
    [table] = TABLE.findall(text)
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def wrong_rows(text, figures):
    """The rows whose value is not that of the figure they name."""
    known = {figure.name: figure_cell(figure) for figure in figures}
    return [row for row in rows(text) if known.get(row[0]) != row[1]]


@NO_RUN
def test_each_row_of_the_page_is_a_figure_of_the_kept_run():
    assert rows(PAGE)
    assert wrong_rows(PAGE, load_results().figures) == []


@NO_RUN
def test_the_page_is_that_of_the_kept_run():
    assert RESULTS.with_name("results.md").read_text() == render_page(load_results())


@NO_RUN
def test_the_kept_run_is_a_full_one_with_a_picture_of_each_kind():
    assert not load_results().quick
    assert {path.name for path in RESULTS.parent.glob("*.svg")} == {"throughput.svg", "start.svg", "memory.svg"}


def test_a_table_without_a_run_is_none_to_be_believed():
    assert bool(TABLE.search(PAGE)) == RESULTS.exists()


@pytest.mark.parametrize(("value", "wrong"), [("240 objects/s", 0), ("241 objects/s", 1), ("240", 1)])
def test_a_row_with_another_value_is_found(value, wrong):
    text = f"before\n<!-- bench -->\n| what | figure |\n|---|---|\n| rate | {value} |\n<!-- /bench -->\nafter\n"

    assert len(wrong_rows(text, [Figure("rate", "objects/s", 240.2)])) == wrong


def test_a_row_of_an_unknown_figure_is_found():
    text = "<!-- bench -->\n| what | figure |\n|---|---|\n| rat | 240 objects/s |\n<!-- /bench -->\n"

    assert wrong_rows(text, [Figure("rate", "objects/s", 240.2)]) == [["rat", "240 objects/s"]]
