"""Which checks there are, and which of their findings a user wants."""

import re
import runpy
from pathlib import Path

import pytest

from lint_cases import CASES
from paramgroups.errors import UnknownCodeError
from paramgroups.linter import CHECKS, Finding, chosen

HUNDREDS = {"PG1": "about_schedules", "PG2": "about_groups", "PG3": "about_clocks", "PG4": "about_tutorials"}
FOUND = [Finding(code, "warning", "it is so", "lr", "Change it") for code in ("PG101", "PG113", "PG203", "PG404")]


def test_codes_are_unique_in_order_and_grouped_by_what_they_are_about():
    """`PG` and three digits; the first is that of the module."""
    codes = [check.code for check in CHECKS]
    assert codes == sorted(set(codes))
    assert all(re.fullmatch(r"PG[1-9]\d\d", code) for code in codes)
    homes = {check.code: check.look.__module__.rpartition(".")[2] for check in CHECKS}
    assert homes == {code: HUNDREDS[code[:3]] for code in codes}


def test_every_check_says_what_and_why():
    """A title for the table, which nothing else has, and a reason that ends as a sentence does."""
    assert len({check.title for check in CHECKS}) == len(CHECKS)
    assert [check.code for check in CHECKS if not check.reason.endswith(".")] == []
    assert {check.severity for check in CHECKS} == {"error", "warning", "note"}


def test_every_check_has_a_trigger_and_a_near_miss():
    """The table of cases has each code, and no other."""
    assert {case.code for case in CASES} == {check.code for check in CHECKS}


@pytest.mark.parametrize(
    ("select", "ignore", "wanted"),
    [
        ([], [], ["PG101", "PG113", "PG203", "PG404"]),
        (["PG1", "PG203"], [], ["PG101", "PG113", "PG203"]),
        (["PG1"], ["PG113"], ["PG101"]),
        ([], ["PG1", "PG4"], ["PG203"]),
        (["PG"], ["PG"], []),
    ],
)
def test_codes_are_chosen_by_how_they_start(select, ignore, wanted):
    """What is ignored is so whatever else selects it."""
    assert [each.code for each in chosen(FOUND, select, ignore)] == wanted


@pytest.mark.parametrize("wrong", ["PG1O1", "PG9", "E501", "", "pg101", "PG1011"])
@pytest.mark.parametrize("option", ["select", "ignore"])
def test_a_code_that_no_check_has_is_an_error(wrong, option):
    """Even where nothing was found: it would be taken for clean."""
    with pytest.raises(UnknownCodeError) as caught:
        chosen([], **{option: [wrong]})
    assert caught.value.code == wrong
    assert caught.value.known == [check.code for check in CHECKS]


def test_the_tables_in_the_docs_are_those_that_the_checks_make():
    """`python -m tools.docs_linter` writes them."""
    made = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "docs_linter.py"))
    assert made["page"]() == made["PAGE"].read_text("utf-8"), "run: python -m tools.docs_linter"
