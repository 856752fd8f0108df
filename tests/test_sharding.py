"""An optimizer whose parameters were replaced after it was made is refused before it steps."""

import pytest
import torch
from torch import nn

import paramgroups as pg
from paramgroups import sharding
from paramgroups.errors import ReplacedParametersError


def test_a_plan_built_before_sharding_is_refused_at_the_first_step(together):
    """`fully_shard` gave the model other parameters: the error names them, and the order in which it is done."""
    said = (
        "ReplacedParametersError: The model has other tensors by now for 8 of the optimizer's 8 parameters: "
        "'body.0.weight', 'body.2.weight', 'body.0.bias' and 5 more. A step would move nothing that the model uses.\n"
        "fully_shard puts new parameters in place of a model's: shard first, then plan.build(model, ...)."
    )
    assert together.of("sharded too late") == [said, said]


def made():
    """A model and an optimizer that is watched."""
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    optimizer = pg.Plan(lr=0.1).build(net, torch.optim.SGD)
    sharding.watch(optimizer)
    return net, optimizer


def test_what_was_replaced_is_named_and_nothing_moves():
    """At every step until it is put right."""
    net, optimizer = made()
    net[1].bias = nn.Parameter(torch.zeros(2))
    net[0].weight.grad = torch.ones(2, 2)
    before = net[0].weight.detach().clone()
    for _ in range(2):
        with pytest.raises(ReplacedParametersError) as caught:
            optimizer.step()
        assert (caught.value.names, caught.value.count) == (["1.bias"], 4)
    assert torch.equal(net[0].weight, before)


def test_own_parameters_are_accepted_once_and_for_all():
    """The model is looked at before the first step alone; tied and frozen parameters are no reason to refuse it."""
    net, optimizer = made()
    net[1].weight = net[0].weight
    optimizer.step()
    net[1].bias = nn.Parameter(torch.zeros(2))
    optimizer.step()


def test_an_optimizer_that_nobody_named_is_left_alone():
    """There is nothing to compare its parameters with."""
    sharding.check_parameters(torch.optim.SGD([torch.zeros(2)]))
