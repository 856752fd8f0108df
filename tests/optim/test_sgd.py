"""SGD against torch's."""

import pytest
import torch

from optims import LIKE_ONE_BY_ONE, SHAPES, assert_equal, assert_steps_are_rounded_once, served, trained
from paramgroups import optim

CASES = {
    "plain": {},
    "decayed": {"weight_decay": 0.1},
    "momentum": {"momentum": 0.9, "weight_decay": 0.1},
    "dampened, uphill": {"momentum": 0.9, "dampening": 0.5, "maximize": True},
    "Nesterov's": {"momentum": 0.9, "nesterov": True},
}


def edit(group, step):
    """Other numbers in each step, as a scheduler writes them."""
    group["lr"] = 0.1 / (1 + step)
    group["momentum"] *= 0.99


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_it_is_torchs(dtype, options):
    """Fifty steps under changing hyperparameters give torch's parameters and torch's state."""
    tolerance = {"rtol": 1e-12, "atol": 1e-15} if dtype is torch.float64 else {}
    made = trained(optim.SGD, options, dtype, edit=edit)
    assert served(made[1]) == len(SHAPES)
    assert_equal(made, trained(torch.optim.SGD, options | LIKE_ONE_BY_ONE, dtype, edit=edit), **tolerance)


def test_in_bfloat16_it_is_float32_rounded_once_a_step():
    """Narrow numbers are computed in float32, and rounded where they are put back."""
    assert_steps_are_rounded_once(optim.SGD, torch.optim.SGD, CASES["Nesterov's"])


def test_momentum_may_begin_and_end():
    """A momentum of 0 keeps no average; one that begins later begins with the gradient, as in torch."""

    def begin(group, step):
        group["momentum"] = 0.9 if 5 <= step < 10 else 0

    made = trained(optim.SGD, {"dampening": 0.5}, torch.float64, steps=15, edit=begin)
    assert served(made[1]) == len(SHAPES)
    theirs = trained(torch.optim.SGD, {"dampening": 0.5} | LIKE_ONE_BY_ONE, torch.float64, steps=15, edit=begin)
    assert_equal(made, theirs, rtol=1e-12, atol=1e-15)
