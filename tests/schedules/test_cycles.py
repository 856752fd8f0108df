"""Cycles up and down, and cosines that start again."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import strategies
from paramgroups.errors import DurationError, ScheduleArgumentError
from paramgroups.schedules import (
    Absolute,
    Constant,
    Cosine,
    CosineRestarts,
    Cyclic,
    Derived,
    Function,
    Horizon,
    Linear,
    Plateau,
)

SQRT_HALF = math.sqrt(0.5)


def harmonic(cycle):
    """A `scale_fn` of the cycle."""
    return 1 / (cycle + 1)


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (Cyclic(2, start=0.0), [0, 1, 2, 1, 0, 1, 2]),
        (Cyclic(1, 3, start=0.25), [0.5, 2, 1.5, 1, 0.5, 2]),
        (Cyclic(0, 2, start=0.0), [2, 1, 2, 1]),
        (Cyclic(2, 0, start=0.0), [0, 1, 0, 1]),
        (Cyclic(2, start=0.5, decay=0.5), [1, 1.5, 2, 1.5, 1, 1.25, 1.5, 1.25, 1]),
        (Cyclic(1, start=0.0, gamma=0.5), [0, 1, 0, 0.25, 0]),
        (Cyclic(1, start=0.0, scale=Linear(2)), [0, 2, 0, 1, 0, 0, 0]),
        (Cyclic(1, start=0.0, scale=Function(harmonic)), [0, 2, 0, 1, 0, 2 / 3]),
        (Cyclic(1, start=0.25, cycles=2), [0.5, 2, 0.5, 2, 0.5, 0.5, 0.5]),
        (Cyclic(2, 0, start=0.25, cycles=1), [0.5, 1.25, 0.5, 0.5]),
        (Cyclic(0, 2, start=0.25, cycles=1), [2, 1.25, 0.5, 0.5]),
        (Cyclic(1, start=Absolute(0.9), peak=Absolute(0.8)), [0.9, 0.8, 0.9, 0.8]),
        (CosineRestarts(2), [2, 1, 2, 1, 2]),
        (CosineRestarts(2, growth=2), [2, 1, 2, 1 + SQRT_HALF, 1, 1 - SQRT_HALF, 2]),
        (CosineRestarts(2, decay=0.5, end=0.25), [2, 1.25, 1, 0.75, 0.5, 0.5]),
        (CosineRestarts(2, cycles=2, end=0.25), [2, 1.25, 2, 1.25, 0.5, 0.5]),
        (CosineRestarts(1, growth=2, cycles=2, end=0.25), [2, 2, 1.25, 0.5, 0.5]),
        (CosineRestarts(4, k_decay=2, cycles=1), [2, 1 + math.cos(math.pi / 16), 1 + SQRT_HALF]),
        (CosineRestarts(2, start=Absolute(4.0), end=1.0), [4, 3, 4]),
    ],
    ids=repr,
)
def test_a_curve_has_the_values_of_its_formula(schedule, values):
    """At base 2, against numbers worked out by hand."""
    assert schedule.values(len(values), base=2.0).tolist() == pytest.approx(values, rel=1e-15, abs=1e-15)


ups = st.integers(1, 9)


@given(ups, ups, strategies.levels, st.integers(1, 4), strategies.times)
def test_plain_cycles_are_two_lines_repeated(up, down, start, cycles, times):
    """And after the last, the start."""
    base, peak = 0.5, 1.5
    cyclic = Cyclic(up, down, start=start, peak=peak, cycles=cycles)
    chain = Linear(up, start=start, end=peak).then(Linear(down, start=peak, end=start)).repeat(cycles)
    assert cyclic.length == chain.length
    assert cyclic.values(times, base) == pytest.approx(chain.values(times, base), rel=1e-12, abs=1e-14)
    assert cyclic(cycles * (up + down), base) == Constant(start)(0, base)
    assert cyclic(up, base) == Constant(peak)(0, base)


@given(ups, strategies.levels, strategies.levels, st.integers(1, 4), strategies.times)
def test_plain_restarts_are_a_cosine_repeated(period, start, end, cycles, times):
    """And after the last, the end."""
    base = 0.5
    restarts = CosineRestarts(period, cycles=cycles, start=start, end=end)
    chain = Cosine(period, start=start, end=end).repeat(cycles)
    assert restarts.length == chain.length
    assert restarts.values(times, base) == pytest.approx(chain.values(times, base), rel=1e-12, abs=1e-14)
    assert restarts(cycles * period, base) == Constant(end)(0, base)


@given(ups, st.sampled_from([1.0, 1.5, 2.0, 3.0]), st.integers(1, 6), st.floats(0.1, 1.0), st.floats(0.5, 2.0))
def test_restarts_are_cosines_of_growing_length_one_after_the_other(period, growth, cycles, decay, k_decay):
    """A cycle is found without logarithms; each starts with its own height, exactly, and the last comes to its end."""
    restarts = CosineRestarts(period, growth=growth, decay=decay, k_decay=k_decay, cycles=cycles)
    spans = [period * growth**cycle for cycle in range(cycles)]
    starts = list(itertools.accumulate(spans, initial=0.0))
    assert restarts.length == math.ceil(starts[-1])
    heights = np.power(decay, np.arange(cycles, dtype=np.float64))
    assert restarts.values(starts, 1.0).tolist() == [*heights.tolist(), 0.0]
    for cycle, (start, span) in enumerate(zip(starts, spans, strict=False)):
        height = (1 + math.cos(math.pi * 0.25**k_decay)) / 2 * decay**cycle
        assert restarts(start + span / 4, 1.0) == pytest.approx(height, rel=1e-12)


@pytest.mark.parametrize("growth", [1, 2, 3])
def test_restarts_are_torch_s(growth):
    """`CosineAnnealingWarmRestarts` over its first thousand steps, lr and floor in its own unit."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    peer = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=7, T_mult=growth, eta_min=0.01)
    schedule = CosineRestarts(7, growth=growth, end=Absolute(0.01))
    for step in range(1000):
        assert schedule(step, base=0.5) == pytest.approx(peer.get_last_lr()[0], rel=1e-12)
        optimizer.step()
        peer.step()


CYCLIC = {
    "triangular": ({"mode": "triangular"}, {}),
    "triangular2": ({"mode": "triangular2"}, {"decay": 0.5}),
    "exp_range": ({"mode": "exp_range", "gamma": 0.97}, {"gamma": 0.97}),
    "custom": ({"scale_fn": lambda cycle: 1 / cycle}, {"scale": Function(harmonic)}),
}


@pytest.mark.parametrize(("theirs", "ours"), CYCLIC.values(), ids=CYCLIC)
@pytest.mark.parametrize("down", [None, 5])
def test_cycles_are_torch_s(theirs, ours, down):
    """Every mode of `CyclicLR`, of lr and of momentum; its cycles count from 1, and ours from 0."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    peer = torch.optim.lr_scheduler.CyclicLR(optimizer, 0.1, 0.5, step_size_up=8, step_size_down=down, **theirs)
    lr = Cyclic(8, down, start=Absolute(0.1), peak=Absolute(0.5), **ours)
    momentum = Cyclic(8, down, start=Absolute(0.9), peak=Absolute(0.8), **ours)
    for step in range(100):
        (group,) = optimizer.param_groups
        assert lr(step) == pytest.approx(group["lr"], rel=1e-12)
        assert momentum(step) == pytest.approx(group["momentum"], rel=1e-12)
        optimizer.step()
        peer.step()


def test_a_scale_of_the_step_is_a_product():
    """What torch calls `scale_mode="iterations"`: the amplitude alone is scaled."""
    of_the_step = Linear(8)
    scaled = Derived(Cyclic(2, start=0.0) * of_the_step, at_zero=0.1)
    expected = [0.1 + 0.9 * height * (1 - step / 8) for step, height in enumerate([0, 0.5, 1, 0.5, 0, 0.5, 1, 0.5, 0])]
    assert scaled.values(9, 1.0).tolist() == pytest.approx(expected)


def test_lengths_are_durations():
    """Of the run, whole once resolved, and not the rest of anything."""
    horizon = Horizon(steps=1000)
    assert Cyclic("1%", "2%", start=0.1).resolve(horizon) == Cyclic(10, 20, start=0.1)
    assert CosineRestarts("10%", cycles=3).resolve(horizon).length == 300
    assert Cyclic(2, start=0.0).length is None
    assert CosineRestarts("10%").length is None
    assert Cyclic(2, 3, start=0.0, cycles=4).length == 20
    assert CosineRestarts(10, growth=1.5, cycles=2).length == 25
    assert CosineRestarts(1, growth=1.5, cycles=2).length == 3  # the first whole step after 2.5


def test_a_scale_that_calls_out_is_not_computed_ahead():
    """A function of the cycle has the rules of `Function`."""
    assert not Cyclic(2, start=0.0, scale=Function(harmonic)).closed_form
    assert Cyclic(2, start=0.0, scale=Linear(2)).closed_form
    assert Cyclic(2, start=Absolute(0.1), peak=Absolute(1.0), scale=Linear(2)).absolute


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (Cyclic, {"up": 0, "start": 0.1}, "Cyclic.up: 0 is no time at all.\nGive 1 step or more, up or down."),
        (Cyclic, {"up": "1%", "start": 0.1}, "Cyclic.up: 0 is no time at all."),
        (Cyclic, {"up": "rest", "start": 0.1}, "Cyclic.up: 'rest' has no meaning here"),
        (Cyclic, {"up": 1, "down": "rest", "start": 0.1}, "Cyclic.down: 'rest' has no meaning here"),
        (CosineRestarts, {"period": 0}, "CosineRestarts.period: 0 is no time at all.\nGive 1 step or more."),
        (CosineRestarts, {"period": "rest"}, "CosineRestarts.period: 'rest' has no meaning here"),
        (CosineRestarts, {"period": 2.5}, "CosineRestarts.period: 2.5 is not a duration"),
    ],
    ids=str,
)
def test_a_cycle_takes_time(kind, arguments, message):
    """When it is given, or at the horizon where it decides."""
    with pytest.raises(DurationError) as caught:
        kind(**arguments).resolve(Horizon(steps=10))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "allowed"),
    [
        ({"growth": 0.5}, "a finite number >= 1"),
        ({"k_decay": 0}, "a finite number > 0"),
        ({"decay": 1.5}, "a number in (0, 1]"),
        ({"cycles": 0}, "a whole number > 0, or None for ever"),
        ({"cycles": 99, "growth": 2}, "so few that the last is not over 2**50 times as long as the first"),
        ({"start": "1"}, "a finite number, a factor of the base, or Absolute(number)"),
    ],
    ids=str,
)
def test_what_restarts_cannot_use_is_explained(wrong, allowed):
    """Each field names itself."""
    name, value = next(iter(wrong.items()))
    with pytest.raises(ScheduleArgumentError) as caught:
        CosineRestarts(2, **wrong)
    assert str(caught.value) == f"{name} = {value!r} in CosineRestarts cannot be used.\nIt must be {allowed}."


@pytest.mark.parametrize(
    ("wrong", "allowed"),
    [
        ({"gamma": 0.0}, "a number in (0, 1]"),
        ({"decay": 0.0}, "a number in (0, 1]"),
        ({"cycles": 1.5}, "a whole number > 0, or None for ever"),
        ({"peak": "1"}, "a finite number, a factor of the base, or Absolute(number)"),
        ({"scale": harmonic}, "a schedule; a fixed level is Constant(level)"),
        ({"scale": Constant(Absolute(1.0))}, "a schedule of plain factors and whole durations"),
        ({"scale": Linear("5%")}, "a schedule of plain factors and whole durations"),
        ({"scale": Plateau()}, "a schedule of plain factors and whole durations"),
    ],
    ids=str,
)
def test_what_cycles_cannot_use_is_explained(wrong, allowed):
    """Each field names itself."""
    name, value = next(iter(wrong.items()))
    with pytest.raises(ScheduleArgumentError) as caught:
        Cyclic(2, start=0.1, **wrong)
    assert str(caught.value) == f"{name} = {value!r} in Cyclic cannot be used.\nIt must be {allowed}."
