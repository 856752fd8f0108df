"""What a roster remembers, and when it must be made anew."""

import copy
import gc
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from duels import FEW, KINDS, Kind, Side, assert_same
from duels import PARTITION as ALTERNATELY
from optims import give_gradients, in_groups, parameters, served
from paramgroups import optim
from paramgroups.optim.roster import Roster
from upheavals import PLACE

PARTITION = (0, 0, 1, 1, 2, 2)


def stepped(kind=optim.AdamW, **options):
    """An optimizer whose parameters all have state, and its roster."""
    optimizer = kind(in_groups(parameters(), PARTITION), **options)
    step(optimizer)
    step(optimizer)
    return optimizer, optimizer._roster


def step(optimizer):
    """One step in which every parameter has a gradient."""
    give_gradients([p for group in optimizer.param_groups for p in group["params"]], 0, missing=False)
    optimizer.step()


def test_numbers_are_read_without_a_new_roster():
    """A scheduler that writes in every step costs no table."""
    optimizer, roster = stepped()
    for index, group in enumerate(optimizer.param_groups):
        group.update(lr=0.25 * index, betas=[0.5, 0.75], weight_decay=index, maximize=index == 1)
    step(optimizer)
    assert optimizer._roster is roster
    numbers = dict(zip(optimizer.numbers, ([0, 0.25, 0.5], [[0.5, 0.75]] * 3), strict=False))
    assert roster._values.table[:, 0].tolist() == numbers["lr"]
    assert roster._values.table[:, 1:3].tolist() == numbers["betas"]
    assert roster._values.table[:, 5].tolist() == [0, 1, 0]


def test_a_tensor_is_read_in_every_step():
    """It may be filled in place, and is then the object that it was."""
    optimizer, _ = stepped()
    optimizer.param_groups[1]["lr"] = torch.tensor(0.5)
    for lr in (0.5, 0.125):
        optimizer.param_groups[1]["lr"].fill_(lr)
        step(optimizer)
        assert optimizer._roster._values.table[1, 0] == lr


def of(optimizer, group):
    """The parameters of a group."""
    return optimizer.param_groups[group]["params"]


EVENTS = {
    "another group": lambda o: o.add_param_group({"params": nn.Parameter(torch.zeros(2))}),
    "a parameter that goes to another group": lambda o: o.param_groups[1]["params"].insert(
        0, o.param_groups[0]["params"].pop()
    ),
    "another parameter in its place": lambda o: o.param_groups[0]["params"].__setitem__(
        0, nn.Parameter(torch.zeros(7, 9))
    ),
    "a group that is gone": lambda o: o.param_groups.pop(),
    "groups in another order": lambda o: o.param_groups.reverse(),
    "a group that asks for torch's step": lambda o: o.param_groups[0].update(foreach=True),
    "a flag that is no number": lambda o: o.param_groups[0].update(amsgrad=True),
    "a loaded state": lambda o: o.load_state_dict(copy.deepcopy(o.state_dict())),
    "another average": lambda o: next(iter(o.state.values())).update(exp_avg=torch.zeros(7, 9)),
    "another state": lambda o: o.state.update({of(o, 0)[0]: copy.deepcopy(o.state[of(o, 0)[0]])}),
    "state under another name": lambda o: o.state[of(o, 0)[0]].update(renamed=o.state[of(o, 0)[0]].pop("exp_avg_sq")),
    "state that is no dict": lambda o: o.state.update({of(o, 0)[0]: [0]}),
    "parameters in another list": lambda o: o.param_groups[0].update(params=[*of(o, 0)]),
    "parameters in no list": lambda o: o.param_groups[0].update(params=(*of(o, 0),)),
    "groups in no list": lambda o: setattr(o, "param_groups", (*o.param_groups,)),
    "another key": lambda o: o.param_groups[1].update(note=0),
    "a key that is gone": lambda o: o.param_groups[1].pop("maximize"),
    "a count that is gone": lambda o: next(iter(o.state.values())).pop("step"),
}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_whatever_else_changes_makes_it_stale(event):
    """The tables were made from something that is no longer so."""
    optimizer, roster = stepped()
    assert roster.holds(optimizer)
    event(optimizer)
    assert not roster.holds(optimizer)


def test_the_number_that_decides_is_asked_for_the_algorithm_alone():
    """A momentum that changes keeps its tables; one that ends does not."""
    optimizer, roster = stepped(optim.SGD, momentum=0.9)
    optimizer.param_groups[0]["momentum"] = 0.5
    step(optimizer)
    assert optimizer._roster is roster
    optimizer.param_groups[0]["momentum"] = 0
    step(optimizer)
    assert optimizer._roster is not roster


def test_one_table_serves_all_groups_of_a_dtype():
    """Rows are told apart by the numbers they read, tables by the code they run."""
    params = [*parameters(), *parameters(torch.float64)]
    optimizer = optim.AdamW(in_groups(params, (*PARTITION, *PARTITION)))
    for _ in range(2):
        give_gradients(params, 0, missing=False)
        optimizer.step()
    assert sorted(len(places) for _, places in optimizer._roster._tables) == [6, 6]  # type: ignore[union-attr]  # it stepped
    assert optimizer._roster._others == []  # type: ignore[union-attr]  # as above


def test_gradients_are_left_to_torch_where_no_table_can_take_them():
    """Those, and no others."""
    params = [
        nn.Parameter(torch.zeros(3, 3)),
        nn.Parameter(torch.zeros(3)),
        nn.Parameter(torch.zeros(3, dtype=torch.complex64)),
    ]
    optimizer = optim.SGD(params)
    gradients = [torch.zeros(3, 3).t().contiguous().t(), None, torch.zeros(3, dtype=torch.complex64)]
    roster = Roster(optimizer)
    assert roster.look(gradients) == [0, 2]
    gradients[:2] = [torch.zeros(3, 3), torch.zeros(3)]
    assert roster.look(gradients) == [2]
    assert not roster.stale


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_what_an_older_torch_does_not_know_is_assumed(name):
    """Before 2.7 no group says whether its decay is decoupled: its class does."""
    sides = [Side(KINDS[name], parameters(), ALTERNATELY, ours=ours) for ours in (True, False)]
    for side in sides:
        for group in side.groups:
            group["weight_decay"] = 0.3
        side.step(3)
    for there in (sides[0].optimizer.defaults, *sides[0].groups):
        del there["decoupled_weight_decay"]
    vars(sides[0].optimizer)["_roster"] = None  # nothing of ours ever saw it there
    for side in sides:
        side.step(2)
    assert_same(sides[0].seen, sides[1].seen)


def test_state_that_is_served_may_be_swapped():
    """What a tensor's object leads to is asked anew in every step."""
    sides = [Side(KINDS["Adam"], parameters(), ALTERNATELY, ours=ours) for ours in (True, False)]
    for side in sides:
        side.step(3)
        for tensor in side.optimizer.state[side.params[PLACE]].values():
            torch.utils.swap_tensors(tensor, torch.full_like(tensor, 0.25))
        side.step(2)
    assert_same(sides[0].seen, sides[1].seen)


def test_a_negation_of_one_element_is_seen():
    """Its strides say nothing: neither for a gradient nor for a parameter."""
    found = []
    for make in (optim.SGD, torch.optim.SGD):
        weight = nn.Parameter(torch.ones(1))
        optimizer = make([weight], lr=0.25)
        for gradient in (torch.ones(1), torch.tensor([0.5j]).conj().imag, torch.ones(1)):
            weight.grad = gradient
            optimizer.step()
            found.append(weight.item())
        weight.data = torch.tensor([2j]).conj().imag
        optimizer.step()
        found.append(weight.item())
    assert found == [0.75, 0.875, 0.625, -2.25] * 2


# --- memory ---------------------------------------------------------------------------------------


@pytest.fixture
def _without_collector():
    """What is let go is gone at once: nothing waits for the collector of cycles."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_without_collector")
@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
def test_no_gradient_is_kept(kind: Kind):
    """Neither after a step nor after one that failed."""
    side = Side(kind, parameters(), ALTERNATELY, ours=True)
    side.step(3)
    side.give()
    gradients = [weakref.ref(parameter.grad) for parameter in side.params if parameter.grad is not None]
    side.optimizer.step()
    side.optimizer.zero_grad()
    assert [reference() for reference in gradients] == [None] * 6
    side.give()
    side.params[PLACE].grad.data = torch.ones(5)  # type: ignore[union-attr]  # it was given one
    gradients = [weakref.ref(parameter.grad) for parameter in side.params if parameter.grad is not None]
    try:
        side.optimizer.step()
    except RuntimeError as error:
        error.__traceback__ = None
    else:
        pytest.fail("a gradient of five elements was taken for one of 63")
    side.optimizer.zero_grad()
    assert [reference() for reference in gradients] == [None] * 6
    side.step(2)
    assert served(side.optimizer) == 6


@pytest.mark.usefixtures("_without_collector")
@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
def test_nothing_outlives_the_optimizer(kind: Kind):
    """Parameters, state, tables and the optimizer go with the last reference to each."""
    side = Side(kind, parameters(), ALTERNATELY, ours=True)
    side.step(3)
    roster = vars(side.optimizer)["_roster"]
    things = [side.optimizer, side.params[0], roster, roster._tables[0].table]
    held: list[weakref.ref[Any]] = [*map(weakref.ref, things), *references(side.optimizer)]
    del roster, side, things
    assert {reference() for reference in held} == {None}


@pytest.mark.usefixtures("_without_collector")
@pytest.mark.parametrize("kind", FEW.values(), ids=FEW)
def test_state_that_has_been_replaced_is_let_go(kind: Kind):
    """At once, if other state is loaded; with the next step, if it was replaced by hand."""
    side = Side(kind, parameters(), ALTERNATELY, ours=True)
    side.step(3)
    held = references(side.optimizer)
    side.optimizer.load_state_dict(copy.deepcopy(side.optimizer.state_dict()))
    assert {reference() for reference in held} == {None}
    side.step(2)
    held = references(side.optimizer)
    for parameter in side.params:
        side.optimizer.state[parameter] = copy.deepcopy(side.optimizer.state[parameter])
    side.step()
    assert {reference() for reference in held} == {None}


def references(optimizer: Optimizer) -> list[weakref.ref[Tensor]]:
    """To all state."""
    return [weakref.ref(tensor) for state in optimizer.state.values() for tensor in state.values()]
