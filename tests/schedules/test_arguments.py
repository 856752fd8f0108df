"""What another library's arguments may be, and what is said where they are not."""

import numpy as np
import pytest

from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules.arguments import Arguments

GIVEN = Arguments("StepLR")


def test_what_fits_is_returned_as_a_plain_value():
    """Counts are ints, numbers floats, whatever they were given as."""
    assert [GIVEN.count("n", value) for value in (3, 3.0, np.int64(3))] == [3, 3, 3]
    assert type(GIVEN.count("n", np.float64(3.0))) is int
    assert type(GIVEN.number("x", np.float32(0.5))) is float
    assert GIVEN.number("x", -2, least=-2.0) == -2.0
    assert GIVEN.flag("f", False) is False
    assert GIVEN.choice("c", "cos", ["linear", "cos"]) == "cos"
    assert GIVEN.share("s", 1) == 1.0
    assert GIVEN.several("x", (value for value in "ab")) == ["a", "b"]
    assert GIVEN.moments("m", np.array([0, 3, 3])) == [0, 3, 3]


@pytest.mark.parametrize(
    ("read", "value", "allowed"),
    [
        (lambda value: GIVEN.count("n", value), -1, "a whole number >= 0"),
        (lambda value: GIVEN.count("n", value, least=1), 0, "a whole number >= 1"),
        (lambda value: GIVEN.count("n", value), 1.5, "a whole number >= 0"),
        (lambda value: GIVEN.count("n", value), True, "a whole number >= 0"),
        (lambda value: GIVEN.number("n", value), "1", "a finite number"),
        (lambda value: GIVEN.number("n", value), float("nan"), "a finite number"),
        (lambda value: GIVEN.number("n", value, least=0.5), 0.4, "a finite number >= 0.5"),
        (lambda value: GIVEN.number("n", value, above=0.0), 0, "a finite number > 0"),
        (lambda value: GIVEN.flag("n", value), 1, "True or False"),
        (lambda value: GIVEN.share("n", value), 1.01, "a number in [0, 1]"),
        (lambda value: GIVEN.several("n", value), "ab", "a list, or another sequence"),
        (lambda value: GIVEN.several("n", value), {"a": 1}, "a list, or another sequence"),
        (lambda value: GIVEN.moments("n", value), 3, "a list, or another sequence"),
        (lambda value: GIVEN.moments("n", value), [3, 2], "steps in increasing order"),
        (lambda value: GIVEN.choice("n", value, ["linear", "cos"]), 3, "'linear' or 'cos'"),
        (
            lambda value: GIVEN.choice("n", value, ["linear", "cos"]),
            "liner",
            "'linear' or 'cos' (did you mean 'linear'?)",
        ),
    ],
)
def test_what_does_not_fit_is_named(read, value, allowed):
    """The argument, its value, the function, and what it may be."""
    with pytest.raises(ScheduleArgumentError) as caught:
        read(value)
    assert str(caught.value) == f"n = {value!r} in StepLR cannot be used.\nIt must be {allowed}."
