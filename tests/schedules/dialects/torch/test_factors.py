"""torch's schedulers that multiply the base, held against torch."""

import math

import pytest

import goldens
from paramgroups.errors import ScheduleArgumentError, UndefinedValueError
from paramgroups.schedules import Constant, Function, Linear, MultiStep, Polynomial
from paramgroups.schedules.dialects import torch as dialect
from paramgroups.schedules.dialects.torch import factors

CALLS = sorted({case.call for case in goldens.cases("torch")} & vars(factors).keys())


@pytest.mark.parametrize("case", goldens.cases("torch", *CALLS), ids=str)
def test_values_are_torch_s(case):
    """At every step of the run, and 20 % beyond, or up to where torch raises."""
    assert case.difference() <= goldens.RELATIVE


def test_every_one_is_held_in_several_ways():
    """At least a dozen argument sets each."""
    counts = {call: len(goldens.cases("torch", call)) for call in CALLS}
    assert len(counts) == 8
    assert min(counts.values()) >= 12


@pytest.mark.parametrize(
    ("made", "native"),
    [
        (dialect.LambdaLR(math.exp), Function(math.exp)),
        (dialect.MultiStepLR([80, 30], 0.5), MultiStep((30, 80), gamma=0.5)),
        (dialect.ConstantLR(0.5, 2), Constant(0.5, steps=2).then(Constant())),
        (dialect.LinearLR(0.5, 1.0, 3), Linear(3, start=0.5, end=1.0)),
        (dialect.PolynomialLR(4, 2), Polynomial(4, power=2)),
    ],
    ids=repr,
)
def test_what_is_native_is_the_native_shape(made, native):
    """So that its code says what it does, in our words."""
    assert made == native


@pytest.mark.parametrize("call", [dialect.ConstantLR, dialect.LinearLR])
def test_of_no_length_they_stay_for_ever(call):
    """As torch's do, where a recursion waits for a step that is never reached."""
    assert set(call(0.5, total_iters=0).values(9, base=1.0).tolist()) == {0.5}


def test_a_product_takes_as_long_as_it_has_steps():
    """Asked for step k, its function is asked for 1 to k; so it is not computed ahead."""
    asked: list[float] = []

    def halve(step):
        asked.append(step)
        return 0.5

    schedule = dialect.MultiplicativeLR(halve)
    assert schedule(3, base=8.0) == 1.0
    assert asked == [1, 2, 3]
    assert not schedule.closed_form
    with pytest.raises(UndefinedValueError, match="the function returned nan"):
        dialect.MultiplicativeLR(lambda _: math.nan).values(3, 1.0)


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("LambdaLR", {"lr_lambda": 3}, "lr_lambda = 3 in LambdaLR cannot be used.\nIt must be a callable from a step"),
        ("LambdaLR", {"lr_lambda": [abs]}, "one for all groups; one for each group is a schedule for each: Scheduler("),
        ("MultiplicativeLR", {"lr_lambda": [abs]}, "lr_lambda = [<built-in function abs>] in MultiplicativeLR cannot"),
        ("MultiplicativeLR", {"lr_lambda": None}, "lr_lambda = None in MultiplicativeLR cannot be used"),
        ("StepLR", {"step_size": 2.5}, "step_size = 2.5 in StepLR cannot be used.\nIt must be a whole number >= 1"),
        ("StepLR", {"step_size": 2, "gamma": -0.5}, "gamma = -0.5 in StepLR cannot be used"),
        (
            "MultiStepLR",
            {"milestones": 3},
            "milestones = 3 in MultiStepLR cannot be used.\nIt must be a list, or another",
        ),
        ("MultiStepLR", {"milestones": [-1]}, "milestones = -1 in MultiStepLR cannot be used"),
        ("ConstantLR", {"factor": 2.0}, "factor = 2.0 in ConstantLR cannot be used.\nIt must be a number in [0, 1]"),
        ("ConstantLR", {"total_iters": 1.5}, "total_iters = 1.5 in ConstantLR cannot be used"),
        ("LinearLR", {"start_factor": 0.0}, "(0, 1]; from 0 it is Linear(N, start=0.0, end=1.0)"),
        ("LinearLR", {"end_factor": 1.5}, "end_factor = 1.5 in LinearLR cannot be used"),
        ("ExponentialLR", {"gamma": "0.9"}, "gamma = '0.9' in ExponentialLR cannot be used"),
        ("PolynomialLR", {"power": -1}, "power = -1 in PolynomialLR cannot be used"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(call, arguments, message):
    """By the argument's own name."""
    with pytest.raises(ScheduleArgumentError) as caught:
        getattr(dialect, call)(**arguments)
    assert message in str(caught.value)
