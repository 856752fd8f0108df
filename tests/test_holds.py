"""Holds: reasons that add up, kept with the modules, and what each of them lets go again."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from paramgroups.holds import Hold, hold, holds_of, release, release_all, settle, told
from paramgroups.params import named
from paramgroups.pins import is_pinned

ONE, OTHER = Hold("one"), Hold("another")


def trains(net: nn.Module) -> list[str]:
    """The names of what requires gradients."""
    return [name for name, parameter in net.named_parameters() if parameter.requires_grad]


def test_a_parameter_trains_again_when_its_last_hold_is_gone():
    """Reasons add up, each counts once, and they are released in any order."""
    net = nn.Linear(2, 2)
    params = named(net)
    assert hold(params, ONE) == list(params)
    assert hold(params[:1], OTHER) == [params[0]]
    assert hold(params, ONE) == []
    assert [holds_of(each) for each in params] == [(ONE, OTHER), (ONE,)]
    release(params, ONE)
    assert trains(net) == ["bias"]
    release(params, ONE)
    assert trains(net) == ["bias"]
    release(params, OTHER)
    assert trains(net) == ["weight", "bias"]
    assert vars(net).keys() == vars(nn.Linear(2, 2)).keys()


def test_released_a_parameter_is_as_it_was_before_the_first_hold():
    """What did not train, does not; only to release all makes it."""
    net = nn.Linear(2, 2)
    net.bias.requires_grad_(False)
    params = named(net)
    hold(params, ONE)
    hold(params, OTHER)
    release(params, OTHER)
    release(params, ONE)
    assert trains(net) == ["weight"]
    hold(params, ONE)
    release_all(params)
    assert trains(net) == ["weight", "bias"]
    release(params, ONE)
    assert trains(net) == ["weight", "bias"]


def test_a_hold_clears_gradients_and_a_backward_pass_under_way_gives_none():
    """The graph was made before, and asks when it gets there."""
    net = nn.Linear(2, 2)
    net(torch.ones(1, 2)).sum().backward()
    loss = net(torch.ones(1, 2)).sum()
    hold(named(net)[:1], ONE)
    assert net.weight.grad is None
    loss.backward()
    assert (net.weight.grad, net.bias.grad is None) == (None, False)


def test_what_is_no_number_with_gradients_is_never_made_to_require_them():
    """Quantised weights are parameters, too."""
    net = nn.Linear(2, 2)
    net.counts = nn.Parameter(torch.ones(2, dtype=torch.int64), requires_grad=False)
    release_all(named(net))
    assert trains(net) == ["weight", "bias"]


def test_to_release_what_trains_leaves_its_gradient():
    """A pass may be under way whose gradients are being gathered."""
    net = nn.Linear(2, 2)
    hold(named(net)[:1], ONE)
    net(torch.ones(1, 2)).sum().backward()
    release_all(named(net))
    assert (net.weight.grad is None, net.bias.grad is None) == (True, False)
    assert trains(net) == ["weight", "bias"]


def test_a_parameter_made_to_require_gradients_by_hand_is_not_held():
    """What torch says is what holds; and a later hold begins anew."""
    net = nn.Linear(2, 2)
    params = named(net)
    hold(params, ONE)
    net.requires_grad_(True)
    assert [holds_of(each) for each in params] == [(), ()]
    hold(params, OTHER)
    assert [holds_of(each) for each in params] == [(OTHER,), (OTHER,)]
    release(params, OTHER)
    assert trains(net) == ["weight", "bias"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_and_pickles_are_held_for_the_same_reasons(copied):
    """And can be released by themselves."""
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    hold(named(net), ONE)
    settle(net)
    other = copied(net)
    assert [holds_of(each) for each in named(other)] == [(ONE,)] * 4
    release(named(other), ONE)
    settle(other)
    assert (trains(other), trains(net)) == (["0.weight", "0.bias", "1.weight", "1.bias"], [])
    assert (is_pinned(other[1]), is_pinned(net[1])) == (False, True)


def test_a_tied_parameter_is_held_at_every_place():
    """It is one parameter."""
    layer = nn.Linear(2, 2)
    net = nn.ModuleDict({"a": layer, "b": nn.ModuleDict({"c": layer})})
    hold(named(net)[:1], ONE)
    assert trains(net) == ["a.bias"]


def test_a_norm_is_pinned_when_all_its_parameters_are_held_and_free_when_one_is_not():
    """And when one reason says that its statistics may go on, the others decide."""
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    _, _, weight, bias = named(net)
    for held, pinned in (([weight], False), ([bias], True)):
        hold(held, ONE)
        settle(net)
        assert is_pinned(net[1]) is pinned
    release([weight], ONE)
    settle(net)
    assert not is_pinned(net[1])
    free = Hold("without", batch_norm=False)
    hold([weight], free)
    settle(net)
    assert not is_pinned(net[1])
    hold([weight], OTHER)
    settle(net)
    assert is_pinned(net[1])


def test_a_norm_without_parameters_goes_with_the_module_around_it():
    """The nearest that has some; in a model that has none there, it is left alone."""
    body: Any = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2, affine=False)))
    net = nn.ModuleDict({"body": body, "head": nn.Linear(2, 2)})
    hold(named(net["body"]), ONE)
    settle(net)
    assert is_pinned(body[1][0])
    release(named(net["body"])[:1], ONE)
    settle(net)
    assert not is_pinned(body[1][0])


def test_what_is_frozen_is_told_group_by_group():
    """A line for each reason, with how many tensors of the group."""
    params = named(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))
    hold(params[:3], ONE)
    hold(params[:1], OTHER)
    assert told([("body", params[:2]), ("head", params[2:]), ("tail", ())]) == (
        "body: 2 of 2 tensors frozen by one",
        "body: 1 of 2 tensors frozen by another",
        "head: 1 of 2 tensors frozen by one",
    )
