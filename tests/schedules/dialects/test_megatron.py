"""Megatron's schedule of lr and weight decay, held against Megatron and against what is known of it."""

from typing import Any

import pytest

import goldens
from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules import Schedule
from paramgroups.schedules.dialects import megatron

CASES = goldens.cases("megatron")
PLAIN: dict[str, Any] = {
    "init_lr": 0.0,
    "max_lr": 1.0,
    "min_lr": 0.1,
    "lr_warmup_steps": 2,
    "lr_decay_steps": 10,
    "lr_decay_style": "linear",
    "start_wd": 0.04,
    "end_wd": 0.4,
    "wd_incr_steps": 4,
    "wd_incr_style": "cosine",
}


def made(**options: Any) -> Schedule:
    """The schedule of the plain arguments, but for these."""
    return megatron.OptimizerParamScheduler(**{**PLAIN, **options})


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_are_megatron_s(case):
    """After every update of the run, and beyond, whatever an update counts for."""
    assert case.difference() <= goldens.RELATIVE


def test_there_are_forty_argument_sets():
    """Every style of lr is among them, every way down of WSD, and weight decay."""
    assert len(CASES) >= 40
    styles = {case.arguments["lr_decay_style"] for case in CASES if "drives" not in case.arguments}
    assert styles == set(megatron._STYLES)
    assert {case.arguments.get("lr_wsd_decay_style") for case in CASES} >= set(megatron._WSD)
    assert {case.arguments["wd_incr_style"] for case in CASES if "drives" in case.arguments} == {
        "constant",
        "linear",
        "cosine",
    }


@pytest.mark.parametrize(
    ("style", "known"),
    [
        ("linear", [0.775, 0.55, 0.325, 0.1]),
        ("cosine", [0.8682, 0.55, 0.2318, 0.1]),
        ("exponential", [0.7136, 0.4728, 0.2703, 0.1]),
        ("minus_sqrt", [0.55, 0.3636, 0.2206, 0.1]),
    ],
)
def test_the_known_figures_of_each_way_down(style, known):
    """W = 2, N = 10, four steps down from 1.0 to 0.1."""
    schedule = made(lr_decay_style="WSD", wsd_decay_steps=4, lr_wsd_decay_style=style)
    assert schedule.values([7, 8, 9, 10]).round(4).tolist() == known


def test_the_known_figures_of_weight_decay():
    """From .04 to .4 over four steps by a cosine; a group's own multiplier multiplies."""
    decay = made(drives="weight_decay").values(5)
    assert decay.round(4).tolist() == [0.04, 0.0927, 0.22, 0.3473, 0.4]
    assert made(drives="weight_decay", wd_mult=0.5).values(5).tolist() == (0.5 * decay).tolist()
    assert made(drives="weight_decay", wd_mult=0.0).values(5).tolist() == [0.0] * 5


def test_lengths_are_in_what_an_update_counts_for():
    """Samples, as a rule: with 4 an update, the curve goes four times as fast."""
    slow, fast = made(), made(increment=4)
    assert fast.values(30).tolist() == slow.values(range(0, 120, 4)).tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"init_lr": 2.0}, "init_lr = 2.0 in OptimizerParamScheduler cannot be used.\nIt must be at most max_lr = 1.0"),
        ({"min_lr": 2.0}, "min_lr = 2.0 in OptimizerParamScheduler"),
        ({"min_lr": -0.1}, "min_lr = -0.1 in OptimizerParamScheduler"),
        ({"lr_warmup_steps": 10}, "lr_warmup_steps = 10 in OptimizerParamScheduler cannot be used.\nIt must be less"),
        ({"lr_decay_style": "cosin"}, "lr_decay_style = 'cosin' in OptimizerParamScheduler"),
        ({"lr_decay_style": "WSD"}, "wsd_decay_steps = None in OptimizerParamScheduler"),
        ({"lr_decay_style": "WSD", "wsd_decay_steps": 2}, "lr_wsd_decay_style = None in OptimizerParamScheduler"),
        (
            {"drives": "weight_decay", "end_wd": 0.01},
            "end_wd = 0.01 in OptimizerParamScheduler cannot be used.\nIt must be at",
        ),
        (
            {"drives": "weight_decay", "wd_incr_style": "constant"},
            "end_wd = 0.4 in OptimizerParamScheduler cannot be used.\nIt must be start_wd = 0.04",
        ),
        ({"drives": "weight_decay", "wd_incr_steps": 0}, "wd_incr_steps = 0 in OptimizerParamScheduler"),
        ({"drives": "momentum"}, "drives = 'momentum' in OptimizerParamScheduler"),
        ({"increment": 0}, "increment = 0 in OptimizerParamScheduler"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(options, message):
    """By the argument's own name."""
    with pytest.raises(ScheduleArgumentError) as caught:
        made(**options)
    assert str(caught.value).startswith(message)
