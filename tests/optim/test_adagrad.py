"""Adagrad against torch's."""

import pytest
import torch

from optims import LIKE_ONE_BY_ONE, SHAPES, assert_equal, served, trained
from paramgroups import optim

CASES = {
    "plain": {},
    "all of it": {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "maximize": True},
}


def edit(group, step):
    """Other numbers in each step, as a scheduler writes them."""
    group["lr"] = 0.1 / (1 + step)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_it_is_torchs(dtype, options):
    """Fifty steps under changing hyperparameters give torch's parameters and torch's state."""
    tolerance = {"rtol": 1e-12, "atol": 1e-15} if dtype is torch.float64 else {}
    made = trained(optim.Adagrad, options, dtype, edit=edit)
    assert served(made[1]) == len(SHAPES)
    assert_equal(made, trained(torch.optim.Adagrad, options | LIKE_ONE_BY_ONE, dtype, edit=edit), **tolerance)


def test_in_bfloat16_it_is_torchs_fused():
    """Narrow numbers are computed in float32 and rounded once a step, as torch's fused optimizer does."""
    options = CASES["all of it"]
    made = trained(optim.Adagrad, options, torch.bfloat16, edit=edit)
    assert_equal(made, trained(torch.optim.Adagrad, options | {"fused": True}, torch.bfloat16, edit=edit))
