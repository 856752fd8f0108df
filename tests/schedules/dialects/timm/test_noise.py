"""timm's noise, held against torch's generator."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules import Cosine
from paramgroups.schedules.dialects.timm import Noise


def drawn_by_torch(seed, pct, std):
    """What timm does at a step."""
    generator = torch.Generator()
    generator.manual_seed(seed)
    while True:
        noise = torch.randn(1, generator=generator).item() * std
        if abs(noise) < pct:
            return 1.0 + noise


@given(st.integers(0, 2**40), st.integers(0, 10**6), st.floats(0.05, 2.0), st.floats(0.0, 4.0))
def test_the_numbers_are_torch_s(seed, step, pct, std):
    """To the bit, for any seed, however often torch has to draw."""
    noise = Noise(0, noise_pct=pct, noise_std=std, noise_seed=seed)
    assert noise(step, 1.0) == drawn_by_torch(seed + step, pct, std)


def test_there_is_noise_from_one_step_to_another():
    """The first counts, the last does not; outside, and within a step, nothing changes."""
    values = Noise(2, 4).values([0, 1, 1.9, 2, 2.5, 3, 3.9, 4, 99], 1.0)
    assert (values == 1.0).tolist() == [True, True, True, False, False, False, False, True, True]
    assert values[3] == values[4]
    assert Noise(0, noise_std=0.0).values(5, 1.0).tolist() == [1.0] * 5


def test_nobody_s_generator_is_touched():
    """Neither numpy's global one nor torch's."""
    np.random.seed(1)  # noqa: NPY002 - the global generator is what must not move
    torch.manual_seed(1)
    expected = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # type: ignore[index]  # noqa: NPY002 - as above
    (Cosine(30) * Noise(0)).values(30, 1.0)
    assert (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == expected  # type: ignore[index]  # noqa: NPY002 - as above


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": "1"}, "start = '1' in Noise"),
        ({"start": 1, "stop": float("nan")}, "stop = nan in Noise"),
        (
            {"start": 1, "noise_pct": 0},
            r"noise_pct = 0 in Noise .*\nIt must be a finite number > 0, or no noise is small",
        ),
        ({"start": 1, "noise_pct": 0.001, "noise_std": 2}, "noise_std = 2 in Noise"),
        ({"start": 1, "noise_seed": -1}, "noise_seed = -1 in Noise"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(arguments, message):
    """By the argument's own name."""
    with pytest.raises(ScheduleArgumentError, match=message):
        Noise(**arguments)
