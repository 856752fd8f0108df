"""Checks of what tutorials teach: each is triggered, and not by what comes near."""

import pytest

from lint_cases import CASES

OWN = pytest.mark.parametrize("case", [case for case in CASES if case.code.startswith("PG4")], ids=str)


@OWN
def test_it_is_found_where_it_is_and_told_as_it_is(case):
    """Once, and nothing else."""
    case.hits()


@OWN
def test_what_comes_near_is_left_alone(case):
    """By every check."""
    case.misses()
