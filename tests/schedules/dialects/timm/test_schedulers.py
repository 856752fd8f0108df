"""timm's scheduler classes, held against timm."""

from typing import Any

import pytest

import goldens
from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules import Absolute, Linear
from paramgroups.schedules.dialects import timm

CLASSES = [name for name in timm.__all__ if name.endswith("LRScheduler")]
CASES = goldens.cases("timm", *CLASSES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_are_timm_s(case):
    """At every t of the run, and beyond: warm-up, cycles, jumps and noise."""
    assert case.difference() <= goldens.RELATIVE


def test_there_are_forty_argument_sets():
    """Of every class several, and of every kind of argument some."""
    counts = {name: sum(case.call == name for case in CASES) for name in CLASSES}
    assert sum(counts.values()) >= 40
    assert min(counts.values()) >= 15
    given = [name for case in CASES for name in case.arguments]
    for name in (
        "noise_range_t",
        "noise_std",
        "cycle_mul",
        "cycle_decay",
        "k_decay",
        "warmup_prefix",
        "lr_min",
        "decay_fn",
    ):
        assert given.count(name) >= 10, name


def test_the_warmup_of_conventions():
    """Without a prefix the curve has run on under the warm-up, and is met with a jump: .055, then .066."""
    schedule = timm.CosineLRScheduler(t_initial=10, lr_min=0.0, warmup_t=4, warmup_lr_init=0.01)
    assert schedule.values([3, 4], base=0.1).round(3).tolist() == [0.078, 0.065]
    prefixed = timm.CosineLRScheduler(t_initial=10, warmup_t=4, warmup_lr_init=0.01, warmup_prefix=True)
    assert prefixed(4, base=0.1) == 0.1


def test_a_milestone_is_met_one_before():
    """Torch's MultiStepLR and ours step at the milestone; timm keeps its own way on purpose."""
    assert timm.MultiStepLRScheduler([30], 0.1).values([28, 29], 1.0).tolist() == [1.0, 0.1]


def test_a_floor_is_the_same_in_every_group():
    """The trap: in a group whose base is below `lr_min` the lr rises."""
    schedule = timm.CosineLRScheduler(10, lr_min=0.01)
    assert schedule(10, base=1.0) == schedule(10, base=0.001) == 0.01


def test_a_way_down_may_be_a_schedule_of_ours():
    """As timm's may be a function."""
    drawn, ours = (
        timm.WSDLRScheduler(9, 4, decay_fn=lambda share: 1 - share),
        timm.WSDLRScheduler(9, 4, decay_fn=Linear(1)),
    )
    assert ours.values(12, 1.0).tolist() == drawn.values(12, 1.0).tolist()
    assert ours.values(12, 1.0).tolist() == timm.WSDLRScheduler(9, 4, decay_fn="linear").values(12, 1.0).tolist()


def test_levels_are_absolute_where_timm_s_are():
    """The base is a factor, what is written as an lr is one."""
    schedule = timm.CosineLRScheduler(10, lr_min=0.01, warmup_t=2, warmup_lr_init=0.02)
    assert schedule == Linear(2, start=Absolute(0.02), end=1.0).then(timm.CosineLRScheduler(10, lr_min=0.01).shift(-2))
    assert schedule.affine


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        (
            "CosineLRScheduler",
            {"t_initial": 0},
            "t_initial = 0 in Cycles cannot be used.\nIt must be a whole number >= 1",
        ),
        (
            "CosineLRScheduler",
            {"t_initial": 9, "cycle_mul": 0.5},
            "cycle_mul = 0.5 in Cycles cannot be used.\nIt must be",
        ),
        ("CosineLRScheduler", {"t_initial": 9, "lr_min": -1}, "lr_min = -1 in CosineLRScheduler"),
        ("CosineLRScheduler", {"t_initial": 9, "k_decay": 0}, "k_decay = 0 in Cycles"),
        ("CosineLRScheduler", {"t_initial": 9, "warmup_t": -1}, "warmup_t = -1 in CosineLRScheduler"),
        ("CosineLRScheduler", {"t_initial": 9, "warmup_t": 1, "warmup_prefix": 1}, "warmup_prefix = 1 in"),
        ("CosineLRScheduler", {"t_initial": 9, "t_in_epochs": 1}, "t_in_epochs = 1 in CosineLRScheduler"),
        ("CosineLRScheduler", {"t_initial": 9, "noise_range_t": [1, 2, 3]}, "noise_range_t = [1, 2, 3] in"),
        ("CosineLRScheduler", {"t_initial": 9, "noise_range_t": 1, "noise_pct": 0}, "noise_pct = 0 in Noise"),
        ("TanhLRScheduler", {"t_initial": 9, "lb": 3, "ub": -3}, "upper = -3.0 in Tanh"),
        ("PolyLRScheduler", {"t_initial": 9, "power": 0}, "power = 0 in PolyLRScheduler"),
        ("StepLRScheduler", {"decay_t": 0}, "decay_t = 0 in StepLRScheduler"),
        ("StepLRScheduler", {"decay_t": 2, "decay_rate": -1}, "decay_rate = -1 in StepLRScheduler"),
        (
            "MultiStepLRScheduler",
            {"decay_t": [3, 2]},
            "decay_t = [3, 2] in MultiStepLRScheduler cannot be used.\nIt must be",
        ),
        (
            "WSDLRScheduler",
            {"t_initial": 4, "decay_t": 5},
            "decay_t = 5 in WSDLRScheduler cannot be used.\nIt must be at most",
        ),
        ("WSDLRScheduler", {"t_initial": 4, "decay_t": 2, "stable_fn": "flat"}, "stable_fn = 'flat' in WSDLRScheduler"),
        (
            "WSDLRScheduler",
            {"t_initial": 4, "decay_t": 2, "stable_fn": "rsqrt"},
            "stable_timescale = 0 in WSDLRScheduler",
        ),
        ("WSDLRScheduler", {"t_initial": 4, "decay_t": 2, "decay_ratio": 1}, "decay_ratio = 1.0 in WSDLRScheduler"),
        ("WSDLRScheduler", {"t_initial": 4, "decay_t": 2, "decay_fn": "sqrt"}, "decay_fn = 'sqrt' in WSDLRScheduler"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(call: str, arguments: dict[str, Any], message: str):
    """By the argument's own name."""
    with pytest.raises(ScheduleArgumentError) as caught:
        getattr(timm, call)(**arguments)
    assert str(caught.value).startswith(message)
