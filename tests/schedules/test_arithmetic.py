"""Products and clips."""

import operator

import pytest
from hypothesis import given

import strategies
from paramgroups.errors import CompositionError, ScheduleArgumentError, UndefinedValueError
from paramgroups.schedules import Absolute, Constant, Cosine, Exponential, InverseSqrt, Linear, Product, Warmup

MIXED = Linear(4, end=Absolute(1.0))


@given(strategies.schedules(strategies.factors), strategies.schedules(), strategies.times, strategies.bases)
def test_a_product_is_the_product_of_the_values(factor, schedule, times, base):
    """On either side, to within rounding: the factor at base 1 times the value."""
    expected = list(map(operator.mul, factor.values(times, 1.0), schedule.values(times, base)))
    for product in (factor * schedule, schedule * factor):
        assert product.values(times, base).tolist() == pytest.approx(expected, rel=1e-13, abs=1e-300)
        assert product.pure_factor is schedule.pure_factor
        assert product.absolute is schedule.absolute
        assert product.affine is schedule.affine


@given(strategies.schedules(), strategies.levels, strategies.times, strategies.bases)
def test_a_clip_bounds_the_values(schedule, level, times, base):
    """Below, above, and untouched elsewhere, for every mix of factors and absolute levels."""
    values = schedule.values(times, base)
    bound = Constant(level)(0, base)
    assert schedule.clip(low=level).values(times, base).tolist() == [max(value, bound) for value in values]
    assert schedule.clip(high=level).values(times, base).tolist() == [min(value, bound) for value in values]


@pytest.mark.parametrize(
    ("schedule", "steps", "values"),
    [
        (Warmup(3) * Linear(4), [0, 1, 3, 4], [0.5, 0.75, 0.5, 0.0]),
        (0.5 * MIXED, [0, 2, 4], [1.0, 0.75, 0.5]),
        (Linear(2) * Constant(Absolute(3.0)), [0, 1, 2], [3.0, 1.5, 0.0]),
        (Linear(4).clip(0.25, 0.75), [0, 1, 2, 3, 4], [1.5, 1.5, 1.0, 0.5, 0.5]),
        (Linear(4).clip(low=Absolute(0.75)), [0, 2, 3], [2.0, 1.0, 0.75]),
        (MIXED.clip(high=0.75), [0, 2, 4], [1.5, 1.5, 1.0]),
        (Constant(Absolute(2.0)).clip(high=Absolute(1.0)), [0], [1.0]),
        (Linear(4, start=-1.0).clip(low=-0.5), [0, 4], [-1.0, 0.0]),
    ],
    ids=repr,
)
def test_values_combine_as_by_hand(schedule, steps, values):
    """At base 2, against numbers worked out by hand."""
    assert schedule.values(steps, base=2.0).tolist() == values


def test_a_product_lasts_as_long_as_the_longer():
    """And for ever if either does; a number adds nothing."""
    assert (Warmup(3) * Linear(4)).length == 4
    assert (Linear(4) * Warmup(3)).length == 4
    assert (Linear(4) * InverseSqrt(3)).length is None
    assert (0.5 * Linear(4)).length == (Linear(4) * 0.5).length == 4
    assert Linear(4).clip(0.5).length == 4


@pytest.mark.parametrize(
    ("schedule", "affine"),
    [
        (Linear(4).clip(0.1, 0.9), True),
        (Linear(4).clip(Absolute(0.1)), False),
        (Linear(4).clip(0.1, Absolute(0.9)), False),
        (MIXED.clip(0.1), False),
        (Constant(Absolute(2.0)).clip(Absolute(0.1)), True),
        (Warmup(2) * MIXED, True),
        (Warmup(2) * MIXED.clip(0.1), False),
        (Warmup(2) * Exponential(4, end=Absolute(1.0)), False),
        (Warmup(2).then(MIXED), True),
        (Warmup(2).then(MIXED.clip(0.1)), False),
        (MIXED.clip(0.1).repeat(), False),
        (MIXED.clip(0.1).shift(2), False),
    ],
    ids=repr,
)
def test_affinity_is_that_of_the_parts(schedule, affine):
    """Only clips and geometric curves that mix kinds break it, and nothing mends it."""
    assert schedule.affine is affine


def test_a_clip_of_factors_clips_factors():
    """Where the base is negative the bounds are as well."""
    assert Linear(4).clip(low=0.25).values([0, 4], base=-2.0).tolist() == [-2.0, -0.5]


def test_two_absolute_schedules_do_not_multiply():
    """The product would be in no unit."""
    with pytest.raises(CompositionError) as caught:
        MIXED * Constant(Absolute(0.5))
    assert isinstance(caught.value, TypeError)
    assert str(caught.value) == (
        "Linear(4, end=Absolute(1.0)) and Constant(Absolute(0.5)): "
        "both have Absolute levels, and a product of two values is in no hyperparameter's unit.\n"
        "Write one of the two with plain numbers, as a factor."
    )


def test_bounds_may_not_cross():
    """Seen at once where they are of one kind, at the base where it decides."""
    with pytest.raises(ScheduleArgumentError) as crossed:
        Linear(4).clip(0.5, 0.1)
    assert str(crossed.value) == "low = 0.5 in .clip cannot be used.\nIt must be at most high = 0.1."
    with pytest.raises(ScheduleArgumentError, match=r"It must be at most high = Absolute\(0.1\)"):
        Linear(4).clip(Absolute(0.5), Absolute(0.1))
    schedule = Linear(4).clip(0.5, Absolute(0.25))
    assert schedule(0, 0.5) == 0.25
    with pytest.raises(UndefinedValueError) as caught:
        schedule(0, 1.0)
    assert str(caught.value) == (
        "Linear(4).clip(low=0.5, high=Absolute(0.25)) has no value at base 1.0: low is 0.5 there, and high 0.25.\n"
        "Write both bounds as factors, or both as Absolute."
    )


def test_a_clip_has_a_bound():
    """One that does nothing is a mistake."""
    with pytest.raises(ScheduleArgumentError) as caught:
        Cosine(4).clip()
    assert str(caught.value) == "low = None in .clip cannot be used.\nIt must be given, or high, or both."


@pytest.mark.parametrize("number", [True, float("nan"), float("inf")])
def test_a_number_that_multiplies_is_a_factor(number):
    """It is checked as any level."""
    with pytest.raises(ScheduleArgumentError, match=r"factor = .* in \* cannot be used"):
        number * Cosine(4)


def test_only_schedules_are_operands():
    """The nodes themselves check, for whoever builds them without operators."""
    with pytest.raises(ScheduleArgumentError, match="It must be a schedule; a fixed level is Constant"):
        Product(Cosine(4), 0.5)  # type: ignore[arg-type]  # that is the point
