"""Adam and AdamW against torch's."""

import pytest
import torch

from optims import LIKE_ONE_BY_ONE, SHAPES, assert_equal, served, trained
from paramgroups import optim

CASES = {
    "plain": {},
    "decayed": {"weight_decay": 0.1, "lr": 0.01},
    "amsgrad": {"amsgrad": True, "betas": (0.5, 0.9)},
    "uphill": {"maximize": True, "eps": 1e-3, "weight_decay": 0.1},
}
CLASSES = [(optim.Adam, torch.optim.Adam), (optim.AdamW, torch.optim.AdamW)]


def edit(group, step):
    """Other numbers in each step, as a scheduler writes them, and one new tuple."""
    group["lr"] = 0.01 / (1 + step)
    group["weight_decay"] = 0.02 * (step % 3)
    if step == 20:
        group["betas"] = (0.8, group["betas"][1])


@pytest.mark.parametrize(("ours", "theirs"), CLASSES, ids=["Adam", "AdamW"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_it_is_torchs(ours, theirs, dtype, options):
    """Fifty steps under changing hyperparameters give torch's parameters and torch's state."""
    tolerance = {"rtol": 1e-12, "atol": 1e-15} if dtype is torch.float64 else {}
    made = trained(ours, options, dtype, edit=edit)
    assert served(made[1]) == len(SHAPES)
    assert_equal(made, trained(theirs, options | LIKE_ONE_BY_ONE, dtype, edit=edit), **tolerance)


@pytest.mark.parametrize("options", [CASES["decayed"], CASES["amsgrad"]], ids=["decayed", "amsgrad"])
def test_in_bfloat16_it_is_torchs_fused(options):
    """Narrow numbers are computed in float32 and rounded once a step, as torch's fused optimizer does."""
    made = trained(optim.AdamW, options, torch.bfloat16, edit=edit)
    assert served(made[1]) == len(SHAPES)
    assert_equal(made, trained(torch.optim.AdamW, options | {"fused": True}, torch.bfloat16, edit=edit))


def test_a_group_may_turn_to_decoupled_decay():
    """`decoupled_weight_decay` is the group's own, as in torch's Adam."""

    def turn(group, step):
        group["decoupled_weight_decay"] = step >= 5

    options = {"weight_decay": 0.3, "lr": 0.1}
    made = trained(optim.Adam, options, torch.float64, steps=10, edit=turn)
    theirs = trained(torch.optim.Adam, options | LIKE_ONE_BY_ONE, torch.float64, steps=10, edit=turn)
    assert_equal(made, theirs, rtol=1e-12, atol=1e-15)
