"""Every error that infra/ and training/ show is provoked here or by a named test, or has the reason why it cannot be."""

import re

import pytest

from tests.errors.rooms import ELSEWHERE, ROOT, UNREACHABLE, shown_places
from tests.errors.telling import told

# The areas whose provocations reach each room's places.
AREAS = {"infra": ("commands",), "training": ("training", "commands")}


@pytest.mark.parametrize("room", AREAS)
def test_every_place_that_makes_an_error_is_reached_or_says_why_it_is_not(room):
    lines = [told(area)["lines"] for area in AREAS[room]]
    missed = {str(place) for place in shown_places(room) if not any(place.line in run.get(place.file, ()) for run in lines)}

    known = {*ELSEWHERE[room], *UNREACHABLE[room]}
    assert (missed - known, known - missed) == (set(), set()), "places that nothing reaches, and those that were reached"


@pytest.mark.parametrize(("file", "name"), sorted({test for tests in ELSEWHERE.values() for test in tests.values()}))
def test_each_test_that_provokes_an_error_elsewhere_is_there(file, name):
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
