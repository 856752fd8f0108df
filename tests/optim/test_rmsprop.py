"""RMSprop against torch's."""

import pytest
import torch

from optims import LIKE_ONE_BY_ONE, SHAPES, assert_equal, assert_steps_are_rounded_once, served, trained
from paramgroups import optim

CASES = {
    "plain": {},
    "decayed, uphill": {"weight_decay": 0.1, "maximize": True},
    "momentum": {"momentum": 0.9},
    "centered": {"centered": True, "eps": 1e-3},
    "centered, with momentum": {"centered": True, "momentum": 0.5, "alpha": 0.9, "eps": 1e-3},
}


def edit(group, step):
    """Other numbers in each step, as a scheduler writes them."""
    group["lr"] = 0.1 / (1 + step)
    group["alpha"] = 0.99 - 0.001 * step


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_it_is_torchs(dtype, options):
    """Fifty steps under changing hyperparameters give torch's parameters and torch's state."""
    tolerance = {"rtol": 1e-12, "atol": 1e-15} if dtype is torch.float64 else {}
    made = trained(optim.RMSprop, options, dtype, edit=edit)
    assert served(made[1]) == len(SHAPES)
    assert_equal(made, trained(torch.optim.RMSprop, options | LIKE_ONE_BY_ONE, dtype, edit=edit), **tolerance)


def test_in_bfloat16_it_is_float32_rounded_once_a_step():
    """Narrow numbers are computed in float32, and rounded where they are put back."""
    assert_steps_are_rounded_once(optim.RMSprop, torch.optim.RMSprop, CASES["centered, with momentum"])
