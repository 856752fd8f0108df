"""torchtitan's schedule, held against torchtitan and against what is known of it."""

from typing import Any

import pytest

import goldens
from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules import WarmupStableDecay
from paramgroups.schedules.dialects import torchtitan

CASES = goldens.cases("torchtitan")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_are_torchtitan_s(case):
    """At every step of the run, and beyond, below 0 and up again."""
    assert case.difference() <= goldens.RELATIVE


def test_there_are_forty_argument_sets():
    """Every way down is among them."""
    assert len(CASES) >= 40
    assert {case.arguments.get("decay_type", "linear") for case in CASES} == {"linear", "sqrt", "cosine"}


def test_the_known_figures():
    """T = 10, W = 2, half of it down."""
    schedule = torchtitan.LRSchedulersContainer(2, 10, 0.5)
    assert schedule.values(10, 1.0).round(9).tolist() == [0.5, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2]


def test_what_the_native_shape_does_better():
    """It holds where torchtitan's goes below 0; a warm-up of W of torchtitan's is one of W - 1."""
    native = WarmupStableDecay(10, warmup=1, cooldown=5, curve="linear")
    theirs = torchtitan.LRSchedulersContainer(2, 10, 0.5)
    assert theirs.values(10, 1.0) == pytest.approx(native.values(10, 1.0), abs=1e-15)
    assert native(12, 1.0) == 0.0
    assert theirs(12, 1.0) == pytest.approx(-0.4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "total_steps = None in LRSchedulersContainer cannot be used.\nIt must be given, or training_steps"),
        ({"training_steps": 0}, "training_steps = 0 in LRSchedulersContainer"),
        ({"total_steps": -1}, "total_steps = -1 in LRSchedulersContainer"),
        ({"total_steps": 9, "warmup_steps": 0.5}, "warmup_steps = 0.5 in LRSchedulersContainer"),
        ({"total_steps": 9, "decay_ratio": -1}, "decay_ratio = -1 in LRSchedulersContainer"),
        ({"total_steps": 9, "decay_type": "1-sqrt"}, "decay_type = '1-sqrt' in LRSchedulersContainer"),
        ({"total_steps": 9, "min_lr_factor": "0"}, "min_lr_factor = '0' in LRSchedulersContainer"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(arguments: dict[str, Any], message: str):
    """By the argument's own name."""
    with pytest.raises(ScheduleArgumentError) as caught:
        torchtitan.LRSchedulersContainer(**arguments)
    assert str(caught.value).startswith(message)
