"""The step that every optimizer of ours shares."""

import pytest
import torch
from torch import nn

from paramgroups import optim
from paramgroups.optim.updates import Updating, unhooked


class Counting(Updating):
    """One that counts its updates, and whether gradients were enabled."""

    def __init__(self, params):
        super().__init__(params, {})
        self.updates = []

    def _update(self):
        self.updates.append(torch.is_grad_enabled())


def test_a_closure_is_evaluated_once_with_gradients_enabled():
    """Then comes the update, and what the closure returned is returned."""
    optimizer = Counting([torch.zeros(1)])
    seen = []

    def closure():
        seen.append(torch.is_grad_enabled())
        return "the loss"

    with torch.no_grad():
        assert optimizer.step(closure) == "the loss"
    assert seen == [True]
    assert optimizer.updates == [False]
    assert optimizer.step() is None
    assert len(optimizer.updates) == 2


def test_a_class_without_an_update_says_so():
    """And what to do."""

    class Unfinished(Updating):
        pass

    with pytest.raises(TypeError, match=r"Unfinished has no update.*\n.*a class that has one"):
        Unfinished([torch.zeros(1)], {}).step()


def test_an_unhooked_step_runs_no_hook():
    """Torch wraps the step of a class once it was instantiated; what is beneath is the class's own."""
    weight = nn.Parameter(torch.zeros(1))
    weight.grad = torch.ones(1)
    optimizer = torch.optim.SGD([weight], lr=0.5)
    seen = []
    optimizer.register_step_post_hook(lambda *_: seen.append("hooked"))
    unhooked(type(optimizer).step)(optimizer)
    assert (weight.item(), seen) == (-0.5, [])
    optimizer.step()
    assert (weight.item(), seen) == (-1.0, ["hooked"])


@pytest.mark.parametrize("kind", [optim.AdamW, optim.Lion, optim.Muon])
def test_ours_share_it(kind):
    """Their step is this one, and hooks go around it once."""
    weight = nn.Parameter(torch.zeros(2, 2))
    weight.grad = torch.ones(2, 2)
    optimizer = kind([weight])
    assert unhooked(type(optimizer).step) is unhooked(Updating.step)
    seen = []
    optimizer.register_step_post_hook(lambda *_: seen.append("hooked"))
    optimizer.step()
    assert seen == ["hooked"]
