"""torch's schedulers that have an lr of their own to go to, held against torch."""

from typing import Any

import pytest
import torch

import goldens
from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules import Absolute, CosineRestarts, Cyclic
from paramgroups.schedules.dialects import torch as dialect
from paramgroups.schedules.dialects.conventions import Endless
from paramgroups.schedules.dialects.torch import curves

CALLS = sorted({case.call for case in goldens.cases("torch")} & vars(curves).keys())
CYCLE: dict[str, Any] = {"max_lr": 1.0, "total_steps": 10}


@pytest.mark.parametrize("case", goldens.cases("torch", *CALLS), ids=str)
def test_values_are_torch_s(case):
    """At every step of the run, and 20 % beyond, or up to where torch raises; of momentum too."""
    assert case.difference() <= goldens.RELATIVE


def test_every_one_is_held_in_several_ways():
    """At least a dozen argument sets each, and several of momentum."""
    counts = {call: len(goldens.cases("torch", call)) for call in CALLS}
    assert len(counts) == 5
    assert min(counts.values()) >= 12
    momenta = [case for case in goldens.cases("torch", "CyclicLR", "OneCycleLR") if "drives" in case.arguments]
    assert len(momenta) >= 5


@pytest.mark.parametrize(
    ("made", "native"),
    [
        (dialect.CosineAnnealingLR(10), Endless("cosine", 10)),
        (dialect.CosineAnnealingLR(10, 0.1), Endless("cosine", 10, end=Absolute(0.1))),
        (dialect.CosineAnnealingWarmRestarts(5, 2, 0.1), CosineRestarts(5, growth=2, end=Absolute(0.1))),
        (dialect.CyclicLR(0.1, 0.5, 4), Cyclic(4, start=Absolute(0.1), peak=Absolute(0.5))),
    ],
    ids=repr,
)
def test_what_is_native_is_the_native_shape(made, native):
    """So that its code says what it does, in our words."""
    assert made == native


@pytest.mark.parametrize(
    ("call", "options"),
    [
        ("OneCycleLR", {**CYCLE, "three_phase": True}),
        ("OneCycleLR", {**CYCLE, "anneal_strategy": "linear", "base_momentum": 0.5}),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3, "mode": "triangular2"}),
    ],
    ids=str,
)
def test_momentum_is_also_that_of_adam(call, options):
    """That is, `betas[0]`, where there is no momentum."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = getattr(torch.optim.lr_scheduler, call)(optimizer, **options)
    momentum = getattr(dialect, call)(**options, drives="momentum")
    for step in range(10):
        assert momentum(step) == pytest.approx(optimizer.param_groups[0]["betas"][0], rel=1e-12)
        optimizer.step()
        scheduler.step()


def test_a_one_cycle_turns_back_after_its_end():
    """At step `total_steps` the cosine is up again and the line below 0, as in torch; then it holds."""
    cosine, line = dialect.OneCycleLR(**CYCLE), dialect.OneCycleLR(**CYCLE, anneal_strategy="linear")
    assert cosine(9) < 1e-5 < cosine(10) == cosine(11) == cosine(1000)
    assert line(10) < 0.0 < line(9)
    assert line.clip(low=Absolute(0.0))(10) == 0.0
    assert cosine.length == 10


def test_a_one_cycle_that_torch_divides_by_zero_for_starts_at_its_peak():
    """Where `pct_start * total_steps` is 1, the way up takes no steps."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1, momentum=0.9)
    with pytest.raises(ZeroDivisionError):
        torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10, pct_start=0.1)
    assert dialect.OneCycleLR(**CYCLE, pct_start=0.1)(0) == 1.0


def test_no_base_matters_where_torch_overwrites_it():
    """Neither `OneCycleLR` nor `CyclicLR` knows the group's own lr."""
    assert dialect.OneCycleLR(**CYCLE).absolute
    assert dialect.CyclicLR(0.1, 0.5).absolute
    assert dialect.CosineAnnealingLR(10).pure_factor
    assert not dialect.SWALR(0.1).pure_factor


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("CosineAnnealingLR", {"T_max": 0}, "T_max = 0 in CosineAnnealingLR cannot be used"),
        ("CosineAnnealingLR", {"T_max": 9, "eta_min": None}, "eta_min = None in CosineAnnealingLR cannot be used"),
        ("CosineAnnealingWarmRestarts", {"T_0": 1.5}, "T_0 = 1.5 in CosineAnnealingWarmRestarts cannot be used"),
        ("CosineAnnealingWarmRestarts", {"T_0": 1, "T_mult": 0}, "T_mult = 0 in CosineAnnealingWarmRestarts cannot"),
        (
            "CyclicLR",
            {"base_lr": [0.1, 0.2]},
            "base_lr = [0.1, 0.2] in CyclicLR cannot be used.\nIt must be one for all",
        ),
        ("CyclicLR", {"step_size_up": 0}, "step_size_up = 0 in CyclicLR cannot be used"),
        ("CyclicLR", {"step_size_down": 2.5}, "step_size_down = 2.5 in CyclicLR cannot be used"),
        ("CyclicLR", {"mode": "triangle"}, "It must be 'triangular' or 'triangular2' or 'exp_range' (did you mean"),
        ("CyclicLR", {"mode": "exp_range", "gamma": 1.5}, "gamma = 1.5 in CyclicLR cannot be used"),
        ("CyclicLR", {"scale_fn": abs, "scale_mode": "step"}, "scale_mode = 'step' in CyclicLR cannot be used"),
        (
            "CyclicLR",
            {"drives": "betas"},
            "drives = 'betas' in CyclicLR cannot be used.\nIt must be 'lr' or 'momentum'",
        ),
        (
            "CyclicLR",
            {"drives": "momentum", "cycle_momentum": False},
            "cycle_momentum = False in CyclicLR cannot be used",
        ),
        (
            "OneCycleLR",
            {"max_lr": [0.1]},
            "max_lr = [0.1] in OneCycleLR cannot be used.\nIt must be one for all groups",
        ),
        ("OneCycleLR", {"total_steps": 0}, "total_steps = 0 in OneCycleLR cannot be used"),
        ("OneCycleLR", {"total_steps": None}, "total_steps = None in OneCycleLR cannot be used.\nIt must be given, or"),
        ("OneCycleLR", {"total_steps": None, "epochs": 3}, "It must be given, or epochs and steps_per_epoch"),
        ("OneCycleLR", {"pct_start": 1.5}, "pct_start = 1.5 in OneCycleLR cannot be used"),
        ("OneCycleLR", {"anneal_strategy": "cosine"}, "anneal_strategy = 'cosine' in OneCycleLR cannot be used"),
        (
            "OneCycleLR",
            {"div_factor": 0},
            "div_factor = 0 in OneCycleLR cannot be used.\nIt must be a finite number oth",
        ),
        ("OneCycleLR", {"three_phase": 1}, "three_phase = 1 in OneCycleLR cannot be used"),
        ("Phases", {"levels": (1.0,)}, "moments = (1.0,) in Phases cannot be used.\nIt must be one fewer than levels"),
        ("Phases", {"levels": (1.0, "2")}, "levels = '2' in Phases cannot be used"),
        ("Phases", {"levels": (1.0, 2.0), "curve": "cos"}, "curve = 'cos' in Phases cannot be used"),
        ("SWALR", {"swa_lr": [0.1]}, "swa_lr = [0.1] in SWALR cannot be used.\nIt must be one for all groups"),
        ("SWALR", {"anneal_epochs": -1}, "anneal_epochs = -1 in SWALR cannot be used"),
        ("SWALR", {"anneal_strategy": "cosine"}, "anneal_strategy = 'cosine' in SWALR cannot be used"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(call, arguments, message):
    """By the argument's own name."""
    needed: dict[str, Any] = {
        "CyclicLR": {"base_lr": 0.1, "max_lr": 0.5},
        "OneCycleLR": CYCLE,
        "Phases": {"moments": (1.0,), "curve": "linear", "steps": 2},
        "SWALR": {"swa_lr": 0.1},
    }
    with pytest.raises(ScheduleArgumentError) as caught:
        getattr(dialect, call)(**{**needed.get(call, {}), **arguments})
    assert message in str(caught.value)
