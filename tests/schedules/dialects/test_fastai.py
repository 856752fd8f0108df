"""fastai's schedules, held against fits of fastai's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import goldens
import strategies
from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules import Absolute, Constant, Cosine, Function, Horizon, Linear, Plateau
from paramgroups.schedules.dialects import fastai
from paramgroups.schedules.dialects.conventions import Until

CASES = goldens.cases("fastai")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_are_fastai_s(case):
    """At every batch of a fit, in every group, lr or momentum, float32 and all."""
    assert case.difference() <= goldens.RELATIVE


def test_there_are_forty_argument_sets():
    """And every function is among them; of slices several."""
    assert len(CASES) >= 40
    assert {case.call for case in CASES} == set(fastai.__all__) - {"Combined"}
    assert sum("slice" in str(case.arguments) for case in CASES) >= 8


def test_a_fit_is_the_whole_run_unless_it_is_said():
    """`steps` waits for a horizon, and may be in epochs; inside a combination it does not matter."""
    run = fastai.fit_one_cycle().resolve(Horizon(steps=100))
    assert run.values(101, 1.0).tolist() == fastai.fit_one_cycle(steps=100).values(101, 1.0).tolist()
    assert fastai.SchedCos(1.0, 0.0, steps="2 epochs").resolve(Horizon(steps=10, epochs=5)).length == 4
    parts = [fastai.SchedLin(0.0, 1.0), fastai.SchedLin(1.0, 0.0, steps=7)]
    assert fastai.combine_scheds([0.5, 0.5], parts, steps=4).values(5).tolist() == [0.0, 0.5, 1.0, 0.5, 0.0]


@given(strategies.bases, st.integers(2, 400), st.floats(0.1, 0.9))
def test_it_is_the_native_curve_but_for_float32(base, steps, pct):
    """The shares are rounded to some parts in 10**8, and so far the values are off."""
    theirs = fastai.combined_cos(pct, 0.0, base, base / 2, steps=steps).values(steps + 1)
    progress = np.arange(steps + 1) / steps
    first = (1 - np.cos(np.pi * np.minimum(progress / pct, 1.0))) / 2
    second = (1 + np.cos(np.pi * np.clip((progress - pct) / (1 - pct), 0.0, 1.0))) / 2
    exact = np.where(progress < pct, base * first, base * (0.5 + second / 2))
    assert theirs == pytest.approx(exact, abs=1e-5 * base)


def test_the_end_holds():
    """Of each schedule by itself, and of the last of several, even if it has no share."""
    assert fastai.fit_one_cycle(steps=10).values([10, 11, 99], 1.0).tolist() == [1e-5] * 3
    assert fastai.combine_scheds([1.0, 0.0], [Linear(1), Constant(0.5, steps=1)], steps=2).values(4, 1.0).tolist() == [
        1.0,
        0.5,
        0.5,
        0.5,
    ]


def test_a_slice_is_spread_over_the_groups():
    """In equal ratios, or a tenth for all but the last."""
    spread = [fastai.fit_flat_cos(slice(1e-4, 1e-2), steps=9, group=group, groups=3)(0) for group in range(3)]
    assert spread == pytest.approx([1e-4, 1e-3, 1e-2], rel=1e-15)
    tenth = [fastai.fit_flat_cos(slice(0.1), steps=9, group=group, groups=3)(0) for group in range(3)]
    assert tenth == [0.01, 0.01, 0.1]


CYCLES: dict[str, Any] = {"n_cycles": 2, "cycle_len": 1}


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("SchedLin", {"start": "0", "end": 1}, "start = '0' in SchedLin"),
        ("SchedPoly", {"start": 0, "end": 1, "power": 0}, "power = 0 in SchedPoly"),
        (
            "combine_scheds",
            {"pcts": [0.5], "scheds": [Cosine(1)]},
            "pcts = [0.5] in Combined cannot be used.\nIt must be a",
        ),
        ("combine_scheds", {"pcts": [0.5, 0.5], "scheds": [Cosine(1)]}, "pcts = [0.5, 0.5] in Combined"),
        ("combine_scheds", {"pcts": [-1], "scheds": [Cosine(1)]}, "pcts = -1 in Combined"),
        ("combine_scheds", {"pcts": [1.0], "scheds": [0.1]}, "scheds = 0.1 in Combined"),
        ("combine_scheds", {"pcts": [1.0], "scheds": [Constant()]}, "scheds = [Constant()] in Combined"),
        ("combine_scheds", {"pcts": [1.0], "scheds": [Until(Plateau(), 5)]}, "scheds = [dialects.conv"),
        ("combined_cos", {"pct": 2, "start": 0, "middle": 1, "end": 0}, "pct = 2 in combined_cos"),
        ("fit_one_cycle", {"div": 0}, "div = 0 in fit_one_cycle"),
        ("fit_one_cycle", {"lr_max": "1"}, "lr_max = '1' in fit_one_cycle"),
        (
            "fit_one_cycle",
            {"lr_max": slice(-1.0, 1.0), "groups": 2},
            "lr_max = slice(-1.0, 1.0, None) in fit_one_cycle",
        ),
        ("fit_one_cycle", {"group": 1}, "group = 1 in fit_one_cycle cannot be used.\nIt must be less than groups = 1"),
        ("fit_one_cycle", {"drives": "mom"}, "drives = 'mom' in fit_one_cycle"),
        ("fit_one_cycle", {"drives": "momentum", "moms": [0.9]}, "moms = [0.9] in fit_one_cycle"),
        ("fit_flat_cos", {"pct_start": -1}, "pct_start = -1 in fit_flat_cos"),
        ("fit_sgdr", {**CYCLES, "cycle_mult": 1}, "cycle_mult = 1 in fit_sgdr"),
        ("LRFinder", {"start_lr": 0}, "start_lr = 0 in LRFinder"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(call: str, arguments: dict[str, Any], message: str):
    """By the argument's own name."""
    with pytest.raises(ScheduleArgumentError) as caught:
        getattr(fastai, call)(**arguments)
    assert str(caught.value).startswith(message)


def test_parts_of_both_kinds_are_mixed():
    """A combination is a schedule like any other: affine where its parts are, and not closed where one calls out."""
    mixed = fastai.combine_scheds([0.5, 0.5], [Linear(2), Cosine(2, end=Absolute(0.1))], steps=8)
    assert mixed.affine
    assert mixed(8, base=1.0) == 0.1
    assert not fastai.combine_scheds([1.0], [Function(abs, steps=1)], steps=8).closed_form
