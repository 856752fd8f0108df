"""Which schedule drives what."""

import pytest
import torch
from torch import nn

import paramgroups as pg
from paramgroups.claims import lanes_for, resolve, separate
from paramgroups.errors import (
    GroupNameError,
    HyperparameterValueError,
    UnknownHyperparameterError,
    UnresolvedDurationError,
)


@pytest.fixture
def optimizer():
    """Four groups: default, no_decay, head and no_decay.head."""
    net = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    plan = pg.Plan(pg.Rule("*.bias", weight_decay=0.0, name="no_decay"), pg.Rule("head.*", lr=1.0), lr=0.1)
    return plan.build(net, torch.optim.AdamW)


def driven(optimizer, schedules, **keywords):
    """Group -> hyperparameter -> the schedule that drives it."""
    lanes = lanes_for(optimizer, resolve(schedules, keywords, None))
    return {lane.group: {lane.path: lane.first.schedule for lane in own} for own in lanes for lane in own}


A, B, C = pg.Linear(1), pg.Linear(2), pg.Linear(3)


def test_a_keyword_drives_every_group(optimizer):
    """One schedule, four groups."""
    assert driven(optimizer, {}, lr=A) == {
        group: {"lr": A} for group in ("default", "no_decay", "head", "no_decay.head")
    }


def test_later_entries_win_over_earlier_and_the_mapping_over_keywords(optimizer):
    """Rules of the mapping apply in order, after the keywords."""
    found = driven(optimizer, {"head": {"lr": B}, "no_decay*": {"lr": C}}, lr=A)
    assert {group: own["lr"] for group, own in found.items()} == {
        "default": A,
        "no_decay": C,
        "head": B,
        "no_decay.head": C,
    }


def test_none_leaves_a_hyperparameter_alone(optimizer):
    """The head is exempt from what the keyword says."""
    assert "head" not in driven(optimizer, {"head": {"lr": None}}, lr=A)


def test_the_name_of_a_rule_selects_every_group_it_made(optimizer):
    """`head` is a rule and a group; as a rule it finds both groups that it contributed to."""
    assert set(driven(optimizer, {"head": {"lr": A}})) == {"head", "no_decay.head"}


def test_one_entry_of_a_tuple_can_be_driven(optimizer):
    """`betas[0]` is a hyperparameter like any other."""
    lanes = lanes_for(optimizer, resolve({}, {"betas[0]": A}, None))
    assert [lane.first.base for own in lanes for lane in own] == [0.9] * 4


def test_a_glob_that_matches_nothing_is_an_error(optimizer):
    """With the nearest name."""
    with pytest.raises(GroupNameError, match=r"haed.*\n.*Did you mean 'head'"):
        driven(optimizer, {"haed": {"lr": A}})


def test_a_hyperparameter_nobody_has_is_an_error(optimizer):
    """With the nearest name, and where it was written."""
    with pytest.raises(UnknownHyperparameterError, match=r"'weigth_decay', given in the scheduler's 'head'") as caught:
        driven(optimizer, {"head": {"weigth_decay": A}})
    assert "Did you mean 'weight_decay'" in str(caught.value)


@pytest.mark.parametrize("path", ["betas", "amsgrad", "foreach", "betas[2]", "lr[0]"])
def test_what_is_no_number_cannot_be_driven(optimizer, path):
    """A whole tuple, a switch, None and an index out of range are refused by name."""
    with pytest.raises(HyperparameterValueError, match="a number for a schedule to drive it"):
        driven(optimizer, {}, **{path: A})


@pytest.mark.parametrize("given", [0.1, lambda step: 1.0, "Cosine(10)"])
def test_what_is_no_schedule_is_refused_with_the_way_to_write_it(optimizer, given):
    """Numbers and callables have a shape of their own."""
    with pytest.raises(TypeError, match=r"Constant\(Absolute\(0.1\)\), a callable Function\(f\)"):
        driven(optimizer, {}, lr=given)


def test_text_without_a_horizon_is_refused():
    """The schedule says which duration waits, and for what."""
    with pytest.raises(UnresolvedDurationError, match="5%"):
        resolve({}, {"lr": pg.Warmup("5%")}, None)


def test_a_shared_tensor_is_given_to_each_group_of_its_own():
    """Torch puts one default tensor into every group, so that filling one would fill all."""
    tensor = torch.tensor(0.1)
    optimizer = torch.optim.AdamW([{"params": [torch.zeros(1)]}, {"params": [torch.zeros(1)]}], lr=tensor)
    first, second = optimizer.param_groups
    assert first["lr"] is second["lr"]
    separate(optimizer, lanes_for(optimizer, resolve({}, {"lr": A}, None)))
    assert first["lr"] is tensor
    assert second["lr"] is not tensor
    assert second["lr"] == tensor


def two_groups(**defaults):
    """Groups that share the tensors of the defaults, as torch makes them."""
    return torch.optim.AdamW([{"params": [torch.zeros(1)]} for _ in range(2)], **defaults)


def test_a_group_that_is_not_driven_keeps_its_tensor():
    """The driven one gets its own, and keeps it."""
    shared = torch.tensor(0.5)
    optimizer = two_groups(lr=shared)
    for _ in range(2):
        separate(optimizer, lanes_for(optimizer, resolve({"group1": {"lr": A}}, {}, None)))
    assert optimizer.param_groups[0]["lr"] is shared
    own = optimizer.param_groups[1]["lr"]
    assert own is not shared
    separate(optimizer, lanes_for(optimizer, resolve({"group1": {"lr": A}}, {}, None)))
    assert optimizer.param_groups[1]["lr"] is own


def test_tensors_within_tuples_are_not_shared():
    """Two tuples may hold one tensor."""
    shared = torch.tensor(0.9)
    optimizer = two_groups(lr=torch.tensor(0.1))
    optimizer.param_groups[0]["betas"], optimizer.param_groups[1]["betas"] = (shared, 0.99), (shared, 0.999)
    separate(optimizer, lanes_for(optimizer, resolve({}, {"betas[0]": A}, None)))
    betas = [group["betas"][0] for group in optimizer.param_groups]
    assert betas[0] is shared
    assert betas[1] is not shared


def test_the_default_of_groups_to_come_does_not_follow_the_schedule():
    """The tensor that stands in a group is filled in place: the optimizer's default is another."""
    given = torch.tensor(0.5)
    optimizer = torch.optim.AdamW([torch.zeros(1)], lr=given)
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10))
    assert optimizer.param_groups[0]["lr"] is given
    for _ in range(5):
        optimizer.step()
    optimizer.add_param_group({"params": [torch.zeros(1)]})
    assert scheduler.values() == {"lr/group0": 0.25, "lr/group1": 0.25}
    assert scheduler.base_lrs == [0.5, 0.5]


def test_tensors_that_a_load_shares_again_are_separated_again():
    """Torch's copy of a state keeps what was shared in it."""
    state = two_groups(lr=torch.tensor(0.5)).state_dict()
    optimizer = two_groups(lr=torch.tensor(0.5))
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10))
    scheduler.rebase("group1", lr=1.0)
    optimizer.load_state_dict(state)
    assert [float(group["lr"]) for group in optimizer.param_groups] == [0.5, 1.0]


def test_two_schedulers_share_a_hyperparameter_by_group():
    """With floats, and with the one tensor that torch gives all groups."""
    for lr in (0.5, torch.tensor(0.5)):
        optimizer = two_groups(lr=lr)
        first = pg.Scheduler(optimizer, {"group0": {"lr": pg.Linear(10)}})
        second = pg.Scheduler(optimizer, {"group1": {"lr": pg.Constant(1.0)}})
        for _ in range(5):
            optimizer.step()
        assert [float(group["lr"]) for group in optimizer.param_groups] == [0.25, 0.5]
        assert first.journal == second.journal == ()


@pytest.mark.parametrize(
    ("schedule", "base"),
    [
        (pg.Linear(4).shift(-2), 0.1),  # gives 0.05 from 0.1: it goes on from what has driven it so far
        (pg.Linear(4), 0.05),  # gives 0.1, so it starts anew, from what is there
    ],
    ids=repr,
)
def test_the_base_of_an_adopted_lr_is_where_torch_s_scheduler_started(schedule, base):
    """If from there the schedule gives what stands in the group; without `adopt` it is what stands there."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.05)
    optimizer.param_groups[0]["initial_lr"] = 0.1
    for adopt, expected in ((True, base), (False, 0.05)):
        ((lane,),) = lanes_for(optimizer, resolve({}, {"lr": schedule}, None), adopt=adopt)
        assert lane.first.base == expected
