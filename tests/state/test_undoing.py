"""What a load finds, put back where it fails half way."""

import copy
from typing import Any

import pytest
import torch
from torch import nn, optim

import paramgroups as pg
from paramgroups.errors import EditError
from paramgroups.state.undoing import all_or_nothing
from states import everything, model, plain, states, step, stepped


def test_without_an_error_everything_stays():
    """What was done is done."""
    net = model()
    optimizer = stepped(net)
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10), horizon=pg.Horizon(steps=10))
    with all_or_nothing(optimizer, scheduler, net, net.state_dict()):
        optimizer.state.clear()
        optimizer.param_groups[0]["weight_decay"] = 0.5
        scheduler.horizon = None
        net.get_parameter("head.bias").data.fill_(3.0)
    assert (dict(optimizer.state), optimizer.param_groups[0]["weight_decay"], scheduler.horizon) == ({}, 0.5, None)
    assert net.get_parameter("head.bias").tolist() == [3.0]


class Counter(nn.Module):
    """Keeps something that is no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def get_extra_state(self) -> Any:
        return {"count": self.count}

    def set_extra_state(self, state: Any) -> None:
        if not 0 <= state["count"] < 100:
            raise ValueError(f"a count of {state['count']}")
        self.count = state["count"]


@pytest.mark.parametrize("lr", [0.1, torch.tensor(0.1)], ids=str)
def test_an_error_puts_back_all_that_was_changed(lr):
    """Containers, tensors, numbers, the scheduler's time and the model's weights, to the bit; then the run goes on."""
    counter = Counter()
    nets = [model(norm=nn.BatchNorm1d(2), counter=own) for own in (counter, Counter())]
    optimizers = [stepped(net, lr=copy.deepcopy(lr), foreach=False) for net in nets]
    schedulers = [pg.Scheduler(each, lr=pg.Linear(10), horizon=pg.Horizon(steps=10)) for each in optimizers]
    others = [pg.Scheduler(each, weight_decay=pg.Linear(7), clock="manual") for each in optimizers]
    for optimizer, other in zip(optimizers, others, strict=True):
        step(optimizer)
        other.override(weight_decay=0.3, steps=2)
    (net, optimizer, scheduler) = nets[0], optimizers[0], schedulers[0]
    before = everything(optimizer, scheduler, net), others[0].state_dict()

    def ruin() -> None:
        for each in (scheduler, others[0]):
            each._driver.go_to(5, each._driver.lanes, [None])
        optimizer.state = copy.deepcopy(optimizer.state)
        optimizer.state.clear()
        optimizer.param_groups = [{**group, "new": 1} for group in optimizer.param_groups]
        pg.view(optimizer)["*"].eps = 0.5
        scheduler.horizon = None
        for value in net.state_dict().values():
            if isinstance(value, torch.Tensor):
                value.fill_(7)
        counter.count = 5
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), all_or_nothing(optimizer, scheduler, net, net.state_dict()):
        ruin()
    assert (everything(optimizer, scheduler, net), others[0].state_dict()) == before
    assert counter.count == 0
    for optimizer, other in zip(optimizers * 2, others * 2, strict=True):
        step(optimizer)
        other.step()
    assert states(optimizers[0], nets[0]) == states(optimizers[1], nets[1])
    assert plain(dict(nets[0].state_dict())) == plain(dict(nets[1].state_dict()))
    assert [each.last_epoch for each in (*schedulers, *others)] == [3, 3, 2, 2]
    assert schedulers[0].values() == schedulers[1].values()


def test_a_model_without_numbers_yet_is_left_alone():
    """On the meta device there is nothing to keep."""
    net = model().to("meta")
    with pytest.raises(KeyError), all_or_nothing(optim.SGD(net.parameters()), model=net, keys=net.state_dict()):
        raise KeyError
    assert all(parameter.is_meta for parameter in net.parameters())


class Broken(optim.AdamW):
    """Whose own load goes wrong half way, before torch's or after it."""

    when = "never"

    def load_state_dict(self, state_dict: Any) -> None:
        if self.when == "before":
            self.state.clear()
            for group in self.param_groups:
                group["lr"] = 9.0
                group["new"] = 3
            raise KeyError("before")
        super().load_state_dict(state_dict)
        if self.when == "after":
            self.param_groups[0]["betas"] = (0.0, 0.0)
            raise KeyError("after")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("scheduled", [False, True])
def test_an_optimizers_own_load_may_fail_half_way(when, scheduled):
    """All is as it was, and the run goes on as if nothing had been tried."""
    nets = [model(), model()]
    optimizers = [stepped(net, Broken, lr=torch.tensor(0.1), foreach=False) for net in nets]
    optimizer = optimizers[0]
    state = copy.deepcopy(pg.named_state(optimizer))
    state["groups"][0]["settings"]["lr"] = 0.5
    schedulers = [pg.Scheduler(each, lr=pg.Linear(10)) for each in optimizers] if scheduled else []
    for each in optimizers:
        step(each)
    first = schedulers[0] if scheduled else None
    before = everything(optimizer, first)
    optimizer.when = when
    with pytest.raises(KeyError, match=when):
        pg.load_named_state(optimizer, state, hyperparameters="saved")
    assert everything(optimizer, first) == before
    for each in optimizers * 2:
        step(each)
    assert states(optimizers[0], nets[0]) == states(optimizers[1], nets[1])
    assert all(map(torch.equal, *(net.parameters() for net in nets)))
    assert [scheduler.last_epoch for scheduler in schedulers] == [3] * len(schedulers)


def test_a_hook_of_the_users_may_fail_after_the_load():
    """The state is already in by then, and is taken out again."""
    optimizer = stepped(model())
    state = pg.named_state(stepped(model(), steps=5, lr=0.5))
    pg.Scheduler(optimizer, weight_decay=pg.Linear(10))

    def fail(_: optim.Optimizer) -> None:
        raise RuntimeError("after the load")

    optimizer.register_load_state_dict_post_hook(fail)
    before = everything(optimizer)
    with pytest.raises(RuntimeError, match="after the load"):
        pg.load_named_state(optimizer, state, hyperparameters="saved")
    assert everything(optimizer) == before


def test_groups_that_nobody_looked_at_yet_are_taken_in_first():
    """Whoever drives the groups is told of them before a state is."""
    net = model(new=nn.Linear(1, 1))
    state = pg.named_state(stepped(net))
    optimizer = optim.AdamW(net["body"].parameters())
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10))
    for module in (net["head"], net["new"]):
        optimizer.add_param_group({"params": list(module.parameters())})
    assert pg.load_named_state(optimizer, state, net).complete
    assert len(scheduler.base_lrs) == 3


def test_an_edit_before_a_load_is_an_edit():
    """Noticed first, and where it is forbidden, nothing is loaded."""
    optimizer = stepped(model())
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10))
    optimizer.param_groups[0]["lr"] = 0.002
    pg.load_named_state(optimizer, pg.named_state(stepped(model())), hyperparameters="saved")
    assert optimizer.param_groups[0]["lr"] == 0.002
    assert [entry.step for entry in scheduler.journal] == [0]
    scheduler.detach()
    pg.Scheduler(optimizer, lr=pg.Linear(10), on_edit="raise")
    optimizer.param_groups[0]["lr"] = 0.003
    with pytest.raises(EditError):
        pg.load_named_state(optimizer, pg.named_state(stepped(model(), steps=1)))
    assert (optimizer.param_groups[0]["lr"], optimizer.state_dict()["state"][0]["step"].item()) == (0.003, 3.0)
