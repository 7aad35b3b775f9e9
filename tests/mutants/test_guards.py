"""The list of guards agrees with the code, so that breaking one breaks what it names."""

from collections import Counter

import pytest

from tests.mutants.guards import GUARDS, ROOT


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.keeps)
def test_the_code_of_each_guard_stands_once_in_its_file_and_its_tests_exist(guard):
    assert (ROOT / guard.path).read_text().count(guard.code) == 1
    assert guard.broken != guard.code
    assert all((ROOT / path).exists() for path in guard.tests.split())


def test_no_two_guards_are_the_same():
    assert Counter((guard.code, guard.broken) for guard in GUARDS).most_common(1)[0][1] == 1
    assert Counter(guard.keeps for guard in GUARDS).most_common(1)[0][1] == 1
