"""The curves by name, other shapes as curves, and the cool-down along one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from paramgroups.errors import DurationError, ScheduleArgumentError
from paramgroups.schedules import (
    Absolute,
    Constant,
    Cooldown,
    Cosine,
    Derived,
    Exponential,
    Function,
    Horizon,
    Linear,
    Plateau,
    Polynomial,
    Warmup,
)
from paramgroups.schedules.annealing import CURVES

HALVES = {
    "linear": 0.5,
    "cosine": 0.5,
    "1-sqrt": 1 - math.sqrt(0.5),
    "square": 0.75,
    "exponential": 2 * math.sqrt(0.5) - 1,
}
QUARTERS = {  # Megatron-LM's own values (min .1), W = 2, D = 10, 4 steps of cool-down
    "linear": [0.775, 0.55, 0.325, 0.1],
    "cosine": [0.8682, 0.55, 0.2318, 0.1],
    "exponential": [0.7136, 0.4728, 0.2703, 0.1],
    "1-sqrt": [0.55, 0.3636, 0.2206, 0.1],
}
positive = st.floats(0.001, 4.0)
ends = positive | positive.map(Absolute)
curves = st.sampled_from([*CURVES, Polynomial(1, power=3.0), Cosine(9)])


def in_own_unit(level, base):
    """What a level is at a base."""
    return level.value if isinstance(level, Absolute) else level * base


@pytest.mark.parametrize(("curve", "half"), HALVES.items(), ids=HALVES)
def test_a_curve_has_the_middle_of_its_formula(curve, half):
    """From 2 to 0, against numbers worked out by hand; every name is here."""
    assert HALVES.keys() == CURVES.keys()
    assert Cooldown(4, curve=curve).values([0, 2, 4, 5], 2.0).tolist() == pytest.approx([2.0, 2 * half, 0.0, 0.0])


@pytest.mark.parametrize(("curve", "values"), QUARTERS.items(), ids=QUARTERS)
def test_curves_are_those_of_megatron(curve, values):
    """Its printed figures, to the four places they have."""
    assert Cooldown(4, curve=curve, end=0.1).values([1, 2, 3, 4], 1.0).tolist() == pytest.approx(values, abs=5e-5)


@given(steps=st.integers(1, 10**6), curve=curves, start=ends, end=ends, base=strategies.bases)
def test_both_ends_of_a_cooldown_are_exact(steps, curve, start, end, base):
    """Step 0 has the start and step `steps` the end, to the bit, along any curve."""
    schedule = Cooldown(steps, curve=curve, start=start, end=end)
    assert schedule.length == steps
    assert schedule.affine
    assert schedule(0, base) == in_own_unit(start, base)
    assert schedule(steps, base) == schedule(steps + 1, base) == in_own_unit(end, base)


@given(curve=curves, start=positive, end=positive, steps=st.integers(1, 100))
def test_a_cooldown_goes_one_way(curve, start, end, steps):
    """Between its ends no curve turns back (beyond the last bit)."""
    values = Cooldown(steps, curve=curve, start=start, end=end).values(steps + 1, 1.0)
    differences = (values[1:] - values[:-1]) * (1 if end >= start else -1)
    assert differences.min() >= -1e-14


@given(st.integers(0, 20), st.integers(1, 9), strategies.times, strategies.bases)
def test_any_shape_is_a_curve(steps, length, times, base):
    """Stretched to the steps of the cool-down, however long it is itself."""
    as_curve = Cooldown(steps, curve=Linear(length), end=0.5)
    assert as_curve.values(times, base) == pytest.approx(Linear(steps, end=0.5).values(times, base), rel=1e-14)


def test_a_curve_that_nearly_comes_to_its_ends_is_made_exact():
    """The exponential of timm, (r^p - r) / (1 - r), is what one derives from another curve."""
    r = 0.1
    curve = Derived(Exponential(1, end=r), at_zero=-r / (1 - r))
    schedule = Cooldown(10, curve=curve)
    assert (schedule(0, 1.0), schedule(10, 1.0)) == (1.0, 0.0)
    assert schedule(5, 1.0) == pytest.approx((r**0.5 - r) / (1 - r))


def test_a_function_may_be_a_curve():
    """It is then asked for the values, so that they are not computed ahead."""
    schedule = Cooldown(4, curve=Function(lambda p: 1 - p, steps=1))
    assert schedule.values(5, 1.0).tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert not schedule.closed_form
    assert Cooldown(4).closed_form
    assert Cooldown(4, curve=Linear(1)).closed_form


def test_a_curve_says_nothing_of_the_levels():
    """A curve is made of plain numbers; the levels decide what the schedule is."""
    schedule = Cooldown(4, curve=Cosine(1), start=Absolute(1.0), end=Absolute(0.5))
    assert schedule.absolute
    assert repr(schedule) == "Cooldown(4, curve=Cosine(1), start=Absolute(1.0), end=Absolute(0.5))"


@pytest.mark.parametrize(
    "curve",
    [
        "cos",
        None,
        0.5,
        Warmup(4),
        Linear(0),
        Linear(4, end=0.1),
        Linear(4, end=Absolute(0.0)),
        Linear("5%"),
        Constant(),
        Plateau(),
    ],
    ids=repr,
)
def test_what_does_not_fall_from_one_to_zero_is_no_curve(curve):
    """The message has the names."""
    with pytest.raises(ScheduleArgumentError) as caught:
        Cooldown(4, curve=curve)
    assert str(caught.value) == (
        f"curve = {curve!r} in Cooldown cannot be used.\n"
        "It must be 'linear', 'cosine', '1-sqrt', 'square', 'exponential', "
        "or a schedule of plain factors and some steps, from 1.0 to 0.0."
    )


def test_lengths_and_levels_are_those_of_any_shape():
    """Checked, and resolved."""
    assert Cooldown("20%").resolve(Horizon(steps=50)) == Cooldown(10)
    assert Cooldown(0, end=0.5).values(2, 1.0).tolist() == [0.5, 0.5]
    with pytest.raises(DurationError, match=r"Cooldown.steps: -1 is not a duration"):
        Cooldown(-1)
    with pytest.raises(ScheduleArgumentError, match="end = '0' in Cooldown"):
        Cooldown(4, end="0")  # type: ignore[arg-type]  # that is the point
