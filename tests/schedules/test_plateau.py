"""The factor that follows a metric."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paramgroups.errors import CompositionError, ScheduleArgumentError
from paramgroups.schedules import Linear, Plateau, Schedule, Warmup

METRICS = st.lists(st.floats(0.01, 2.0) | st.just(math.nan), max_size=30)


OPTIONS = st.fixed_dictionaries(
    {
        "patience": st.integers(0, 3),
        "cooldown": st.integers(0, 3),
        "mode": st.sampled_from(["min", "max"]),
        "threshold_mode": st.sampled_from(["rel", "abs"]),
        "threshold": st.sampled_from([0.0, 0.1]),
    }
)


@given(METRICS, OPTIONS)
def test_it_reduces_when_torchs_does(metrics, options):
    """Positive metrics, every option: the lr of ReduceLROnPlateau after each observation."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, eps=0.0, **options)
    ours: Schedule = Plateau(0.5, **options)
    for step, metric in enumerate(metrics):
        theirs.step(metric)
        ours = ours.seen(step, metric)
        assert ours(step, base=1.0) == optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("metrics", [(-1.0, -1.05, -1.1, -1.2), (-1e-3, -2e-3, -3e-3, -4e-3)], ids=str)
def test_a_negative_metric_that_improves_is_no_plateau(metrics):
    """There torch moves the bar the wrong way: a log-likelihood that gets better still reduces."""
    assert Plateau(patience=0, observed=tuple(enumerate(metrics)), threshold=0.01).reductions == ()


def test_a_constant_metric_reduces_again_and_again():
    """After the first, each `patience + 1` observations without improvement are one reduction."""
    assert Plateau(patience=1, observed=tuple((step, 1.0) for step in range(7))).reductions == (2, 4, 6)


def test_it_does_not_fall_below_its_floor():
    """The factor ends at `floor`."""
    seen = tuple((step, 1.0) for step in range(9))
    assert Plateau(0.1, patience=0, floor=0.05, observed=seen)(9, base=2.0) == 0.1


def test_what_comes_later_says_nothing_of_the_past():
    """One more observation changes no value before it."""
    before = Plateau(patience=0, observed=((3, 1.0),))
    after = before.seen(7, 2.0)
    assert np.array_equal(before.values(7, 1.0), after.values(7, 1.0))
    assert after(7, 1.0) == pytest.approx(0.1)


def test_a_chain_counts_from_its_start_and_ignores_what_was_seen_before():
    """Its own clock starts at the boundary."""
    chain = Warmup(10).then(Plateau(0.5))
    assert chain.seen(4, 1.0) == chain
    assert chain.seen(12, 1.0) == Warmup(10).then(Plateau(0.5, observed=((2, 1.0),)))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Warmup(10) * Plateau(), Warmup(10) * Plateau(observed=((6, 1.0),))),
        (Plateau().shift(4), Plateau(observed=((2, 1.0),)).shift(4)),
        (Plateau().clip(low=0.1), Plateau(observed=((6, 1.0),)).clip(low=0.1)),
        (Plateau().stretch(at=2, old=4, new=6), Plateau(observed=((4, 1.0),)).stretch(at=2, old=4, new=6)),
        (Linear(4), Linear(4)),
    ],
    ids=str,
)
def test_it_composes_with_everything(schedule, expected):
    """What is observed reaches it through every operator, at its own time."""
    assert schedule.seen(6, 1.0) == expected
    assert schedule.driven_by_metric == (schedule != Linear(4))


def test_inside_a_repeat_it_cannot_observe():
    """One observation would have to count in every period."""
    with pytest.raises(CompositionError, match=r"Plateau"):
        (Linear(4) * Plateau()).clip(low=0.1).stretch(at=1, old=2, new=3).then(Linear(2)).repeat().seen(1, 1.0)


@pytest.mark.parametrize(
    ("wrong", "allowed"),
    [
        ({"factor": 1.0}, r"\(0, 1\)"),
        ({"factor": "0.1"}, r"\(0, 1\)"),
        ({"threshold": -1.0}, ">= 0"),
        ({"floor": 2.0}, r"\[0, 1\]"),
        ({"patience": -1}, "whole number"),
        ({"cooldown": 0.5}, "whole number"),
        ({"mode": "low"}, "'min' or 'max'"),
        ({"threshold_mode": "relative"}, "'rel' or 'abs'"),
        ({"observed": ((3, 1.0), (2, 1.0))}, "in order"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_refused(wrong, allowed):
    """The message names it and what it may be."""
    with pytest.raises(ScheduleArgumentError, match=allowed):
        Plateau(**wrong)
