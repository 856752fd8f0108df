"""Any function of the step as a schedule."""

import math
from functools import partial

import numpy as np
import pytest

from paramgroups.errors import ScheduleArgumentError, UndefinedValueError
from paramgroups.schedules import Constant, Function, Horizon
from strategies import halving

TABLE = [1.0, 0.5, 0.25]


def look_up(step):
    """Only an int can index a list."""
    return TABLE[step]


def test_a_function_gives_a_factor_or_the_value_itself():
    """`absolute` decides which."""
    assert Function(halving).values([0, 16, 32], base=0.2).tolist() == [0.2, 0.1, 0.05]
    assert Function(halving, absolute=True).values([0, 16]).tolist() == [1.0, 0.5]
    assert Function(halving).pure_factor
    assert Function(halving, absolute=True).absolute


def test_a_function_is_called_once_a_step_with_an_int_where_it_can_be():
    """Tables and modulo arithmetic work; moments between steps are floats."""
    calls = []

    def recorded(step):
        calls.append(step)
        return 1.0

    Function(recorded).values([0, 2, 0.5], 1.0)
    assert calls == [0, 2, 0.5]
    assert [type(call) for call in calls] == [int, int, float]
    assert Function(look_up).values(3, 2.0).tolist() == [2.0, 1.0, 0.5]


def test_a_function_with_a_length_holds_its_value_there():
    """So that it can be followed, and is never asked beyond its end."""
    schedule = Function(look_up, steps="2%").resolve(Horizon(steps=100))
    assert schedule.length == 2
    assert schedule.values(5, 1.0).tolist() == [1.0, 0.5, 0.25, 0.25, 0.25]
    assert schedule.then(Constant(3.0)).values(4, 1.0).tolist() == [1.0, 0.5, 3.0, 3.0]
    assert Function(look_up).length is None


@pytest.mark.parametrize(
    ("schedule", "code"),
    [
        (Function(halving), "Function(halving)"),
        (Function(math.cos, absolute=True, steps=3), "Function(cos, absolute=True, steps=3)"),
        (Function(float.__abs__), "Function(float.__abs__)"),
        (Function(partial(halving)), f"Function({partial(halving)!r})"),
    ],
)
def test_a_function_is_printed_by_its_qualified_name(schedule, code):
    """What has no name prints as itself."""
    assert repr(schedule) == code


@pytest.mark.parametrize("result", [float("nan"), float("inf"), None, "1", 1j, True, np.ones(1)], ids=repr)
def test_a_result_that_is_no_number_names_the_step(result):
    """A diverging or mistaken function is found where it happens."""
    schedule = Function(lambda step: result if step == 3 else 1.0)
    assert schedule(2, 1.0) == 1.0
    with pytest.raises(UndefinedValueError) as caught:
        schedule.values(5, 1.0)
    assert str(caught.value) == (
        f"{schedule!r} has no value at step 3: the function returned {result!r}.\n"
        "Return a finite real number at every step; wrap a tensor or array of one in float()."
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"function": 0.5}, "function = 0.5 in Function .*\nIt must be a callable from a step to a number."),
        ({"function": halving, "absolute": 1}, "absolute = 1 in Function .*\nIt must be True or False."),
    ],
)
def test_what_is_no_function_is_explained(arguments, message):
    """Each field names itself."""
    with pytest.raises(ScheduleArgumentError, match=message):
        Function(**arguments)
