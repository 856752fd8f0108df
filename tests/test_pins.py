"""Pinned norms: they evaluate, whoever sets their mode, under copies, pickles and compilation, until unpinned."""

import copy
import functools
import io
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from paramgroups.pins import has_statistics, is_pinned, pin, unpin

NORMS = [nn.BatchNorm1d(3), nn.SyncBatchNorm(3), nn.InstanceNorm1d(3, track_running_stats=True)]


def moved(norm: nn.Module) -> bool:
    """Whether a batch changes what the norm keeps."""
    before = copy.deepcopy(norm.state_dict())
    norm(torch.randn(4, 3, 5))
    return any(not torch.equal(value, before[key]) for key, value in norm.state_dict().items())


def norm() -> nn.BatchNorm1d:
    """One in training mode."""
    return nn.BatchNorm1d(3)


def test_only_what_keeps_statistics_has_some():
    """Norms that keep nothing, and layers that are none, are told apart."""
    assert all(has_statistics(each) for each in NORMS)
    without = [nn.BatchNorm1d(3, track_running_stats=False), nn.InstanceNorm1d(3), nn.LayerNorm(3), nn.Linear(3, 3)]
    assert not any(has_statistics(each) for each in without)


@pytest.mark.parametrize("each", [nn.BatchNorm1d(3), nn.InstanceNorm1d(3, track_running_stats=True)], ids=repr)
def test_a_pinned_norm_stays_as_it_is_whatever_sets_its_mode(each):
    """By the model's train(), by its own, and by hand; and it normalises by its statistics."""
    assert moved(each)
    pin(each)
    model = nn.Sequential(each)
    for set_mode in (model.train, each.train, lambda: setattr(each, "training", True)):
        set_mode()
        assert not each.training
        assert not moved(each)
    assert torch.equal(each(torch.ones(4, 3, 5)), copy.deepcopy(each).eval()(torch.ones(4, 3, 5)))


@pytest.mark.parametrize("mode", [True, False])
def test_unpinned_it_has_the_mode_that_it_was_last_set_to(mode):
    """And its own class, so that what asks for exactly that finds it."""
    each = norm()
    pin(each)
    each.train(mode)
    unpin(each)
    assert (each.training, type(each), vars(each).keys()) == (mode, nn.BatchNorm1d, vars(norm()).keys())
    assert moved(each) is mode


def test_pinning_twice_is_pinning_once():
    """One unpin undoes both; and to unpin what is not pinned does nothing."""
    each = norm()
    pin(each)
    pin(each)
    unpin(each)
    assert (each.training, is_pinned(each), type(each)) == (True, False, nn.BatchNorm1d)
    unpin(each)
    assert each.training


def test_a_pinned_norm_looks_like_the_one_it_is():
    """It prints the same, is an instance of its class, and its state has no other keys."""
    each = norm()
    pin(each)
    assert (repr(each), isinstance(each, nn.BatchNorm1d)) == (repr(norm()), True)
    assert each.state_dict().keys() == norm().state_dict().keys()


def saved(module: nn.Module) -> nn.Module:
    """A module that torch has saved whole."""
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    found: nn.Module = torch.load(file, weights_only=False)
    return found


def pickled(module: nn.Module, protocol: int) -> nn.Module:
    """A module that was pickled and read back."""
    found: nn.Module = pickle.loads(pickle.dumps(module, protocol))
    return found


COPIES = [copy.deepcopy, copy.copy, saved, *(functools.partial(pickled, protocol=protocol) for protocol in (0, 2, 5))]


@pytest.mark.parametrize("copied", COPIES)
def test_copies_and_pickles_are_pinned_too(copied):
    """And can be unpinned by themselves, with the mode that was set before."""
    each = norm()
    pin(each)
    other = copied(each)
    assert is_pinned(other)
    assert not other.train().training
    unpin(other)
    assert (other.training, type(other)) == (True, nn.BatchNorm1d)
    assert is_pinned(each)


def test_a_class_derived_since_is_left_and_only_the_mode_is_free_again():
    """FSDP2 derives a class of its own from that of a module that it wraps."""
    each = norm()
    pin(each)
    derived = type("Wrapped", (type(each),), {})
    each.__class__ = derived
    unpin(each)
    assert (type(each), each.training, is_pinned(each)) == (derived, True, False)
    pin(each)
    assert not each.training
    unpin(each)
    assert (type(each), each.training) == (derived, True)


@pytest.mark.parametrize("compile_first", [True, False])
def test_compiled_it_stays_pinned_and_is_free_when_unpinned(compile_first):
    """Whether it was compiled before or after; in one graph, and with the model's mode set again."""
    torch._dynamo.reset()
    model: Any = nn.Sequential(nn.Linear(3, 3), norm())
    compiled: Any = torch.compile(model, backend="eager", fullgraph=True)
    batch = torch.randn(4, 3)
    if compile_first:
        compiled(batch)
    pin(model[1])
    before = model[1].running_mean.clone()
    for _ in range(2):
        compiled.train()
        compiled(batch)
    assert torch.equal(model[1].running_mean, before)
    unpin(model[1])
    compiled(batch)
    assert not torch.equal(model[1].running_mean, before)
