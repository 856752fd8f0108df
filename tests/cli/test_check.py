"""`paramgroups check`."""

import json

import pytest

from paramgroups import linter
from paramgroups.recipe import built_in, outline

WRONG = ("--set", "schedules.lr=Warmup('10%').then(Cosine('100%', end=1e-6))", "--set", "plan.rules=[]")
LINES = ("PG104 warning lr: ", "PG112 warning lr: ", "PG201 warning group default: ")


@pytest.mark.parametrize("name", built_in())
def test_a_clean_recipe_is_exit_code_0(command, name):
    """And a word; no data is read, so that it need not be there."""
    answer = command("check", name)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"{name}: nothing was found.\n"


def test_findings_are_a_line_each_and_exit_code_1(command):
    """As the library prints them."""
    answer = command("check", "fashion-mnist", *WRONG)
    assert (answer.code, answer.err) == (1, "")
    assert answer.out.splitlines() == list(map(str, linter.check(outline("fashion-mnist", WRONG[1::2]))))
    assert all(line.startswith(start) for line, start in zip(answer.out.splitlines(), LINES, strict=True))


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        (["--select", "PG2"], ["PG201"]),
        (["--select", "PG1, PG201", "--ignore", "PG104"], ["PG112", "PG201"]),
        (["--ignore", "PG1", "--ignore", "PG2"], []),
        (["--select", "PG104", "--select", "PG2"], ["PG104", "PG201"]),
    ],
)
def test_codes_are_selected_and_ignored(command, options, codes):
    """What is left decides the exit code."""
    answer = command("check", "fashion-mnist", *WRONG, *options, "--json")
    assert answer.code == (1 if codes else 0)
    assert [each["code"] for each in json.loads(answer.out)["findings"]] == codes


def test_programs_get_every_part_of_a_finding(command):
    """And the recipe."""
    data = json.loads(command("check", "fashion-mnist", *WRONG, "--select", "PG104", "--json").out)
    assert data == {
        "recipe": "fashion-mnist",
        "findings": [
            {
                "code": "PG104",
                "severity": "warning",
                "sentence": "its parts add up to 110 % of the run",
                "where": "lr",
                "advice": 'Give the last of them the "rest"',
            }
        ],
    }


@pytest.mark.parametrize("option", ["--select", "--ignore"])
def test_an_unknown_code_is_exit_code_2_and_the_nearest(command, option):
    """Before anything is read."""
    answer = command("check", "nothing", option, "PG1,PG2O1")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "No check has the code 'PG2O1', or one that starts so.\n"
        "Did you mean 'PG201' or 'PG402' or 'PG401'? docs/linter.md lists them all.\n"
    )


def test_a_recipe_with_mistakes_is_exit_code_2(command):
    """It is not looked at for what is likely wrong."""
    answer = command("check", "fashion-mnist", "--set", "schedules.lr=Cosine('10 tokens')", *WRONG[2:])
    assert (answer.code, answer.out) == (2, "")
    assert "schedules.lr: " in answer.err
