"""Noise that is a pure function of the step."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules import Cosine, Noise
from paramgroups.schedules.noise import _GOLDEN, _mixed

MANY = 200_000


def below(deviations):
    """The share of a normal distribution below so many standard deviations."""
    return (1 + math.erf(deviations / math.sqrt(2))) / 2


def test_the_bits_are_those_of_splitmix64():
    """The published generator's first three outputs of the seed 0."""
    counts = np.arange(1, 4, dtype=np.uint64)
    assert [f"{bits:016x}" for bits in _mixed(counts * _GOLDEN).tolist()] == [
        "e220a8397b1dcdaf",
        "6e789e6aa1b965f4",
        "06c45d188009454f",
    ]


@given(st.integers(0, 2**64 - 1), st.integers(0, 10**9))
def test_a_value_does_not_depend_on_what_was_asked_before(seed, step):
    """One step, in any order, among any others, in any copy: the same bits, the same within a step."""
    noise = Noise(0.5, seed=seed)
    steps = [step, 3, step + 0.5, 0, step]
    values = noise.values(steps, 1.0).tolist()
    assert values[0] == values[2] == values[4] == Noise(0.5, seed=seed)(step, 1.0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the global state, of which it must not know
    assert noise(step, 1.0) == values[0]


@given(st.floats(0.0, 1.0), st.none() | st.floats(1e-6, 100.0), st.integers(0, 99), strategies.times)
def test_noise_is_within_its_amplitude(amplitude, std, seed, times):
    """On both sides of 1, whatever the distribution."""
    values = Noise(amplitude, std=std, seed=seed).values(times, 1.0)
    assert (np.abs(values - 1.0) <= amplitude + 1e-15).all()


def test_uniform_noise_is_uniform():
    """Mean, variance, a histogram, and no relation of a step to the next or of a seed to another."""
    values = Noise(1.0, seed=7).values(MANY, 1.0) - 1.0
    assert abs(values.mean()) < 0.01
    assert values.var() == pytest.approx(1 / 3, rel=0.01)
    counts = np.histogram(values, bins=100, range=(-1, 1))[0]
    assert counts == pytest.approx(np.full(100, MANY / 100), rel=0.1)
    assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 0.01
    assert abs(np.corrcoef(values, Noise(1.0, seed=8).values(MANY, 1.0))[0, 1]) < 0.01


@pytest.mark.parametrize(("amplitude", "std"), [(1.0, 0.1), (0.2, 0.1), (0.67, 1.0)])
def test_normal_noise_is_normal_up_to_its_amplitude(amplitude, std):
    """The share of values below each bound is that of a normal distribution that is cut off at both sides."""
    values = Noise(amplitude, std=std, seed=3).values(MANY, 1.0) - 1.0
    least, most = below(-amplitude / std), below(amplitude / std)
    for bound in np.linspace(-amplitude, amplitude, 9)[1:-1]:
        expected = (below(bound / std) - least) / (most - least)
        assert (values < bound).mean() == pytest.approx(expected, abs=0.005)


def test_no_step_is_like_another():
    """A hundred thousand different numbers, and other ones for every seed."""
    values = Noise(1.0).values(100_000, 1.0)
    assert len(set(values.tolist())) == 100_000
    assert not np.isin(Noise(1.0, seed=1).values(1000, 1.0), values).any()


def test_noise_is_a_factor():
    """It multiplies any curve, and holds its last value where it ends."""
    noisy = Cosine(10) * Noise(0.1, steps=4)
    assert repr(noisy) == "Cosine(10) * Noise(0.1, steps=4)"
    assert noisy(2, 3.0) == pytest.approx(Cosine(10)(2, 3.0) * Noise(0.1)(2, 1.0), rel=1e-15)
    assert Noise(0.1).length is None
    assert Noise(0.1, steps=4)(1e300, 1.0) == Noise(0.1)(4, 1.0)
    assert Noise(0.1)(1e300, 1.0) == Noise(0.1)(2.0**53, 1.0)
    assert Noise(0.0).values(3, 1.0).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"amplitude": 1.5}, "amplitude = 1.5 in Noise cannot be used.\nIt must be a number in [0, 1]."),
        ({"amplitude": -0.1}, "amplitude = -0.1 in Noise"),
        ({"amplitude": 0.1, "std": 0.0}, "std = 0.0 in Noise cannot be used.\nIt must be a finite number > 0, or None"),
        (
            {"amplitude": 0.1, "seed": -1},
            "seed = -1 in Noise cannot be used.\nIt must be a whole number in [0, 2**64).",
        ),
        ({"amplitude": 0.1, "seed": 2**64}, "seed = 18446744073709551616 in Noise"),
        ({"amplitude": 0.1, "seed": None}, "seed = None in Noise"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_explained(arguments, message):
    """Each field names itself."""
    with pytest.raises(ScheduleArgumentError) as caught:
        Noise(**arguments)
    assert message in str(caught.value)
