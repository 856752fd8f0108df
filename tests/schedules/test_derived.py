"""One hyperparameter's curve as a function of another's."""

import pytest
import torch
from hypothesis import given

import paramgroups as pg
import strategies
from paramgroups.errors import CompositionError, ScheduleArgumentError, UndefinedValueError
from paramgroups.schedules import Absolute, Constant, Cosine, Derived, Horizon, Linear, Plateau, Warmup

LR = Warmup(4).then(Cosine(16, end=0.1))


@pytest.mark.parametrize(
    ("schedule", "steps", "values"),
    [
        (Derived(Linear(4)), [0, 1, 4], [2.0, 1.5, 0.0]),
        (Derived(Linear(4), power=2), [0, 2, 4], [2.0, 0.5, 0.0]),
        (Derived(Linear(4, end=0.5), power=-1), [0, 4], [2.0, 4.0]),
        (Derived(Linear(4), at_one=Absolute(0.85), at_zero=Absolute(0.95)), [0, 2, 4], [0.85, 0.9, 0.95]),
        (Derived(Linear(4), at_one=0.5, at_zero=Absolute(1.0)), [0, 2, 4], [1.0, 1.0, 1.0]),
        (Derived(Constant(2.0), at_one=Absolute(0.9), at_zero=Absolute(1.0)), [0], [0.8]),
    ],
    ids=repr,
)
def test_a_value_is_that_of_its_formula(schedule, steps, values):
    """At base 2, against numbers worked out by hand."""
    assert schedule.values(steps, base=2.0).tolist() == pytest.approx(values, rel=1e-15)


@given(strategies.schedules(strategies.factors), strategies.times, strategies.bases)
def test_by_default_it_is_the_other_curve(of, times, base):
    """To the bit, and as long: in proportion is the same factors."""
    derived = Derived(of)
    assert derived.values(times, base).tolist() == of.values(times, base).tolist()
    assert derived.length == of.length


def run(**schedules):
    """The groups at each of twenty updates, with the base of their lr."""
    parameters = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    groups = [{"params": [parameter], "lr": lr} for parameter, lr in zip(parameters, (0.1, 0.01), strict=True)]
    optimizer = torch.optim.SGD(groups, momentum=0.9, weight_decay=0.05)
    _ = pg.Scheduler(optimizer, **schedules)
    for _ in range(20):
        yield from zip((0.1, 0.01), optimizer.param_groups, strict=True)
        optimizer.step()


def test_weight_decay_in_proportion_to_lr_is_the_same_schedule():
    """Each multiplies its own base, so that their ratio is what it was in each group."""
    for base, group in run(lr=LR, weight_decay=LR):
        assert group["weight_decay"] / group["lr"] == pytest.approx(0.05 / base)


def test_weight_decay_that_keeps_its_product_with_lr():
    """AdamW multiplies the two: with power -1 the product is constant."""
    for base, group in run(lr=LR, weight_decay=Derived(LR, power=-1)):
        assert group["weight_decay"] * group["lr"] == pytest.approx(0.05 * base)


def test_momentum_goes_against_lr():
    """High where lr is low, between two levels of its own; the same in groups of any lr."""
    for base, group in run(lr=LR, momentum=Derived(LR, at_one=Absolute(0.85), at_zero=Absolute(0.95))):
        assert group["momentum"] == pytest.approx(0.95 - 0.1 * group["lr"] / base)


def test_a_momentum_whose_distance_from_one_is_in_proportion_to_lr():
    """Their quotient, the size of a step in the long run, is then constant."""
    for base, group in run(lr=LR, momentum=Derived(LR, at_one=Absolute(0.9), at_zero=Absolute(1.0))):
        assert group["lr"] / (1 - group["momentum"]) == pytest.approx(base / 0.1)


def test_what_it_is_derived_from_is_part_of_it():
    """Durations, metrics and functions of the other curve are its own."""
    derived = Derived(Cosine("rest") * Plateau(0.5), power=2)
    assert derived.resolve(Horizon(steps=10)) == Derived(Cosine(10) * Plateau(0.5), power=2)
    assert derived.driven_by_metric
    assert repr(Derived(Plateau(0.5)).seen(3, 1.0)) == "Derived(Plateau(0.5, best=1.0))"
    assert Derived(Cosine(10), at_one=Absolute(1.0), at_zero=Absolute(0.0)).absolute
    assert Derived(Cosine(10), at_one=Absolute(1.0)).affine


def test_a_power_that_is_no_number_is_explained():
    """Where it happens, and how to keep away from it."""
    with pytest.raises(UndefinedValueError) as caught:
        Derived(Linear(4), power=-1).values(6, 1.0)
    assert str(caught.value) == (
        "Derived(Linear(4), power=-1.0) has no value at step 4.0: 0.0 ** -1.0 is no finite number.\n"
        "Keep what it is derived from away from there: .clip(low=0.01)."
    )
    with pytest.raises(UndefinedValueError, match=r"-1\.0 \*\* 0\.5"):
        Derived(Constant(-1.0), power=0.5)(0, 1.0)


@pytest.mark.parametrize("power", [0, float("inf"), None, True])
def test_a_power_is_not_zero(power):
    """Nothing would be derived."""
    with pytest.raises(ScheduleArgumentError) as caught:
        Derived(Linear(4), power=power)
    assert str(caught.value) == (
        f"power = {power!r} in Derived cannot be used.\nIt must be a finite number other than 0."
    )


def test_what_is_in_its_own_unit_is_no_factor():
    """A value of another hyperparameter means nothing to this one."""
    with pytest.raises(CompositionError) as caught:
        Derived(Linear(4, end=Absolute(1e-5)))
    assert str(caught.value) == (
        "Linear(4, end=Absolute(1e-05)): it has Absolute levels, and what is derived is derived from a factor.\n"
        "Write it with plain numbers, as a factor."
    )
    with pytest.raises(ScheduleArgumentError, match=r"of = 0\.5 in Derived cannot be used"):
        Derived(0.5)  # type: ignore[arg-type]  # that is the point
