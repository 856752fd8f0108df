"""What several libraries do: curves that go on after their end, parts cut off, and blends."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from paramgroups.errors import CompositionError, ScheduleArgumentError, UndefinedValueError
from paramgroups.schedules import Absolute, Constant, Cooldown, Cosine, Linear, Plateau, Warmup
from paramgroups.schedules.annealing import CURVES
from paramgroups.schedules.dialects.conventions import Blend, Endless, Geometric, Until, cut, in_turn


@given(st.sampled_from(sorted(CURVES)), st.integers(1, 50), strategies.levels, strategies.levels, strategies.bases)
def test_an_endless_curve_is_the_native_one_up_to_its_end(curve, steps, start, end, base):
    """Within the steps it is `Cooldown`'s formula; it does not stop there, whatever comes."""
    endless, native = Endless(curve, steps, start=start, end=end), Cooldown(steps, curve=curve, start=start, end=end)
    assert endless.values(steps + 1, base) == pytest.approx(native.values(steps + 1, base), rel=1e-12, abs=1e-15 * base)
    assert endless.length is None


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (Endless("linear", 2), [1.0, 0.5, 0.0, -0.5, -1.0]),
        (Endless("cosine", 2), [1.0, 0.5, 0.0, 0.5, 1.0]),
        (Endless("cosine", 4, cycles=2.0), [1.0, 0.5, 0.0, 0.5, 1.0]),
        (Endless("cosine", 4, cycles=2.0, pace="restarts"), [1.0, 0.5, 1.0, 0.5, 1.0]),
        (Endless("linear", 2, pace="stairs"), [1.0, 1.0, 0.0, 0.0, -1.0]),
        (Endless("linear", 2, start=Absolute(0.5), end=Absolute(1.0)), [0.5, 0.75, 1.0, 1.25, 1.5]),
        (Geometric(0.25, 2), [1.0, 0.5, 0.25, 0.125, 0.0625]),
        (Geometric(0.25, 2, stairs=True), [1.0, 1.0, 0.25, 0.25, 0.0625]),
        (Geometric(0.5, 0.75, stairs=True), [1.0, 0.5, 0.25, 0.0625, 0.03125]),
        (Geometric(0.0), [1.0, 0.0, 0.0, 0.0, 0.0]),
        (Geometric(2.0, start=Absolute(0.5)), [0.5, 1.0, 2.0, 4.0, 8.0]),
        (Until(Linear(4), 2), [1.0, 0.75, 0.5, 0.5, 0.5]),
        (Until(Linear(2), 4).then(Constant()), [1.0, 0.5, 0.0, 0.0, 1.0]),
        (Until(Linear(4).shift(-1), 0), [0.75, 0.75, 0.75, 0.75, 0.75]),
        (Blend(Linear(4), Constant(2.0), Linear(2)), [2.0, 1.625, 1.0, 0.5, 0.0]),
    ],
    ids=repr,
)
def test_a_convention_has_the_values_of_its_formula(schedule, values):
    """At base 1, against numbers worked out by hand."""
    assert schedule.values(5, base=1.0).tolist() == pytest.approx(values, rel=1e-15, abs=1e-16)


@given(strategies.shapes(), st.integers(0, 20), strategies.times, strategies.bases)
def test_a_schedule_is_itself_until_it_is_cut_off(schedule, steps, times, base):
    """To the bit before the cut, and held from there on; what is that long already is left alone."""
    made = cut(schedule, steps)
    assert made.length == steps
    assert made.values(times, base).tolist() == schedule.values(np.minimum(times, steps), base).tolist()
    assert (made == schedule) is (schedule.length == steps)


@given(strategies.shapes(strategies.factors), strategies.shapes(), strategies.shapes(), strategies.bases)
def test_a_blend_is_the_weighted_mean(weight, start, end, base):
    """Of the values, at every step; affine in the base where both are."""
    blended = Blend(weight, start, end)
    share, first, last = weight.values(20, 1.0), start.values(20, base), end.values(20, base)
    assert blended.values(20, base) == pytest.approx(share * first + (1 - share) * last, rel=1e-9, abs=1e-9)
    assert blended.affine is (weight.affine and start.affine and end.affine)


def test_parts_of_no_length_are_left_out():
    """But the last is kept, for its value holds."""
    assert in_turn(Linear(0), Until(Warmup(3), 0), Cosine(4)) == Cosine(4)
    assert in_turn(Linear(2), Linear(0), Cosine(0)) == Linear(2).then(Cosine(0))


def test_metrics_reach_what_is_inside():
    """A plateau that is cut off or blended still observes."""
    assert Until(Plateau(0.5), 9).seen(3, 1.0) == Until(Plateau(0.5, best=1.0), 9)
    seen = Blend(Linear(4), Plateau(0.5), Constant()).seen(3, 1.0)
    assert seen == Blend(Linear(4), Plateau(0.5, best=1.0), Constant())


@pytest.mark.parametrize(
    ("kind", "arguments", "options", "message"),
    [
        (Endless, ("cubic", 4), {}, r"curve = 'cubic' in Endless .*\n.*'linear' or 'cosine'"),
        (Endless, ("linear", 0), {}, r"steps = 0 in Endless .*\nIt must be a finite number > 0"),
        (Endless, ("linear", 4), {"cycles": -1}, "cycles = -1 in Endless"),
        (
            Endless,
            ("linear", 4),
            {"pace": "slow"},
            r"pace = 'slow' in Endless .*\n.*'smooth' or 'stairs' or 'restarts'",
        ),
        (Geometric, (-0.1,), {}, "ratio = -0.1 in Geometric"),
        (Geometric, (0.5, 0), {}, "steps = 0 in Geometric"),
        (Geometric, (0.5, 2), {"stairs": 1}, r"stairs = 1 in Geometric .*\nIt must be True or False"),
        (Until, (Linear(4), 1.5), {}, r"steps = 1.5 in Until .*\nIt must be a whole number >= 0"),
        (Until, (0.5, 4), {}, "inner = 0.5 in Until"),
    ],
)
def test_what_is_no_convention_is_an_error(kind, arguments, options, message):
    """The argument is named."""
    with pytest.raises(ScheduleArgumentError, match=message):
        kind(*arguments, **options)


def test_a_weight_is_a_share():
    """Not a value in some unit."""
    with pytest.raises(CompositionError, match=r"Constant\(Absolute\(0.5\)\): it has Absolute levels"):
        Blend(Constant(Absolute(0.5)), Linear(4), Linear(5))


def test_growth_without_bounds_is_an_error_where_it_is_infinite():
    """Not before; what only shrinks comes to 0."""
    assert Geometric(2.0)(1000, 1.0) == math.ldexp(1.0, 1000)
    assert Geometric(0.5)(10_000, 1.0) == 0.0
    with pytest.raises(UndefinedValueError) as caught:
        Geometric(2.0).values([3, 5000], 1.0)
    assert str(caught.value) == (
        "dialects.conventions.Geometric(2.0) has no value at step 5000.0: "
        "2.0 has been multiplied until it is infinite.\n"
        "Keep it below a level: .clip(high=...), or end it."
    )
