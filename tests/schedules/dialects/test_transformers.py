"""transformers' schedules, held against transformers."""

from typing import Any

import pytest

import goldens
from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules.dialects import transformers

CASES = goldens.cases("transformers")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_are_transformers(case):
    """At every step of the run, and beyond, rebound and jumps included."""
    assert case.difference() <= goldens.RELATIVE


def test_there_are_forty_argument_sets():
    """And every function, and every name but the metric-driven ones, is among them."""
    assert len(CASES) >= 40
    assert {case.call for case in CASES} == set(transformers.__all__)
    named = {case.arguments["name"] for case in CASES if case.call == "get_scheduler"}
    assert named == set(transformers._BY_NAME)


def test_ratios_between_groups_survive_where_the_default_lr_is_known():
    """Transformers makes a floor a factor by the optimizer's default lr; without it, it is an lr in every group."""
    options: dict[str, Any] = {"num_warmup_steps": 0, "num_training_steps": 10, "lr_end": 0.01}
    known = transformers.get_polynomial_decay_schedule_with_warmup(**options, lr=0.1)
    unknown = transformers.get_polynomial_decay_schedule_with_warmup(**options)
    assert known(10, base=0.1) == unknown(10, base=0.1) == 0.01
    assert known(10, base=1.0) == pytest.approx(0.1, rel=1e-15)
    assert unknown(10, base=1.0) == 0.01


def test_a_hard_restart_may_come_late():
    """The trap that the docstring names: 49 restarts in 49 steps should all start at the base."""
    late = transformers.get_cosine_with_hard_restarts_schedule_with_warmup(0, 49, 49).values(49, 1.0)
    assert (late > 0.99).sum() < 49
    assert (late < 0.01).sum() > 0


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("get_scheduler", {"name": "cosin"}, "name = 'cosin' in get_scheduler cannot be used.\nIt must be 'linear' or"),
        (
            "get_scheduler",
            {"name": "greedy"},
            "name = 'greedy' in get_scheduler cannot be used.\nIt must be one that no",
        ),
        ("get_scheduler", {"name": "reduce_lr_on_plateau"}, "name = 'reduce_lr_on_plateau' in get_scheduler"),
        (
            "get_scheduler",
            {"name": "linear", "num_training_steps": 9},
            "num_warmup_steps = None in get_scheduler cannot be used.\nIt must be given, for 'linear'.",
        ),
        (
            "get_scheduler",
            {
                "name": "cosine",
                "num_warmup_steps": 1,
                "num_training_steps": 9,
                "scheduler_specific_kwargs": {"cycles": 1},
            },
            "cycles = 1 in get_scheduler cannot be used.\nIt must be an argument of 'cosine' (did you mean 'num_",
        ),
        (
            "get_scheduler",
            {"name": "warmup_stable_decay", "num_warmup_steps": 1, "num_training_steps": 9},
            "num_decay_steps = None in get_scheduler cannot be used.\nIt must be given among scheduler_specific_kwargs",
        ),
        (
            "get_linear_schedule_with_warmup",
            {"num_warmup_steps": 0.1, "num_training_steps": 9},
            "num_warmup_steps = 0.1",
        ),
        (
            "get_cosine_schedule_with_warmup",
            {"num_warmup_steps": 1, "num_training_steps": 9, "num_cycles": 0},
            "num_cycles = 0 in get_cosine_schedule_with_warmup",
        ),
        (
            "get_polynomial_decay_schedule_with_warmup",
            {"num_warmup_steps": 1, "num_training_steps": 9, "lr_end": 0.2, "lr": 0.1},
            "lr = 0.1 in get_polynomial_decay_schedule_with_warmup cannot be used.\nIt must be a number above lr_",
        ),
        ("get_inverse_sqrt_schedule", {"num_warmup_steps": 1, "timescale": 0}, "timescale = 0 in"),
        (
            "get_cosine_with_min_lr_schedule_with_warmup",
            {"num_warmup_steps": 1, "num_training_steps": 9},
            "min_lr = None in get_cosine_with_min_lr_schedule_with_warmup cannot be used.\nIt must be given, or",
        ),
        (
            "get_cosine_with_min_lr_schedule_with_warmup",
            {"num_warmup_steps": 1, "num_training_steps": 9, "min_lr": 0.1, "min_lr_rate": 0.1},
            "min_lr = 0.1 in get_cosine_with_min_lr_schedule_with_warmup",
        ),
        ("get_wsd_schedule", {"num_warmup_steps": 1, "num_decay_steps": 2}, "num_training_steps = None in"),
        (
            "get_wsd_schedule",
            {"num_warmup_steps": 1, "num_decay_steps": 2, "num_stable_steps": 3, "decay_type": "sqrt"},
            "decay_type = 'sqrt' in get_wsd_schedule",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(call: str, arguments: dict[str, Any], message: str):
    """By the argument's own name."""
    with pytest.raises(ScheduleArgumentError) as caught:
        getattr(transformers, call)(**arguments)
    assert str(caught.value).startswith(message)
