"""Levels: factors, and numbers in the hyperparameter's own unit."""

import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given

import strategies
from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules import Absolute, Constant
from paramgroups.schedules.levels import Line, blend

NO_LEVELS = [True, np.True_, float("nan"), float("inf"), -float("inf"), "0.1", 1j, None, [0.1], 10**400]


@pytest.mark.parametrize("value", NO_LEVELS, ids=lambda value: repr(value)[:8])
def test_a_level_is_a_finite_real_number(value):
    """Neither a factor nor an absolute level may be anything else."""
    with pytest.raises(ScheduleArgumentError) as caught:
        Absolute(value)
    assert str(caught.value) == f"value = {value!r} in Absolute cannot be used.\nIt must be a finite real number."
    with pytest.raises(ScheduleArgumentError) as caught:
        Constant(value)
    assert str(caught.value) == (
        f"level = {value!r} in Constant cannot be used.\n"
        "It must be a finite number, a factor of the base, or Absolute(number)."
    )


@pytest.mark.parametrize("value", [1, np.float32(1.0), np.int8(1), Fraction(1)], ids=repr)
def test_numbers_of_any_kind_become_floats(value):
    """Levels that are equal print, hash and serialise alike."""
    for level in (Absolute(value).value, Constant(value).level):
        assert type(level) is float
        assert level == 1.0


def test_absolute_is_a_value():
    """It prints as its code, compares, hashes and pickles, and is not its number."""
    assert repr(Absolute(3e-4)) == "Absolute(0.0003)"
    assert pickle.loads(pickle.dumps(Absolute(1))) == Absolute(1.0)
    assert {Absolute(1), Absolute(1.0)} == {Absolute(1.0)}
    assert len({Absolute(1.0), 1.0}) == 2


def test_a_factor_multiplies_the_base_and_an_absolute_level_does_not():
    """The one difference between the two kinds."""
    assert Line.of(0.5).at(3.0) == 1.5
    assert Line.of(Absolute(0.5)).at(3.0) == 0.5


@given(strategies.levels, strategies.levels)
def test_a_blend_is_exact_at_both_ends(start, end):
    """Weight 1 is the start and weight 0 the end, to the bit and in both coordinates."""
    assert blend(np.float64(1.0), Line.of(start), Line.of(end)) == Line.of(start)
    assert blend(np.float64(0.0), Line.of(start), Line.of(end)) == Line.of(end)
