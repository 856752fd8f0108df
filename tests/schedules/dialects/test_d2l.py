"""Dive into Deep Learning's schedulers, held against the book's formulas."""

from typing import Any

import pytest

import goldens
from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules.dialects import d2l

CASES = goldens.cases("d2l")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_are_the_book_s(case):
    """At every epoch of the run, and 20 % beyond."""
    assert case.difference() <= goldens.RELATIVE


def test_there_are_forty_argument_sets_and_several_for_each():
    """So that no argument goes unseen."""
    counts = {name: sum(case.call == name for case in CASES) for name in d2l.__all__}
    assert sum(counts.values()) >= 40
    assert min(counts.values()) >= 8


def test_every_group_gets_the_same():
    """As the book's loop writes it into every group: no base is needed, and none matters."""
    for case in CASES:
        schedule = case.schedule()
        assert schedule.absolute
        assert schedule.values(30).tolist() == schedule.values(30, base=7.0).tolist()


def test_the_book_s_own_examples():
    """A factor of 0.9 from 2 starts at 1.8; the cosine ends at 0.01 and stays there; warm-up starts at nothing."""
    assert d2l.FactorScheduler(0.9, 1e-2, 2.0)(0) == 1.8
    assert d2l.CosineScheduler(20, base_lr=0.3, final_lr=0.01).values([0, 20, 29]).tolist() == [0.3, 0.01, 0.01]
    assert d2l.CosineScheduler(20, warmup_steps=5, base_lr=0.3, final_lr=0.01)(0) == 0.0


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("SquareRootScheduler", {"lr": "1"}, "lr = '1' in SquareRootScheduler cannot be used.\nIt must be a finite"),
        ("FactorScheduler", {"factor": 1.5}, "factor = 1.5 in FactorScheduler cannot be used.\nIt must be a number in"),
        ("FactorScheduler", {"stop_factor_lr": None}, "stop_factor_lr = None in FactorScheduler cannot be used"),
        ("MultiFactorScheduler", {"step": [1.5]}, "step = 1.5 in MultiFactorScheduler cannot be used"),
        ("MultiFactorScheduler", {"step": 3}, "step = 3 in MultiFactorScheduler cannot be used.\nIt must be a list"),
        ("MultiFactorScheduler", {"factor": -1}, "factor = -1 in MultiFactorScheduler cannot be used"),
        ("CosineScheduler", {"max_update": 0}, "max_update = 0 in CosineScheduler cannot be used"),
        ("CosineScheduler", {"warmup_steps": 9}, "warmup_steps = 9 in CosineScheduler cannot be used.\nIt must be few"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(call, arguments, message):
    """By the argument's own name."""
    needed: dict[str, Any] = {
        "MultiFactorScheduler": {"step": [3], "factor": 0.5, "base_lr": 1.0},
        "CosineScheduler": {"max_update": 9},
    }
    with pytest.raises(ScheduleArgumentError) as caught:
        getattr(d2l, call)(**{**needed.get(call, {}), **arguments})
    assert str(caught.value).startswith(message)
