"""Checks of what a tick is: each is triggered, and not by what comes near."""

import pytest

from lint_cases import CASES
from lint_setups import Case

OWN = [case for case in CASES if case.code.startswith("PG3")]


@pytest.mark.parametrize("case", OWN, ids=str)
def test_it_is_found_where_it_is_and_said_as_it_is(case: Case):
    """Once, in these words, and nothing else is found, unless the case says what."""
    found = {(each.code, each.where): each.sentence for each in case.trigger()}
    assert found[case.code, case.where] == case.says
    assert sorted(code for code, _ in found) == sorted([case.code, *case.also])


@pytest.mark.parametrize("case", OWN, ids=str)
def test_what_comes_near_is_not_found(case: Case):
    """Nor anything else: a good engineer would leave it so."""
    assert case.near() == []
