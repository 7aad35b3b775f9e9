"""The README keeps its word: its examples run, its figures stand where it says, and it is short."""

import doctest
import re

import pytest

from handler.contract import MANIFEST_FILE, parse_manifest
from handler.model import BUNDLED_ARTIFACT
from tests.pages import README, ROOT, table

TEXT = README.read_text()
MAX_WORDS = 1200


def examples(library):
    """The examples in Python that import a library."""
    return [example for example in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if f"import {library}" in example]


def test_the_readme_takes_a_few_minutes():
    assert len(TEXT.split()) <= MAX_WORDS


def test_the_softmax_runs_in_numpy():
    (example,) = examples("numpy")
    test = doctest.DocTestParser().get_doctest(example, {}, "README.md", "README.md", 0)

    assert doctest.DocTestRunner().run(test) == doctest.TestResults(failed=0, attempted=5)


def test_the_classes_are_those_of_the_model():
    (names,) = table(TEXT, "index")

    assert tuple(names[1:]) == parse_manifest((BUNDLED_ARTIFACT / MANIFEST_FILE).read_bytes()).classes


def test_the_first_figure_is_that_of_the_manifest():
    metrics = parse_manifest((BUNDLED_ARTIFACT / MANIFEST_FILE).read_bytes()).metrics

    assert table(TEXT, "measured")[0][1] == f"{metrics.accuracy:.2%} of {metrics.images:,}"


def test_there_are_eight_figures():
    assert len(table(TEXT, "measured")) == 8


@pytest.mark.parametrize("row", table(TEXT, "measured"), ids=lambda row: row[0])
def test_each_figure_stands_on_the_page_that_it_comes_from(row):
    """A row without a link is of the row before it."""
    rows = table(TEXT, "measured")
    source = next(link for cells in rows[rows.index(row) :: -1] for link in re.findall(r"\]\(([^)#]+)", cells[2]))
    numbers = re.findall(r"\d[\d,.]*\d|\d", row[1] + row[2].split("](")[-1])
    page = (ROOT / source).read_text()

    assert numbers
    assert [number for number in numbers if number not in page] == []
