"""Which settings hold in a group whose parameters were saved in others."""

from typing import Any

import prodigyopt
import pytest
import torch
from torch import nn, optim

import paramgroups as pg
from states import everything, model, refused, step, stepped


def grouped(*lrs: Any, **more: Any) -> tuple[nn.ModuleDict, Any]:
    """An AdamW with a group for each layer, or one for both; each with its lr."""
    net = model()
    layers = [[("body", net["body"]), ("head", net["head"])]] if len(lrs) == 1 else [[pair] for pair in net.items()]
    groups = [
        {
            "params": [(f"{name}.{own}", p) for name, layer in each for own, p in layer.named_parameters()],
            "lr": lr,
            "name": "all" if len(each) > 1 else each[0][0],
        }
        for each, lr in zip(layers, lrs, strict=True)
    ]
    return net, optim.AdamW(groups, **more)


def lrs(optimizer: optim.Optimizer) -> list[float]:
    """What stands there."""
    return [float(group["lr"]) for group in optimizer.param_groups]


@pytest.mark.parametrize(("policy", "expected"), [("current", [0.3, 0.2]), ("saved", [0.1, 0.2])])
def test_the_policy_says_which_settings_hold(policy, expected):
    """Those that differ are shown beside each other, with the one that is used; others are not."""
    _, saved = grouped(0.1, 0.2)
    _, optimizer = grouped(0.3, 0.2)
    report = pg.load_named_state(optimizer, pg.named_state(saved), hyperparameters=policy)
    assert lrs(optimizer) == expected
    assert report.hyperparameters == (("lr/body", 0.1, 0.3, expected[0]),)


def test_a_group_of_parameters_that_were_set_differently_keeps_what_is_set_now():
    """All of the saved values are shown; asked to take one of them, it refuses."""
    _, saved = grouped(0.1, 0.2)
    _, optimizer = grouped(0.3)
    state = pg.named_state(saved)
    error = refused(optimizer, state, r"lr of group 'all' was saved with several values, 0\.1", hyperparameters="saved")
    assert str(error) == (
        "lr of group 'all' was saved with several values, 0.1, 0.2: its parameters were in groups 'body', 'head'.\n"
        "Keep these in groups of their own, or hyperparameters='current' to keep what is set now."
    )
    report = pg.load_named_state(optimizer, state)
    assert report.hyperparameters == (("lr/all", "0.1, 0.2", 0.3, 0.3),)
    assert lrs(optimizer) == [0.3]


def test_how_a_step_is_computed_is_no_setting():
    """What the saved run did on its device says nothing of this one."""
    _, saved = grouped(0.1, foreach=True)
    _, optimizer = grouped(0.1, fused=True)
    assert pg.load_named_state(optimizer, pg.named_state(saved), hyperparameters="saved").hyperparameters == ()
    assert (optimizer.param_groups[0]["foreach"], optimizer.param_groups[0]["fused"]) == (None, True)


# --- tensors --------------------------------------------------------------------------------------------------------


def test_a_tensor_is_filled_for_whoever_holds_it():
    """Under either policy the same tensor stands there afterwards; a number is compared as it would hold it."""
    _, saved = grouped(0.1, 0.2)
    held = [torch.tensor(0.1), torch.tensor(0.7)]
    _, optimizer = grouped(*held, foreach=False)
    report = pg.load_named_state(optimizer, pg.named_state(saved))
    assert [group["lr"] for group in optimizer.param_groups] == held
    assert report.hyperparameters == (("lr/head", 0.2, float(torch.tensor(0.7)), float(torch.tensor(0.7))),)
    report = pg.load_named_state(optimizer, pg.named_state(saved), hyperparameters="saved")
    assert all(group["lr"] is lr for group, lr in zip(optimizer.param_groups, held, strict=True))
    assert [float(lr) for lr in held] == [float(torch.tensor(0.1)), float(torch.tensor(0.2))]
    assert report.hyperparameters == (("lr/head", 0.2, float(torch.tensor(0.7)), 0.2),)


def test_numbers_stay_numbers():
    """Though they were saved as a tensor."""
    _, saved = grouped(torch.tensor(0.5), foreach=False)
    _, optimizer = grouped(0.1)
    report = pg.load_named_state(optimizer, pg.named_state(saved), hyperparameters="saved")
    assert (optimizer.param_groups[0]["lr"], type(optimizer.param_groups[0]["lr"])) == (0.5, float)
    assert report.hyperparameters == (("lr/all", 0.5, 0.1, 0.5),)


def test_tensors_in_tuples_are_filled():
    """As betas may be."""
    _, saved = grouped(0.1, betas=(0.5, 0.75))
    held = torch.tensor(0.9), torch.tensor(0.999)
    _, optimizer = grouped(0.1, betas=held, foreach=False)
    pg.load_named_state(optimizer, pg.named_state(saved), hyperparameters="saved")
    betas = optimizer.param_groups[0]["betas"]
    assert all(one is other for one, other in zip(betas, held, strict=True))
    assert [float(beta) for beta in held] == [0.5, 0.75]


def test_a_tensor_that_groups_share_is_parted_before_it_is_filled():
    """Torch gives all of them its default, and one group's value would be the other's."""
    shared = torch.tensor(0.1)
    net = model()
    groups = [{"params": [(f"{name}.{own}", p) for own, p in net[name].named_parameters()]} for name in net]
    optimizer = optim.AdamW(groups, lr=shared, foreach=False)
    assert optimizer.param_groups[0]["lr"] is optimizer.param_groups[1]["lr"]
    _, saved = grouped(0.25, 0.5)
    pg.load_named_state(optimizer, pg.named_state(saved), hyperparameters="saved")
    assert lrs(optimizer) == [0.25, 0.5]
    assert float(shared) == float(torch.tensor(0.1))


# --- what schedules have --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["current", "saved"])
def test_what_a_schedule_has_follows_it_whatever_the_policy(policy):
    """A load is no edit, and of what is driven no difference is told."""
    _, saved = grouped(0.1, 0.2)
    _, optimizer = grouped(0.3, 0.4)
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10))
    for _ in range(3):
        step(optimizer)
    due = lrs(optimizer)
    report = pg.load_named_state(optimizer, pg.named_state(saved), hyperparameters=policy)
    assert lrs(optimizer) == due == [0.3 * 0.7, 0.4 * 0.7]
    assert (report.hyperparameters, scheduler.journal, scheduler.last_epoch) == ((), (), 3)
    step(optimizer)
    assert scheduler.journal == ()


@pytest.mark.parametrize(("policy", "second"), [("current", 0.99), ("saved", 0.9)])
def test_one_of_a_tuple_may_be_driven_and_the_other_set(policy, second):
    """Each goes its own way, and only the one that is set is told of."""
    _, saved = grouped(0.1, betas=(0.2, 0.9))
    _, optimizer = grouped(0.1, betas=(0.5, 0.99))
    scheduler = pg.Scheduler(optimizer, {"*": {"betas[0]": pg.Constant(pg.Absolute(0.75))}})
    report = pg.load_named_state(optimizer, pg.named_state(saved), hyperparameters=policy)
    assert optimizer.param_groups[0]["betas"] == (0.75, second)
    assert report.hyperparameters == (("betas/all", (0.75, 0.9), (0.75, 0.99), (0.75, second)),)
    assert scheduler.journal == ()


def test_driven_values_that_differed_do_not_keep_groups_apart():
    """They are due to the schedule from here on."""
    _, saved = grouped(0.1, 0.2)
    _, optimizer = grouped(0.3)
    pg.Scheduler(optimizer, lr=pg.Linear(10))
    assert pg.load_named_state(optimizer, pg.named_state(saved), hyperparameters="saved").hyperparameters == ()


def test_several_schedulers_each_keep_theirs():
    """One has lr and another weight_decay; eps is set."""
    _, saved = grouped(0.1, 0.2, weight_decay=0.5, eps=1e-3)
    _, optimizer = grouped(0.3, 0.4, weight_decay=0.25)
    one = pg.Scheduler(optimizer, lr=pg.Linear(10))
    other = pg.Scheduler(optimizer, weight_decay=pg.Linear(5), clock="manual")
    step(optimizer)
    other.step()
    other.step()
    report = pg.load_named_state(optimizer, pg.named_state(saved), hyperparameters="saved")
    assert [each.where for each in report.hyperparameters] == ["eps/body", "eps/head"]
    assert [(group["lr"], group["weight_decay"], group["eps"]) for group in optimizer.param_groups] == [
        (0.3 * 0.9, 0.25 * 0.6, 1e-3),
        (0.4 * 0.9, 0.25 * 0.6, 1e-3),
    ]
    assert (one.last_epoch, other.last_epoch, one.journal, other.journal) == (1, 2, (), ())


# --- what else stands in groups -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "expected"), [("current", 0.5), ("saved", 0.25)])
def test_what_a_user_put_into_a_group_is_a_setting(policy, expected):
    """As timm puts an `lr_scale` there; it is told apart from what the class keeps."""
    (_, saved), (_, optimizer) = grouped(0.1), grouped(0.1)
    saved.param_groups[0] |= {"lr_scale": 0.25, "initial_lr": 0.1}
    optimizer.param_groups[0] |= {"lr_scale": 0.5}
    report = pg.load_named_state(optimizer, pg.named_state(saved), hyperparameters=policy)
    assert optimizer.param_groups[0]["lr_scale"] == expected
    assert optimizer.param_groups[0]["initial_lr"] == 0.1  # where there is none, there is nothing to keep
    assert report.hyperparameters == (("lr_scale/all", 0.25, 0.5, expected), ("initial_lr/all", 0.1, None, 0.1))


def test_what_a_user_put_there_does_not_keep_groups_apart():
    """What torch's schedulers leave behind differs wherever lr did."""
    (_, saved), (_, optimizer) = grouped(0.1, 0.1), grouped(0.1)
    for group, lr in zip(saved.param_groups, (0.1, 0.2), strict=True):
        group["initial_lr"] = lr
    report = pg.load_named_state(optimizer, pg.named_state(saved))
    assert report.hyperparameters == (("initial_lr/all", "0.1, 0.2", None, None),)
    assert "initial_lr" not in optimizer.param_groups[0]


def test_what_the_class_keeps_is_taken_whatever_the_policy():
    """Prodigy's d is of the run, not set by anyone; where parts of a group had different ones, that is refused."""
    net = model()
    saved = stepped(net, prodigyopt.Prodigy)
    optimizer = stepped(net, prodigyopt.Prodigy, steps=0)
    assert pg.load_named_state(optimizer, pg.named_state(saved)).hyperparameters == ()
    kept = ("d", "d_max", "d_numerator", "d_denom", "d_hat", "k")
    assert [optimizer.param_groups[0][key] for key in kept] == [saved.param_groups[0][key] for key in kept]
    pg.name_groups(optimizer, net)
    layers = [{"params": layer.parameters()} for layer in net.children()]
    parts = prodigyopt.Prodigy(layers)
    pg.name_groups(parts, net)
    parts.param_groups[0]["k"] = 7
    error = refused(optimizer, pg.named_state(parts), "k of group 'group0' was saved with several values, 7, 0: its")
    assert str(error).endswith("were in groups 'body', 'head'.\nKeep these in groups of their own.")


def test_what_another_class_kept_is_of_no_use():
    """Nor is it told of: that the class is another is."""
    net = model()
    optimizer = stepped(net, optim.AdamW)
    report = pg.load_named_state(optimizer, pg.named_state(stepped(net, prodigyopt.Prodigy)), hyperparameters="saved")
    assert optimizer.param_groups[0].keys().isdisjoint({"d", "k"})
    assert not {"d/group0", "k/group0"} & {each.where for each in report.hyperparameters}


@pytest.mark.parametrize("value", [torch.ones(2), [1, (2, "x")], None, "text"], ids=str)
def test_entries_may_be_anything(value):
    """They are compared and copied as what they are."""
    (_, saved), (_, optimizer) = grouped(0.1), grouped(0.1)
    saved.param_groups[0]["mine"] = value
    state = pg.named_state(saved)
    assert pg.load_named_state(optimizer, state).hyperparameters[0].where == "mine/all"
    assert optimizer.param_groups[0]["mine"] is not value or not isinstance(value, (torch.Tensor, list))
    assert pg.load_named_state(optimizer, state).hyperparameters == ()
    optimizer.param_groups[0]["mine"] = object()
    assert [each.where for each in pg.load_named_state(optimizer, state).hyperparameters] == ["mine/all"]


def test_a_report_keeps_what_it_told():
    """Whatever is written into the groups' tensors later."""
    (_, saved), (_, optimizer) = grouped(torch.tensor(0.25), foreach=False), grouped(torch.tensor(0.5), foreach=False)
    report = pg.load_named_state(optimizer, pg.named_state(saved), hyperparameters="saved")
    for each in (saved, optimizer):
        each.param_groups[0]["lr"].fill_(9.0)
    assert report.hyperparameters == (("lr/all", 0.25, 0.5, 0.25),)
    assert str(report).splitlines()[-1].split() == ["hyperparameter", "lr/all", "0.25", "0.5", "saved"]


def test_names_of_groups_stay_as_they_are():
    """They are labels: a load by name changes none."""
    (_, saved), (_, optimizer) = grouped(0.1, 0.1), grouped(0.1)
    before = everything(optimizer)
    pg.load_named_state(optimizer, pg.named_state(saved), hyperparameters="saved")
    assert everything(optimizer)[1] == before[1]
    assert optimizer.param_groups[0]["name"] == "all"
