"""One cycle, warm-up–stable–decay, and the inverse square root."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import strategies
from paramgroups.errors import DurationError, ScheduleArgumentError
from paramgroups.schedules import (
    Absolute,
    Constant,
    Cooldown,
    Cosine,
    Horizon,
    InverseSqrt,
    Linear,
    OneCycle,
    Polynomial,
    Warmup,
    WarmupStableDecay,
)

HORIZON = Horizon(steps=1000)
SQRT_HALF = math.sqrt(0.5)


@pytest.mark.parametrize(
    ("schedule", "steps", "values"),
    [
        (
            OneCycle(8, pct_start=0.25, curve="linear", start=0.5, end=0.25),
            [0, 1, 2, 5, 8, 9],
            [1.0, 1.5, 2.0, 1.25, 0.5, 0.5],
        ),
        (
            OneCycle(8, pct_start=0.25, curve="linear", three_phase=True, start=0.5, end=0.25),
            [0, 1, 2, 3, 4, 6, 8, 9],
            [1.0, 1.5, 2.0, 1.5, 1.0, 0.75, 0.5, 0.5],
        ),
        (OneCycle(10, start=0.0, end=0.5), [0, 1.5, 3, 6.5, 10, 11], [0.0, 1.0, 2.0, 1.5, 1.0, 1.0]),
        (OneCycle(4, pct_start=0, curve="linear", end=0.0), [0, 1, 4], [2.0, 1.5, 0.0]),
        (OneCycle(4, pct_start=1, curve="linear", start=0.0, end=0.5), [0, 2, 3, 4], [0.0, 1.0, 1.5, 1.0]),
        (OneCycle(0, end=0.5), [0, 1], [1.0, 1.0]),
        (OneCycle(4, pct_start=0.5, start=Absolute(0.95), peak=Absolute(0.85), end=0.5), [0, 2, 4], [0.95, 0.85, 1.0]),
        (OneCycle(4, pct_start=0.5, curve=Polynomial(1, power=2), start=0.0, end=0.0), [0, 1, 2, 3], [0, 1.5, 2, 0.5]),
        (WarmupStableDecay(8, warmup=1, cooldown=4, curve="linear"), [0, 1, 4, 5, 6, 8, 9], [1, 2, 2, 1.5, 1, 0, 0]),
        (WarmupStableDecay(8, warmup=0, cooldown=4, end=0.5), [0, 4, 5, 8], [2, 2, 1.5, 1]),
        (WarmupStableDecay(4, warmup=0, cooldown=0), [0, 3.9, 4], [2, 2, 0]),
        (WarmupStableDecay(8, warmup=1, cooldown=2, peak=Absolute(3.0), end=1.0), [0, 1, 6, 8], [1.5, 3.0, 3.0, 2.0]),
        (InverseSqrt(4), [0, 12, 60], [2.0, 1.0, 0.5]),
        (InverseSqrt(1, Absolute(6.0)), [0, 3, 8], [6.0, 3.0, 2.0]),
        (InverseSqrt(4, steps=12), [0, 12, 60], [2.0, 1.0, 1.0]),
        (InverseSqrt(4, steps=16, cooldown=4), [0, 12, 13, 14, 16, 20], [2.0, 1.0, 0.75, 0.5, 0.0, 0.0]),
        (InverseSqrt(4, steps=16, cooldown=4, end=0.25), [12, 14, 16], [1.0, 0.75, 0.5]),
        (InverseSqrt(4, steps=16, cooldown=4, end=Absolute(0.5), curve="square"), [12, 14, 16], [1.0, 0.875, 0.5]),
        (InverseSqrt(4, steps=4, cooldown=4), [0, 1, 4], [2.0, 1.5, 0.0]),
    ],
    ids=repr,
)
def test_a_curve_has_the_values_of_its_formula(schedule, steps, values):
    """At base 2, against numbers worked out by hand."""
    assert schedule.values(steps, base=2.0).tolist() == pytest.approx(values, rel=1e-15, abs=1e-15)


phases = st.integers(0, 12)


three_levels = st.tuples(strategies.levels, strategies.levels, strategies.levels)


@given(phases, phases, three_levels, strategies.times, strategies.bases)
def test_one_cycle_is_two_cosines(up, down, levels, times, base):
    """One after the other, where the peak is at a whole step; exact at both ends, also where there are no steps."""
    start, peak, end = levels
    cycle = OneCycle(up + down, pct_start=up / max(up + down, 1), start=start, peak=peak, end=end)
    chain = Cosine(up, start=start, end=peak).then(Cosine(down, start=peak, end=end))
    assert cycle.values(times, base) == pytest.approx(chain.values(times, base), rel=1e-13, abs=1e-14)
    assert cycle(0, base) == chain(0, base)
    assert cycle(up + down, base) == chain(up + down, base)


@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize(("ours", "theirs"), [("cosine", "cos"), ("linear", "linear")])
@pytest.mark.parametrize("total", [10, 97])
def test_one_cycle_is_torch_s_a_step_longer(ours, theirs, three_phase, total):
    """Of lr and of momentum, one line each: torch's phases end at pct * N - 1 and at N - 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
    peer = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=2.0, total_steps=total, pct_start=0.3, anneal_strategy=theirs, three_phase=three_phase
    )
    share = (0.3 * total - 1) / (total - 1)
    lr = OneCycle(total - 1, pct_start=share, curve=ours, three_phase=three_phase)
    momentum = OneCycle(
        total - 1,
        pct_start=share,
        curve=ours,
        three_phase=three_phase,
        start=Absolute(0.95),
        peak=Absolute(0.85),
        end=Absolute(0.95),
    )
    for step in range(total):
        (group,) = optimizer.param_groups
        assert lr(step, base=2.0) == pytest.approx(group["lr"], rel=1e-12)
        assert momentum(step) == pytest.approx(group["momentum"], rel=1e-12)
        optimizer.step()
        if step < total - 1:
            peer.step()


@given(st.tuples(phases, phases, phases), strategies.curves, strategies.levels, strategies.times, strategies.bases)
def test_warmup_stable_decay_is_the_chain_of_the_three(parts, curve, end, times, base):
    """To the bit, so that one may be rewritten as the other."""
    warmup, stable, cooldown = parts
    steps = warmup + stable + cooldown
    whole = WarmupStableDecay(steps, warmup=warmup, cooldown=cooldown, curve=curve, end=end)
    chain = Warmup(warmup).then(Constant(steps=stable)).then(Cooldown(cooldown, curve=curve, end=end))
    assert whole.length == chain.length == steps
    assert whole.values(times, base).tolist() == chain.values(times, base).tolist()


def test_warmup_stable_decay_as_in_torchtitan():
    """Its T = 10, W = 2, decay ratio .5: there a warm-up is (t + 1) / W, which is ours of a step less."""
    schedule = WarmupStableDecay(10, warmup=1, cooldown=5, curve="linear")
    assert schedule.values(10, 1.0).tolist() == pytest.approx([0.5, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])


@given(st.integers(1, 20), phases, phases, st.tuples(strategies.levels, strategies.levels), strategies.bases)
def test_a_cooldown_starts_where_the_curve_is(timescale, before, cooldown, levels, base):
    """Nothing jumps, and both ends are exact."""
    start, end = levels
    schedule = InverseSqrt(timescale, start, steps=before + cooldown, cooldown=cooldown, end=end)
    plain = InverseSqrt(timescale, start)
    assert schedule.values(before, base).tolist() == plain.values(before, base).tolist()
    if cooldown:
        assert schedule(before, base) == plain(before, base)
        assert schedule(before + cooldown, base) == Constant(end)(0, base)


def test_durations_are_those_of_the_run():
    """Every one of them may be text, `"rest"` only the whole."""
    schedule = WarmupStableDecay("rest", warmup="5%", cooldown="20%")
    assert schedule.resolve(HORIZON) == WarmupStableDecay(1000, warmup=50, cooldown=200)
    assert repr(Linear(100).then(schedule).resolve(HORIZON)) == (
        "Linear(100).then(WarmupStableDecay(900, warmup=50, cooldown=200))"
    )
    assert OneCycle("100%").resolve(HORIZON) == OneCycle(1000)
    assert InverseSqrt("5%", steps="rest", cooldown="10%").resolve(HORIZON) == InverseSqrt(50, steps=1000, cooldown=100)
    for wrong in (
        lambda: WarmupStableDecay(9, warmup="rest", cooldown=1),
        lambda: WarmupStableDecay(9, warmup=1, cooldown="rest"),
        lambda: InverseSqrt("rest"),
        lambda: InverseSqrt(4, steps=9, cooldown="rest"),
    ):
        with pytest.raises(DurationError, match="'rest' has no meaning here"):
            wrong()


def test_a_level_left_out_is_in_the_unit_of_the_others():
    """A cool-down goes to 0, whichever unit that is in; other curves have plain factors where nothing is said."""
    assert InverseSqrt(4, Absolute(6.0), steps=9, cooldown=3).absolute
    assert InverseSqrt(4, steps=9, cooldown=3).pure_factor
    assert not WarmupStableDecay(9, warmup=1, cooldown=1, peak=Absolute(0.1)).absolute
    assert WarmupStableDecay(9, warmup=1, cooldown=1, peak=Absolute(0.1), end=Absolute(0.0)).absolute


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (
            WarmupStableDecay,
            {"steps": 9, "warmup": 5, "cooldown": 5},
            "WarmupStableDecay.steps: 9 has no room for 5 steps of warm-up and 5 of cool-down.",
        ),
        (
            WarmupStableDecay,
            {"steps": 900, "warmup": "50%", "cooldown": "50%"},
            "WarmupStableDecay.steps: 900 has no room for 500 steps of warm-up and 500 of cool-down.",
        ),
        (
            InverseSqrt,
            {"timescale": 4, "steps": 9, "cooldown": 10},
            "InverseSqrt.steps: 9 has no room for 10 steps of cool-down.\nShorten it, or give more steps.",
        ),
        (InverseSqrt, {"timescale": 0}, "InverseSqrt.timescale: 0 is no time at all.\nGive 1 step or more."),
        (InverseSqrt, {"timescale": "0.01%"}, "InverseSqrt.timescale: 0 is no time at all."),
        (InverseSqrt, {"timescale": -1}, "InverseSqrt.timescale: -1 is not a duration"),
        (OneCycle, {"steps": -1}, "OneCycle.steps: -1 is not a duration"),
    ],
    ids=str,
)
def test_phases_that_do_not_fit_are_explained(kind, arguments, message):
    """When they are given, or at the horizon where it decides."""
    with pytest.raises(DurationError) as caught:
        kind(**arguments).resolve(HORIZON)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (
            InverseSqrt,
            {"timescale": 4, "cooldown": 3},
            "steps = None in InverseSqrt cannot be used.\nIt must be given, for the cool-down has to end somewhere.",
        ),
        (InverseSqrt, {"timescale": 4, "start": "1"}, "start = '1' in InverseSqrt"),
        (OneCycle, {"steps": 9, "pct_start": 1.5}, "pct_start = 1.5 in OneCycle cannot be used.\nIt must be a share"),
        (OneCycle, {"steps": 9, "pct_start": 0.6, "three_phase": True}, "It must be a share in [0, 0.5]."),
        (OneCycle, {"steps": 9, "three_phase": 1}, "three_phase = 1 in OneCycle cannot be used.\nIt must be True"),
        (OneCycle, {"steps": 9, "curve": "cos"}, "curve = 'cos' in OneCycle cannot be used.\nIt must be 'linear', "),
        (OneCycle, {"steps": 9, "peak": None}, "peak = None in OneCycle"),
        (WarmupStableDecay, {"steps": 9, "warmup": 1, "cooldown": 1, "curve": "sqrt"}, "curve = 'sqrt' in Warmup"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_explained(kind, arguments, message):
    """Each field names itself."""
    with pytest.raises(ScheduleArgumentError) as caught:
        kind(**arguments)
    assert message in str(caught.value)
