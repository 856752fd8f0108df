"""The curves with a formula, on hand-computed numbers and at their ends."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from paramgroups.errors import DurationError, ScheduleArgumentError, UndefinedValueError
from paramgroups.schedules import (
    Absolute,
    Constant,
    Cosine,
    Exponential,
    Horizon,
    InverseSqrt,
    Linear,
    Polynomial,
    Warmup,
)

SQRT_HALF = math.sqrt(0.5)
RAMPS = {
    "linear": Linear,
    "cosine": Cosine,
    "exponential": Exponential,
    "root": lambda steps, **ends: Polynomial(steps, power=0.5, **ends),
    "square": lambda steps, **ends: Polynomial(steps, power=2, **ends),
}
positive = st.floats(0.001, 4.0)
ends = positive | positive.map(Absolute)


def in_own_unit(level, base):
    """What a level is at a base."""
    return level.value if isinstance(level, Absolute) else level * base


@pytest.mark.parametrize(
    ("schedule", "steps", "values"),
    [
        (Constant(), [0, 9], [2.0, 2.0]),
        (Constant(0.25, 3), [0, 3, 9], [0.5, 0.5, 0.5]),
        (Constant(Absolute(0.25)), [0, 9], [0.25, 0.25]),
        (Linear(4), [0, 1, 2, 3, 4, 5], [2.0, 1.5, 1.0, 0.5, 0.0, 0.0]),
        (Linear(4, start=0.5, end=Absolute(3.0)), [0, 1, 2, 4, 9], [1.0, 1.5, 2.0, 3.0, 3.0]),
        (Linear(4, start=-1.0, end=1.0), [0, 1, 4], [-2.0, -1.0, 2.0]),
        (Warmup(4), [0, 1, 2, 3, 4, 5], [0.4, 0.8, 1.2, 1.6, 2.0, 2.0]),
        (Warmup(1), [0, 0.5, 1], [1.0, 1.5, 2.0]),
        (Cosine(4), [0, 1, 2, 3, 4, 5], [2.0, 1 + SQRT_HALF, 1.0, 1 - SQRT_HALF, 0.0, 0.0]),
        (Cosine(3, start=0.0, end=Absolute(4.0)), [0, 1, 2, 3], [0.0, 1.0, 3.0, 4.0]),
        (Polynomial(4, power=2), [0, 1, 2, 3, 4, 5], [2.0, 1.125, 0.5, 0.125, 0.0, 0.0]),
        (Polynomial(4, power=0.5, end=0.5), [0, 3, 4], [2.0, 1.5, 1.0]),
        (Exponential(2, end=0.01), [0, 1, 2, 3], [2.0, 0.2, 0.02, 0.02]),
        (Exponential(4, start=-1.0, end=-16.0), [0, 1, 2, 4], [-2.0, -4.0, -8.0, -32.0]),
        (Exponential(2, start=Absolute(0.5), end=Absolute(8)), [0, 1, 2], [0.5, 2.0, 8.0]),
        (Exponential(2, start=1.0, end=Absolute(8)), [0, 1, 2], [2.0, 4.0, 8.0]),
        (InverseSqrt(4), [0, 12, 60], [2.0, 1.0, 0.5]),
        (InverseSqrt(1, Absolute(6.0)), [0, 3, 8], [6.0, 3.0, 2.0]),
        (InverseSqrt(4, steps=12), [0, 12, 60], [2.0, 1.0, 1.0]),
    ],
    ids=repr,
)
def test_a_curve_has_the_values_of_its_formula(schedule, steps, values):
    """At base 2, against numbers worked out by hand."""
    assert schedule.values(steps, base=2.0).tolist() == pytest.approx(values, rel=1e-15, abs=1e-15)


@pytest.mark.parametrize("ramp", RAMPS.values(), ids=RAMPS)
@given(steps=st.integers(1, 10**6), start=ends, end=ends, base=strategies.bases)
def test_both_ends_of_a_ramp_are_exact(ramp, steps, start, end, base):
    """Step 0 has the start and step `steps` the end, to the bit, for any mix of factors and absolute levels."""
    schedule = ramp(steps, start=start, end=end)
    assert schedule.length == steps
    assert schedule(0, base) == in_own_unit(start, base)
    assert schedule(steps, base) == schedule(steps + 1, base) == in_own_unit(end, base)


@pytest.mark.parametrize("ramp", RAMPS.values(), ids=RAMPS)
@given(start=positive, end=positive, steps=st.integers(1, 100))
def test_a_ramp_goes_one_way(ramp, start, end, steps):
    """Between its ends a ramp never turns back (beyond the last bit)."""
    values = ramp(steps, start=start, end=end).values(steps + 1, 1.0)
    differences = (values[1:] - values[:-1]) * (1 if end >= start else -1)
    assert differences.min() >= -1e-14


@pytest.mark.parametrize("ramp", RAMPS.values(), ids=RAMPS)
def test_a_ramp_of_no_steps_is_its_end(ramp):
    """Nothing is divided by zero: the end holds from step 0."""
    assert ramp(0, start=1.0, end=0.5).values(3, 1.0).tolist() == [0.5, 0.5, 0.5]
    assert Warmup(0).values(2, 1.0).tolist() == [1.0, 1.0]


@given(st.integers(0, 10**6), strategies.bases)
def test_a_warmup_ends_exactly_at_the_base(steps, base):
    """The last of its own updates is below the base, the next has it to the bit."""
    schedule = Warmup(steps)
    assert schedule(steps, base) == base
    assert steps == 0 or 0.0 < schedule(steps - 1, base) < base


@pytest.mark.parametrize("ramp", RAMPS.values(), ids=RAMPS)
def test_mixed_levels_are_affine_unless_geometric(ramp):
    """Only a geometric mean of a factor and an absolute level is no line in the base."""
    assert ramp(4, start=1.0, end=Absolute(0.1)).affine is (ramp is not Exponential)
    assert ramp(4, start=1.0, end=0.1).affine
    assert ramp(4, start=Absolute(1.0), end=Absolute(0.1)).affine


@pytest.mark.parametrize(("start", "end"), [(1.0, 0.0), (0.0, 1.0), (1.0, -1.0), (0.0, Absolute(1.0)), (1e-300, 1e300)])
def test_a_geometric_curve_needs_ends_of_one_sign(start, end):
    """What can be seen when it is made is an error then."""
    with pytest.raises(ScheduleArgumentError) as caught:
        Exponential(4, start=start, end=end)
    assert str(caught.value) == (
        f"end = {end!r} in Exponential cannot be used.\n"
        f"It must be a level of the sign of start = {start!r}, and neither may be 0."
    )


@pytest.mark.parametrize("base", [0.0, -2.0])
def test_a_geometric_curve_of_mixed_levels_may_have_no_value_at_a_base(base):
    """What depends on the base is an error when asked, and names the base."""
    with pytest.raises(UndefinedValueError) as caught:
        Exponential(4, end=Absolute(0.5)).values(3, base)
    assert isinstance(caught.value, ArithmeticError)
    assert str(caught.value) == (
        f"Exponential(4, end=Absolute(0.5)) has no value at base {base}: no geometric curve goes from {base} to 0.5.\n"
        "Write both ends as factors or both as Absolute, or use Linear, which can cross 0."
    )


@pytest.mark.parametrize("power", [0, -1, True, float("nan"), "2", None])
def test_a_power_is_positive(power):
    """Otherwise the end would not be reached."""
    with pytest.raises(ScheduleArgumentError) as caught:
        Polynomial(4, power=power)
    assert str(caught.value) == f"power = {power!r} in Polynomial cannot be used.\nIt must be a finite number > 0."


def test_a_timescale_is_not_zero():
    """Given as 0, or resolved to it."""
    with pytest.raises(DurationError) as caught:
        InverseSqrt(0)
    assert str(caught.value) == "InverseSqrt.timescale: 0 is no time at all.\nGive 1 step or more."
    with pytest.raises(DurationError, match="no time at all"):
        InverseSqrt("1%").resolve(Horizon(steps=10))
    with pytest.raises(DurationError, match="'rest' has no meaning here"):
        InverseSqrt("rest")


@pytest.mark.parametrize("ramp", [*RAMPS.values(), lambda _, **ends: InverseSqrt(4, ends["start"])])
@pytest.mark.parametrize("level", [None, "0.1", True])
def test_every_level_is_checked(ramp, level):
    """No curve takes what is not a level."""
    with pytest.raises(ScheduleArgumentError, match="It must be a finite number, a factor of the base, or Absolute"):
        ramp(4, start=level, end=0.1)


@pytest.mark.parametrize("make", [Linear, Cosine, Warmup, InverseSqrt, lambda steps: Constant(steps=steps)])
def test_every_length_is_checked(make):
    """No curve takes what is not a duration."""
    with pytest.raises(DurationError, match="is not a duration"):
        make(-1)
