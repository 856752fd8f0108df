"""DeepSpeed's schedulers, held against DeepSpeed."""

import math
from typing import Any

import pytest

import goldens
from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules.dialects import deepspeed

CASES = goldens.cases("deepspeed")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_are_deepspeed_s(case):
    """What stands in a group after each step, lr or momentum, of the run and beyond."""
    assert case.difference() <= goldens.RELATIVE


def test_there_are_forty_argument_sets():
    """Of every class several, momentum among them."""
    assert len(CASES) >= 40
    counts = {name: sum(case.call == name for case in CASES) for name in deepspeed.__all__}
    assert min(counts.values()) >= 15
    assert sum("drives" in case.arguments for case in CASES) >= 5


def test_a_warmup_is_one_update_late():
    """Iteration i, for which DeepSpeed's formula is, is the update after it; two updates have an lr of 0."""
    values = deepspeed.WarmupLR(0.0, 1.0, warmup_num_steps=8).values(12)
    assert values.tolist() == pytest.approx([0.0, *(math.log(i + 1) / math.log(8) for i in range(8)), 1.0, 1.0, 1.0])
    assert values[:2].tolist() == [0.0, 0.0]


def test_stairs_are_the_line_rounded_down():
    """In each half as many as are asked for, however the half is divided."""
    options: dict[str, Any] = {"cycle_min_lr": 0.0, "cycle_max_lr": 1.0, "cycle_first_step_size": 10}
    line = deepspeed.OneCycle(**options).values(21)
    stairs = deepspeed.OneCycle(**options, cycle_first_stair_count=4).values(21)
    assert stairs.tolist() == [math.floor(4 * height + 1e-9) / 4 for height in line.tolist()]


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("LRRangeTest", {"lr_range_test_step_size": 0}, "lr_range_test_step_size = 0 in LRRangeTest"),
        ("LRRangeTest", {"lr_range_test_staircase": 1}, "lr_range_test_staircase = 1 in LRRangeTest"),
        ("OneCycle", {"cycle_min_lr": "0", "cycle_max_lr": 1}, "cycle_min_lr = '0' in OneCycle"),
        (
            "OneCycle",
            {"cycle_min_lr": 0, "cycle_max_lr": 1, "cycle_first_step_size": 0},
            "cycle_first_step_size = 0 in",
        ),
        ("OneCycle", {"cycle_min_lr": 0, "cycle_max_lr": 1, "decay_lr_rate": -1}, "decay_lr_rate = -1 in OneCycle"),
        ("OneCycle", {"cycle_min_lr": 0, "cycle_max_lr": 1, "drives": "betas"}, "drives = 'betas' in OneCycle"),
        (
            "OneCycle",
            {"cycle_min_lr": 0, "cycle_max_lr": 1, "cycle_momentum": False, "drives": "momentum"},
            "drives = 'momentum' in OneCycle cannot be used.\nIt must be 'lr', for cycle_momentum is False",
        ),
        ("WarmupLR", {"warmup_num_steps": 0}, "warmup_num_steps = 0 in WarmupLR"),
        ("WarmupLR", {"warmup_type": "cosine"}, "warmup_type = 'cosine' in WarmupLR"),
        ("WarmupDecayLR", {"total_num_steps": -1}, "total_num_steps = -1 in WarmupDecayLR"),
        ("WarmupCosineLR", {"total_num_steps": 9, "cos_min_ratio": -1}, "cos_min_ratio = -1 in WarmupCosineLR"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(call: str, arguments: dict[str, Any], message: str):
    """By the argument's own name."""
    with pytest.raises(ScheduleArgumentError) as caught:
        getattr(deepspeed, call)(**arguments)
    assert str(caught.value).startswith(message)
