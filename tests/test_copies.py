"""Copies of an optimizer without what drives it."""

import copy
import json
import pickle

import pytest
import torch
from torch.optim.optimizer import _global_optimizer_pre_hooks

import paramgroups as pg
from paramgroups.errors import ClockError


def pickled(whole):
    """Through a pickle and back."""
    return pickle.loads(pickle.dumps(whole))


def twice(whole):
    """A copy of a copy."""
    return pickled(copy.deepcopy(whole))


copies = pytest.mark.parametrize("copied", [copy.deepcopy, pickled, twice])


def made():
    """An optimizer and its scheduler, two updates on."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))], lr=1.0)
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10))
    for _ in range(2):
        step(optimizer)
    return optimizer, scheduler


def step(optimizer):
    """One update."""
    optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
    optimizer.step()


@copies
def test_a_copy_without_its_scheduler_is_found_out_at_its_first_step(copied):
    """Torch copies no hooks, so its lr would stand still for ever; the step changes nothing."""
    optimizer, scheduler = made()
    alone = copied(optimizer)
    for _ in range(2):
        with pytest.raises(ClockError, match=r"unpickled without its Scheduler(.|\n)*copy.deepcopy\(\(optimizer, sch"):
            step(alone)
    assert torch.equal(alone.param_groups[0]["params"][0], optimizer.param_groups[0]["params"][0])
    step(optimizer)
    assert scheduler.last_epoch == 3


@copies
def test_what_is_copied_together_goes_on(copied):
    """In whichever order."""
    optimizer, scheduler = made()
    for pair in (copied((optimizer, scheduler)), copied((scheduler, optimizer))[::-1]):
        step(pair[0])
        assert pair[1].last_epoch == 3
        assert pair[0].param_groups[0]["lr"] == scheduler.preview(4)["lr/group0"][3]


@copies
def test_a_copy_may_have_a_scheduler_of_its_own(copied):
    """With the other's state it goes on where that one stood."""
    optimizer, scheduler = made()
    alone = copied(optimizer)
    own = pg.Scheduler(alone, lr=pg.Linear(10))
    own.load_state_dict(scheduler.state_dict())
    step(alone)
    step(optimizer)
    assert (own.last_epoch, own.values()) == (3, scheduler.values())


@copies
def test_a_copy_may_be_left_as_it_is(copied):
    """By the line that the error names."""
    alone = copied(made()[0])
    alone.defaults = dict(alone.defaults)
    step(alone)
    assert alone.param_groups[0]["lr"] == 0.8


def test_where_nothing_drives_any_more_a_copy_is_free():
    """The last of two schedulers takes the mark away."""
    optimizer, scheduler = made()
    other = pg.Scheduler(optimizer, weight_decay=pg.Linear(10))
    scheduler.detach()
    with pytest.raises(ClockError, match="without its Scheduler"):
        step(copy.deepcopy(optimizer))
    other.detach()
    assert type(optimizer.defaults) is dict
    step(copy.deepcopy(optimizer))


def test_the_mark_disturbs_nobody():
    """It is in no state dict and no group, equals what it marks, and makes new groups and optimizers as before."""
    optimizer, scheduler = made()
    plain = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))], lr=1.0)
    assert optimizer.defaults == plain.defaults
    assert json.dumps(optimizer.defaults) == json.dumps(plain.defaults)
    assert optimizer.state_dict().keys() == plain.state_dict().keys()
    for each in (optimizer, plain):
        each.add_param_group({"params": [torch.nn.Parameter(torch.ones(3))]})
    scheduler.detach(restore=True)
    for ours, theirs in zip(optimizer.param_groups, plain.param_groups, strict=True):
        assert ours | {"params": None} == theirs | {"params": None}
    driven = torch.optim.SGD([torch.ones(1)], lr=1.0)
    pg.Scheduler(driven, lr=pg.Linear(10))
    again = torch.optim.SGD([torch.ones(1)], **driven.defaults)
    assert (type(again.defaults), again.defaults) == (dict, driven.defaults)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # the compiler's own use of torch.jit
def test_what_nobody_drives_is_compiled_as_before(monkeypatch):
    """The look at every step that a copy brings about is traced, and breaks nothing."""

    def frames():
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1)
        optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
        compiled = torch.compile(optimizer.step, backend="eager")
        for _ in range(3):
            compiled()
        return torch._dynamo.utils.counters["frames"]["total"]

    copy.deepcopy(made()[0])
    watched = frames()
    for hook in list(_global_optimizer_pre_hooks):
        monkeypatch.delitem(_global_optimizer_pre_hooks, hook)
    assert watched == frames()
