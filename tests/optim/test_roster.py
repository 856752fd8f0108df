"""What a roster remembers, and when it must be made anew."""

import copy

import pytest
import torch
from torch import nn

from optims import give_gradients, in_groups, parameters
from paramgroups import optim
from paramgroups.optim.roster import Roster

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
    "a count that is gone": lambda o: next(iter(o.state.values())).pop("step"),
}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_whatever_else_changes_makes_it_stale(event):
    """The tables were made from something that is no longer so."""
    optimizer, roster = stepped()
    assert roster.holds(optimizer, [p for group in optimizer.param_groups for p in group["params"]])
    event(optimizer)
    assert not roster.holds(optimizer, [p for group in optimizer.param_groups for p in group["params"]])


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
    assert sorted(len(positions) for _, positions, _ in optimizer._roster._tables) == [6, 6]  # type: ignore[union-attr]  # it stepped
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
    roster = Roster(optimizer, params)
    assert roster.look(params, gradients) == [0, 2]
    assert roster.updated == []
    gradients[:2] = [torch.zeros(3, 3), torch.zeros(3)]
    assert roster.look(params, gradients) == [2]
    assert roster.updated == params[:2]
    assert not roster.stale
