"""Gradients thrown away: 0 when others look at them, gone at the step, and there again afterwards."""

import copy
import gc
import pickle
import weakref
from typing import Any

import torch
from torch import nn

from paramgroups.discarding import discard, is_discarded, keep


def backward(net: nn.Linear) -> None:
    """Gradients for both parameters."""
    net(torch.ones(2, 2)).sum().backward()


def test_gradients_are_0_until_the_step_and_move_nothing():
    """What sums them up over processes, or clips them, sees zeros; weight decay and momentum see none."""
    net: Any = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    backward(net)
    optimizer.step()
    optimizer.zero_grad()
    discard([net.weight], optimizer)
    before = net.weight.clone()
    for _ in range(2):
        backward(net)
        backward(net)
        assert torch.equal(net.weight.grad, torch.zeros(2, 2))
        assert float(torch.nn.utils.clip_grad_norm_(net.parameters(), 1e9)) == float(net.bias.grad.norm())
        optimizer.step()
        assert net.weight.grad is None
        optimizer.zero_grad()
    assert torch.equal(net.weight, before)
    keep(net.weight)
    backward(net)
    assert torch.equal(net.weight.grad, torch.full((2, 2), 2.0))
    optimizer.step()
    assert not torch.equal(net.weight, before)


def test_discarding_twice_is_discarding_once():
    """One `keep` is enough; and to keep what is not discarded does nothing."""
    net: Any = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    discard([net.weight], optimizer)
    discard([net.weight], optimizer)
    keep(net.weight)
    keep(net.bias)
    assert (is_discarded(net.weight), len(net.weight._backward_hooks)) == (False, 0)
    assert len(optimizer._optimizer_step_pre_hooks) == 1


def test_a_parameter_is_pickled_and_copied_without_its_hook():
    """In silence: the copy has gradients."""
    net: Any = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    discard([net.weight], optimizer)
    other: Any
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        backward(other)
        assert other.weight.grad.any()
    keep(net.weight)


def test_nothing_keeps_a_parameter_alive_whose_gradients_were_discarded():
    """It goes with its model and its optimizer."""
    net: Any = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    discard([net.weight], optimizer)
    gone = weakref.ref(net.weight), weakref.ref(optimizer)
    del net, optimizer
    gc.collect()
    assert [each() for each in gone] == [None, None]
