"""The curves with a formula, on hand-computed numbers and at their ends."""

import functools
import math
import re
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from paramgroups import schedules
from paramgroups.errors import DurationError, ScheduleArgumentError, UndefinedValueError
from paramgroups.schedules import (
    Absolute,
    Constant,
    Cosine,
    Exponential,
    Linear,
    Logarithmic,
    Polynomial,
    Tanh,
    Warmup,
)

SQRT_HALF = math.sqrt(0.5)
TANH_HALF = math.tanh(0.5) / math.tanh(1.0)
RAMPS = {
    "linear": Linear,
    "cosine": Cosine,
    "exponential": Exponential,
    "root": lambda steps, **ends: Polynomial(steps, power=0.5, **ends),
    "square": lambda steps, **ends: Polynomial(steps, power=2, **ends),
    "logarithmic": Logarithmic,
    "tanh": Tanh,
    "steep tanh": lambda steps, **ends: Tanh(steps, lower=-30, upper=30, **ends),
    "straight tanh": lambda steps, **ends: Tanh(steps, lower=0.1, upper=0.11, **ends),
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
        (Logarithmic(3, start=0.0, end=1.0), [0, 1, 3, 9], [0.0, 1.0, 2.0, 2.0]),
        (Logarithmic(8, end=Absolute(4.0)), [0, 2, 8], [2.0, 3.0, 4.0]),
        (Tanh(4, lower=-1, upper=1), [0, 2, 4, 9], [2.0, 1.0, 0.0, 0.0]),
        (Tanh(4, lower=-1, upper=1), [1, 3], [1 + TANH_HALF, 1 - TANH_HALF]),
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


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"lower": 3.0, "upper": 3.0}, "upper = 3.0 in Tanh cannot be used.\nIt must be a finite number above lower"),
        ({"lower": 20.0, "upper": 30.0}, "upper = 30.0 in Tanh"),  # flat from the one to the other
        ({"lower": math.inf}, "lower = inf in Tanh cannot be used.\nIt must be a finite number."),
        ({"upper": "3"}, "upper = '3' in Tanh"),
    ],
    ids=str,
)
def test_a_tangent_rises_between_its_bounds(bounds, message):
    """Otherwise it does not lead from start to end."""
    with pytest.raises(ScheduleArgumentError, match=re.escape(message)):
        Tanh(4, **bounds)


def test_timm_s_tanh_is_the_tangent_between_other_ends():
    """The weight of timm misses both ends; our curve from and to what it has there is the same."""
    steps, lower, upper, end = 20, -7.0, 3.0, 0.1
    weights = [(1 - math.tanh(lower * (1 - t / steps) + upper * t / steps)) / 2 for t in range(steps + 1)]
    expected = [end + (1 - end) * weight for weight in weights]
    schedule = Tanh(steps, lower=lower, upper=upper, start=expected[0], end=expected[-1])
    assert schedule.values(steps + 1, 1.0).tolist() == pytest.approx(expected, rel=1e-13)


def first_updates(schedule, count=5):
    """The factors of the first updates."""
    return schedule.values(count, 1.0).tolist()


def test_every_convention_of_a_warmup_is_one_line():
    """For W = 4: t / W, from a level, (t + 1) / W, (t + 1) / (W + 1), exponential, and DeepSpeed's logarithm."""
    close = functools.partial(pytest.approx, rel=1e-15)
    assert first_updates(Linear(4, start=0.0, end=1.0)) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert first_updates(Linear(4, start=0.5, end=1.0)) == [0.5, 0.625, 0.75, 0.875, 1.0]
    assert first_updates(Linear(4, start=Absolute(0.5), end=1.0)) == [0.5, 0.625, 0.75, 0.875, 1.0]
    assert first_updates(Linear(4, start=0.0, end=1.0).shift(-1)) == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert first_updates(Warmup(3)) == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert first_updates(Warmup(4)) == close([0.2, 0.4, 0.6, 0.8, 1.0])
    assert first_updates(Exponential(4, start=0.0625, end=1.0)) == close([0.0625, 0.125, 0.25, 0.5, 1.0])
    logarithms = [math.log(t + 1) / math.log(4) for t in range(4)]
    assert first_updates(Logarithmic(3, start=0.0, end=1.0)) == close([*logarithms, 1.0])


@pytest.mark.parametrize("ramp", RAMPS.values(), ids=RAMPS)
@pytest.mark.parametrize("level", [None, "0.1", True])
def test_every_level_is_checked(ramp, level):
    """No curve takes what is not a level."""
    with pytest.raises(ScheduleArgumentError, match="It must be a finite number, a factor of the base, or Absolute"):
        ramp(4, start=level, end=0.1)


@pytest.mark.parametrize("make", [Linear, Cosine, Warmup, Tanh, lambda steps: Constant(steps=steps)])
def test_every_length_is_checked(make):
    """No curve takes what is not a duration."""
    with pytest.raises(DurationError, match="is not a duration"):
        make(-1)


def test_the_table_in_the_docs_is_current_and_complete():
    """It is what the code makes of every shape: what is not there is an operator."""
    made = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "docs_shapes.py"))
    assert made["page"]() == made["PAGE"].read_text("utf-8"), "run: python -m tools.docs_shapes"
    public = {value for value in map(vars(schedules).get, schedules.__all__) if isinstance(value, type)}
    shapes = {kind for kind in public if issubclass(kind, schedules.Schedule)}
    operators = {"Chain", "Clip", "Product", "Repeat", "Schedule", "Shift", "Stretch"}
    assert {kind.__name__ for kind in shapes - set(map(type, made["EXAMPLES"]))} == operators


def test_the_gallery_in_the_docs_is_current_and_has_its_pictures(monkeypatch):
    """Its text is what the code makes of every shape, and each picture is there; no other is."""
    root = Path(__file__).parents[2]
    monkeypatch.syspath_prepend(str(root))
    made = runpy.run_path(str(root / "tools" / "docs_gallery.py"))
    assert made["text"]() == made["PAGE"].read_text("utf-8"), "run: python -m tools.docs_gallery"
    assert set(made["pictures"]()) == set(made["PICTURES"].iterdir())
