"""docs/scale.md: it is what is simulated today, and says so in figures that people read."""

import re
import xml.etree.ElementTree as ET

import msgspec
import pytest

from infra.scale import page
from infra.scale.page import PAGE, PICTURE, render_page, time_text
from infra.scale.plots import draw
from infra.scale.results import SIMULATED, Simulated, load_simulated, save_simulated, thinned
from infra.scale.scenarios import (
    PACKED,
    SINGLE,
    deployed_scenarios,
    deployed_stack,
    simulate,
    swept_scenarios,
    turned_backlogs,
    turned_uploads,
)

CHEAP = [scenario for scenario in deployed_scenarios() if scenario.load in {SINGLE, PACKED}]
AGAIN = "run `python -m infra.scale.page`"


@pytest.fixture(name="simulated", scope="module")
def _simulated():
    return load_simulated()


def test_the_page_is_of_the_stack_that_the_template_deploys(simulated):
    assert simulated.stack == deployed_stack(), AGAIN


@pytest.mark.parametrize("scenario", CHEAP, ids=lambda scenario: scenario.name)
def test_what_the_page_shows_is_what_is_simulated_today(simulated, scenario):
    assert simulated.of(scenario) == thinned(simulate(scenario)), AGAIN


def test_every_scenario_of_the_page_was_simulated(simulated):
    scenarios = [*deployed_scenarios(), *turned_uploads(), *turned_backlogs(), *swept_scenarios()]

    assert len({f"{one.way}: {one.name}" for one in scenarios}) == len(scenarios)
    assert len(simulated.outcomes) == len(scenarios)
    for scenario in scenarios:
        outcome = simulated.of(scenario)
        assert outcome.done + outcome.failed + outcome.left == scenario.load.objects, scenario.name


def test_the_page_is_what_its_module_renders(simulated):
    assert PAGE.read_text() == render_page(simulated), f"{AGAIN}, or with --again if its text alone has changed"


def test_the_page_its_picture_and_what_was_simulated_are_written(monkeypatch, tmp_path, simulated):
    monkeypatch.setattr(page, "PAGE", tmp_path / "scale.md")
    monkeypatch.setattr(page, "PICTURE", tmp_path / "scale.svg")

    page.main(["--again"])

    assert (tmp_path / "scale.md").read_text() == PAGE.read_text()
    assert ET.parse(tmp_path / "scale.svg").getroot().tag.endswith("svg")


def test_the_picture_is_drawn_alike_each_time(tmp_path, simulated):
    for name in ("first.svg", "second.svg"):
        draw(simulated, tmp_path / name)

    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()


def test_the_page_names_each_table_and_its_picture():
    text = PAGE.read_text()

    assert PICTURE.name in text
    assert len(re.findall(r"^\| ---", text, re.MULTILINE)) >= 5
    assert "nan" not in text


def test_what_was_simulated_is_read_as_it_was_written(tmp_path, simulated):
    few = Simulated(simulated.stack, dict(list(simulated.outcomes.items())[:2]))
    save_simulated(few, tmp_path / "simulated.json")

    assert load_simulated(tmp_path / "simulated.json") == few
    msgspec.json.decode((tmp_path / "simulated.json").read_bytes())
    assert SIMULATED.stat().st_size < 200_000


def test_times_are_in_the_unit_that_people_read():
    assert [time_text(seconds) for seconds in (0.26, 3, 77.4, 600, 7_199, 7_200, float("inf"))] == [
        "0.3 s",
        "3.0 s",
        "77 s",
        "10.0 min",
        "120.0 min",
        "2.0 h",
        "never",
    ]
