"""optax's schedules, held against optax."""

from typing import Any

import pytest

import goldens
from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules import Absolute, Cosine, Linear
from paramgroups.schedules.dialects import optax

CASES = goldens.cases("optax")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_are_optax_s(case):
    """At every count of the run, and beyond."""
    assert case.difference() <= goldens.RELATIVE


def test_there_are_forty_argument_sets():
    """And every function is among them."""
    assert len(CASES) >= 40
    assert {case.call for case in CASES} == set(optax.__all__)


def test_every_group_gets_the_same():
    """A value of optax's is the hyperparameter itself: no base is needed, and none matters."""
    for case in CASES:
        schedule = case.schedule()
        assert schedule.absolute
        assert schedule.values(30).tolist() == schedule.values(30, base=7.0).tolist()


def test_a_schedule_is_native_where_that_will_do():
    """What a user of optax writes is what a user of ours would, in the hyperparameter's own unit."""
    up = Linear(2, start=Absolute(0.0), end=Absolute(1.0))
    assert optax.warmup_cosine_decay_schedule(0.0, 1.0, 2, 6) == up.then(
        Cosine(4, start=Absolute(1.0), end=Absolute(0.0))
    )
    assert optax.join_schedules([optax.linear_schedule(0.0, 1.0, 2), up], [2]) == up.then(up)


def test_growth_stops_at_its_ceiling_before_it_is_infinite():
    """However far one looks."""
    assert optax.exponential_decay(1e-7, 1, 2.0, end_value=10.0).values([0, 26, 27, 10**6]).tolist() == [
        1e-7,
        1e-7 * 2**26,
        10.0,
        10.0,
    ]


COSINE = {"init_value": 0.0, "peak_value": 1.0, "warmup_steps": 4, "decay_steps": 4}


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("constant_schedule", {"value": "1"}, "value = '1' in constant_schedule cannot be used.\nIt must be a finite"),
        ("linear_schedule", {"init_value": 0, "end_value": 1, "transition_steps": -1}, "transition_steps = -1 in"),
        (
            "polynomial_schedule",
            {"init_value": 0, "end_value": 1, "power": -1, "transition_steps": 4},
            "power = -1 in polynomial_schedule",
        ),
        (
            "exponential_decay",
            {"init_value": 1, "transition_steps": 4, "decay_rate": -0.5},
            "decay_rate = -0.5 in exponential_decay",
        ),
        (
            "exponential_decay",
            {"init_value": 1, "transition_steps": 4, "decay_rate": 0.5, "staircase": 1},
            "staircase = 1 in exponential_decay cannot be used.\nIt must be True or False",
        ),
        ("cosine_decay_schedule", {"init_value": 1, "decay_steps": 0}, "decay_steps = 0 in cosine_decay_schedule"),
        (
            "piecewise_constant_schedule",
            {"init_value": 1, "boundaries_and_scales": {5: -1.0}},
            "boundaries_and_scales = -1.0 in piecewise_constant_schedule",
        ),
        (
            "piecewise_constant_schedule",
            {"init_value": 1, "boundaries_and_scales": [5]},
            "boundaries_and_scales = [5] in piecewise_constant_schedule cannot be used.\nIt must be a mapping",
        ),
        (
            "piecewise_interpolate_schedule",
            {"interpolate_type": "cos", "init_value": 1},
            "interpolate_type = 'cos' in piecewise_interpolate_schedule cannot be used.\nIt must be 'linear' or",
        ),
        ("linear_onecycle_schedule", {"transition_steps": 9, "peak_value": 1, "pct_final": 1.5}, "pct_final = 1.5 in"),
        ("cosine_onecycle_schedule", {"transition_steps": 9, "peak_value": 1, "div_factor": 0}, "div_factor = 0 in"),
        (
            "warmup_cosine_decay_schedule",
            COSINE,
            "decay_steps = 4 in warmup_cosine_decay_schedule cannot be used.\nIt must be more than warmup_steps = 4",
        ),
        ("sgdr_schedule", {"cosine_kwargs": []}, "cosine_kwargs = [] in sgdr_schedule"),
        (
            "join_schedules",
            {"schedules": [Linear(4), Linear(4)], "boundaries": [4, 8]},
            "boundaries = [4, 8] in join_schedules cannot be used.\nIt must be one step fewer than the 2 sched",
        ),
        (
            "join_schedules",
            {"schedules": [Linear(4)] * 3, "boundaries": [8, 4]},
            "boundaries = [8, 4] in join_schedules",
        ),
        ("join_schedules", {"schedules": [0.1], "boundaries": []}, "schedules = 0.1 in join_schedules"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(call: str, arguments: dict[str, Any], message: str):
    """By the argument's own name."""
    with pytest.raises(ScheduleArgumentError) as caught:
        getattr(optax, call)(**arguments)
    assert str(caught.value).startswith(message)
