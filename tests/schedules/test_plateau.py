"""The factor that follows a metric."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paramgroups import expressions
from paramgroups.errors import CompositionError, ScheduleArgumentError
from paramgroups.schedules import Linear, Plateau, Schedule, Warmup

OPTIONS = st.fixed_dictionaries(
    {
        "patience": st.integers(0, 3),
        "cooldown": st.integers(0, 3),
        "mode": st.sampled_from(["min", "max"]),
        "threshold_mode": st.sampled_from(["rel", "abs"]),
        "threshold": st.sampled_from([0.0, 1e-4, 0.1]),
    }
)
BEST = {"min": -math.inf, "max": math.inf}


def metrics(low):
    """Up to thirty of them, some no finite number."""
    return st.lists(st.floats(low, 2.0) | st.sampled_from([math.nan, math.inf, -math.inf]), max_size=30)


def standing(seen, **options):
    """A Plateau that has seen these at steps 0, 1, ..."""
    return Plateau(0.5, observed=enumerate(seen), **options)


@given(st.data(), OPTIONS)
def test_it_reduces_when_torchs_does(data, options):
    """Every option, to the bit; of what torch gets wrong, see the next two tests."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, eps=0.0, **options)
    ours: Schedule = Plateau(0.5, **options)
    for step, metric in enumerate(data.draw(metrics(-2.0 if options["threshold_mode"] == "abs" else 0.01))):
        theirs.step(math.nan if metric == BEST[options["mode"]] else metric)
        ours = ours.seen(step, metric)
        assert ours(step, base=1.0) == optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize(("mode", "good"), BEST.items(), ids=BEST)
def test_an_infinitely_good_metric_is_no_bar_for_the_others(mode, good):
    """With torch nothing is ever better again."""
    seen = [1.0, good, math.copysign(2.0, good), good, math.copysign(4.0, good)]
    assert standing(seen, mode=mode, patience=0).reductions == (1, 3)
    assert standing(seen, mode=mode, patience=1).reductions == ()


@given(metrics(-2.0), OPTIONS)
def test_less_is_better_as_more_of_the_opposite_is(seen, options):
    """So negative metrics are treated as positive ones, where torch moves the bar the wrong way."""
    opposite = {**options, "mode": "max" if options["mode"] == "min" else "min"}
    assert standing(seen, **options).reductions == standing([-metric for metric in seen], **opposite).reductions


@pytest.mark.parametrize(
    ("options", "seen", "reductions"),
    [
        ({}, (-1.0, -1.05, -1.1, -1.2), ()),
        ({}, (-1e-3, -2e-3, -3e-3, -4e-3), ()),
        ({}, (-1.0, -1.005, -0.5), (1, 2)),
        ({}, (math.inf, 1.0, 0.5, 0.25), (0,)),
        ({}, (math.nan, 1.0, 0.5, math.nan, 0.25), (0, 3)),
        ({"mode": "max"}, (-math.inf, 1.0, 2.0, 4.0), (0,)),
        ({"mode": "max"}, (-1.0, -0.995, -0.5), (1,)),
        ({"mode": "max", "threshold_mode": "abs"}, (-1.0, -0.5, 0.0, 0.005, 0.5), (3,)),
        ({"mode": "max", "threshold_mode": "abs"}, (5.0, 5.02, 5.04, 5.04), (3,)),
        ({"threshold_mode": "abs"}, (0.0, -0.005, -0.02, -1.0), (1,)),
        ({"threshold_mode": "abs", "cooldown": 2}, (0.0, 0.0, 0.0, 0.0, 0.0), (1, 4)),
    ],
    ids=str,
)
def test_what_is_better_than_the_best(options, seen, reductions):
    """By more than a hundredth, with no patience."""
    assert standing(seen, threshold=0.01, patience=0, **options).reductions == reductions


@given(metrics(-2.0), OPTIONS)
def test_where_it_stands_is_all_there_is_to_know(seen, options):
    """Seen one by one or at once, written and read again, it is the same, by `==` and by hash."""
    once = standing(seen, **options)
    one_by_one: Schedule = Plateau(0.5, **options)
    for step, metric in enumerate(seen):
        one_by_one = one_by_one.seen(step, float(repr(metric)))  # another NaN
    again = expressions.read(repr(once))
    assert again == once == one_by_one
    assert hash(again) == hash(once) == hash(one_by_one)


@pytest.mark.parametrize("metric", [lambda step: -step, lambda step: 1.0], ids=["better and better", "constant"])
def test_it_does_not_grow_with_what_it_sees(metric):
    """It keeps where it stands, and of the reductions those that are above its floor."""
    plateau = standing(map(metric, range(10_000)), floor=1e-3)
    assert len(plateau.reductions) <= 10
    assert len(repr(plateau)) < 200


def test_a_constant_metric_reduces_again_and_again():
    """After the first, each `patience + 1` observations without improvement are one reduction."""
    assert Plateau(patience=1, observed=tuple((step, 1.0) for step in range(7))).reductions == (2, 4, 6)


def test_it_does_not_fall_below_its_floor():
    """The factor ends at `floor`."""
    seen = tuple((step, 1.0) for step in range(9))
    assert Plateau(0.1, patience=0, floor=0.05, observed=seen)(9, base=2.0) == 0.1
    assert Plateau(0.1, patience=0, floor=0.05, observed=seen).reductions == (1, 2)


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
        ({"observed": ((3, 1.0),), "reductions": (4,)}, "after the last reduction"),
        ({"reductions": (4, 3)}, "in order"),
        ({"best": math.nan}, "finite"),
        ({"bad": -1}, "whole number"),
        ({"resting": 0.5}, "whole number"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_refused(wrong, allowed):
    """The message names it and what it may be."""
    with pytest.raises(ScheduleArgumentError, match=allowed):
        Plateau(**wrong)
