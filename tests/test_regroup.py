"""A live run's groups split, merged, moved, renamed, added, removed, or made those of a plan."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import paramgroups as pg
from paramgroups.errors import (
    DuplicateNameError,
    DuplicateParameterError,
    ForeignParameterError,
    GroupIndexError,
    GroupNameError,
    HyperparameterValueError,
    InvalidNameError,
    NothingSelectedError,
    RegroupError,
    UnequalGroupsError,
    UnknownHyperparameterError,
    UnknownModelError,
)
from paramgroups.journal import Edit
from runs import PLAN, made, model, train

BODY, HEAD = ["body.weight", "body.bias"], ["head.weight", "head.bias"]


def grouped(optimizer):
    """Group -> the names of its parameters."""
    return {group.name: group.parameter_names for group in pg.view(optimizer)}


def built(plan=PLAN, kind=torch.optim.AdamW):
    """A model and its optimizer: `default` of body, lr .1, and `head`, lr 1."""
    net = model()
    return net, plan.build(net, kind)


# --- split ----------------------------------------------------------------------------------------------------------


def test_a_split_group_stands_behind_its_source_and_has_all_of_it():
    """Values, flags, state and schedules; only what is given differs, and takes effect at the next update."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 3)
    state = {parameter: (own, dict(own)) for parameter, own in optimizer.state.items()}
    before, curve = scheduler.values(), scheduler.preview(20)
    pg.regroup.split(optimizer, "body.bias", name="bias", weight_decay=0.05)
    assert grouped(optimizer) == {"default": ["body.weight"], "bias": ["body.bias"], "head": HEAD}
    assert scheduler.values() == {
        **before,
        "lr/bias": before["lr/default"],
        "weight_decay/bias": 0.05,
    }
    np.testing.assert_array_equal(scheduler.preview(20)["lr/bias"], curve["lr/default"])
    assert [(type(entry), entry.group, entry.value) for entry in scheduler.journal] == [(Edit, "bias", 0.05)]
    assert {parameter: (own, dict(own)) for parameter, own in optimizer.state.items()} == state
    assert all(optimizer.state[parameter] is own for parameter, (own, _) in state.items())
    keys = [group.keys() - {"params"} for group in optimizer.param_groups]
    assert keys[0] == keys[1] == keys[2]


def test_a_split_group_is_found_by_the_rules_of_its_source_and_by_its_own_name():
    """What was meant by a rule's name still is; a further split of it is found by both."""
    _, optimizer = built()
    pg.regroup.split(optimizer, "head.*", name="top")
    assert pg.view(optimizer)["head"].names == ["top"]
    pg.regroup.split(optimizer, "head.bias", name="bias")
    assert pg.view(optimizer)["head"].names == pg.view(optimizer)["top"].names == ["top", "bias"]
    assert pg.view(optimizer)["bias"].names == ["bias"]


def test_a_name_that_is_given_anew_finds_what_is_called_so_now():
    """Groups that were once found by it, as part of a merged one, are not any more."""
    _, optimizer = built()
    pg.regroup.split(optimizer, "*.bias", name="bias", lr=0.1)
    pg.regroup.merge(optimizer, "bias", "default", name="rest")
    assert pg.view(optimizer)["bias"].names == pg.view(optimizer)["rest"].names == ["rest"]
    pg.regroup.split(optimizer, "*.bias", name="bias")
    assert pg.view(optimizer)["bias"].parameter_names == ["body.bias", "head.bias"]
    pg.regroup.rename(optimizer, "head", "rest-2")
    pg.regroup.rename(optimizer, "bias", "head")
    assert pg.view(optimizer)["head"].names == ["head"]


def test_parameters_of_several_groups_split_into_one_where_these_are_alike():
    """Behind the first of them; one that is left empty disappears."""
    net = model()
    groups = [{"params": [parameter], "name": f"g{index}"} for index, parameter in enumerate(net.parameters())]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    pg.regroup.split(optimizer, "*.bias", name="biases", model=net)
    assert grouped(optimizer) == {"g0": BODY[:1], "biases": [BODY[1], HEAD[1]], "g2": HEAD[:1]}


def test_parameters_of_groups_that_differ_are_not_split_into_one():
    """Each difference is listed, base for base, and what is given makes up for it."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 2)
    with pytest.raises(UnequalGroupsError) as caught:
        pg.regroup.split(optimizer, "*.bias", name="biases", weight_decay=0.0)
    assert str(caught.value) == (
        "Group 'biases' would hold parameters that differ.\n"
        "  base of lr: 0.1 in 'default'; 1.0 in 'head'\n"
        "Give what is to hold, split(..., name='biases', lr=...), or split each group by itself."
    )
    due = scheduler.values()["lr/head"]
    pg.regroup.split(optimizer, "*.bias", name="biases", lr=due)
    assert grouped(optimizer) == {"default": BODY[:1], "biases": [BODY[1], HEAD[1]], "head": HEAD[:1]}
    assert scheduler.values()["lr/biases"] == due
    np.testing.assert_allclose(scheduler.preview(20)["lr/biases"][2:], scheduler.preview(20)["lr/head"][2:], rtol=1e-12)


def test_all_of_a_group_may_be_split_from_it():
    """It is called otherwise then; under the very name it had, nothing happens."""
    _, optimizer = built()
    pg.regroup.split(optimizer, "body.*", name="body")
    pg.regroup.split(optimizer, "head.*", name="head")
    assert grouped(optimizer) == {"body": BODY, "head": HEAD}


def test_no_two_groups_share_a_tensor_after_a_split():
    """The source keeps its own, as a captured step may hold it."""
    net = model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=torch.tensor(0.1))
    pg.name_groups(optimizer, net, ["all"])
    lr = optimizer.param_groups[0]["lr"]
    pg.regroup.split(optimizer, "*.bias", name="biases")
    first, second = (group["lr"] for group in optimizer.param_groups)
    assert first is lr
    assert second is not lr
    assert second == lr


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("haed.*", "'haed.\\*' selects none of the 4 parameters there are.\nDid you mean 'head.\\*'?"),
        ("head", "'head' is a module, not a parameter: write 'head.\\*' or Within\\('head'\\)."),
        (pg.Within("haed"), "Did you mean Within\\('head'\\)\\?"),
        (pg.NORMS, "It looks for norm layers.*there is none."),
        ("body.*" & pg.Named("head.*"), "no parameter matches the whole"),
    ],
    ids=str,
)
def test_selecting_nothing_is_an_error_that_offers_the_nearest(select, message):
    """As a rule that matches nothing does."""
    _, optimizer = built()
    for act in (
        lambda: pg.regroup.split(optimizer, select, name="x"),
        lambda: pg.regroup.move(optimizer, select, "head"),
        lambda: pg.regroup.remove(optimizer, select),
        lambda: pg.regroup.add(optimizer, select, name="x"),
    ):
        with pytest.raises(NothingSelectedError, match=message):
            act()


@pytest.mark.parametrize(
    ("name", "given", "error", "message"),
    [
        ("a b", {}, InvalidNameError, "'a b' cannot be the name"),
        ("head", {}, DuplicateNameError, "'head' is borne by group 1 and by group 2"),
        ("x", {"weigth_decay": 0.0}, UnknownHyperparameterError, "given in group 'x'.*Did you mean 'weight_decay'"),
        ("x", {"lr": -1}, HyperparameterValueError, "lr = -1 in group 'x'"),
        ("x", {"betas": (0.9,)}, HyperparameterValueError, "a tuple of 2"),
        ("x", {"betas[2]": 0.9}, HyperparameterValueError, "a tuple that has a number 2"),
    ],
    ids=str,
)
def test_wrong_names_and_values_are_refused_before_anything_changes(name, given, error, message):
    """With the group and the nearest name."""
    _, optimizer = built()
    with pytest.raises(error, match=f"(?s){message}"):
        pg.regroup.split(optimizer, "body.bias", name=name, **given)
    assert grouped(optimizer) == {"default": BODY, "head": HEAD}


def test_one_entry_of_a_tuple_may_be_given():
    """By its path, as in a view."""
    net, optimizer = built()
    pg.regroup.split(optimizer, "body.bias", name="bias", model=net, **{"betas[0]": 0.5})
    assert [group["betas"] for group in optimizer.param_groups] == [(0.9, 0.999), (0.5, 0.999), (0.9, 0.999)]


# --- whose parameters they are --------------------------------------------------------------------------------------


def test_a_model_that_nobody_named_is_asked_for():
    """A copy knows none; it is named once, or said where it is needed."""
    net, optimizer = copy.deepcopy(built())
    with pytest.raises(UnknownModelError, match=r"pg.name_groups\(optimizer, model\)"):
        pg.regroup.split(optimizer, "body.bias", name="bias")
    with pytest.raises(ForeignParameterError, match="group 'default'"):
        pg.regroup.split(optimizer, "body.bias", name="bias", model=model())
    pg.regroup.split(optimizer, "body.bias", name="bias", model=net)
    pg.regroup.move(optimizer, "body.bias", "head")
    assert grouped(optimizer) == {"default": BODY[:1], "head": [*HEAD, "body.bias"]}


def test_the_model_is_not_kept_alive():
    """Only its parameters are, by the optimizer."""
    net, optimizer = built()
    del net
    with pytest.raises(UnknownModelError):
        pg.regroup.remove(optimizer, "body.*")


def test_a_wrapper_is_looked_through():
    """The list of groups stays the same object, which wrappers hold."""
    net, optimizer = built()
    wrapper = type("Wrapper", (), {"optimizer": optimizer, "param_groups": optimizer.param_groups})()
    pg.regroup.split(wrapper, "body.bias", name="bias")
    assert [group["name"] for group in wrapper.param_groups] == ["default", "bias", "head"]
    assert wrapper.param_groups is optimizer.param_groups
    assert net


def test_new_names_survive_a_load():
    """And so do those of parameters, to be found after it."""
    _, optimizer = built()
    pg.regroup.split(optimizer, "body.bias", name="bias")
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    pg.regroup.move(optimizer, "head.bias", "bias")
    assert grouped(optimizer) == {"default": BODY[:1], "bias": ["body.bias", "head.bias"], "head": HEAD[:1]}


def test_torchs_own_names_stay_with_their_parameters():
    """Where an optimizer was made with names, each group has those of its parameters, a new one too."""
    net = model()
    net["tail"] = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(list(net.named_parameters())[:4], lr=0.1)
    pg.name_groups(optimizer, net, ["all"])
    pg.regroup.split(optimizer, "*.bias", name="biases")
    pg.regroup.add(optimizer, "tail.*", name="tail")
    pg.regroup.move(optimizer, "head.weight", "biases")
    assert [group["param_names"] for group in optimizer.param_groups] == [
        ["body.weight"],
        ["body.bias", "head.bias", "head.weight"],
        ["tail.weight", "tail.bias"],
    ]
    assert grouped(optimizer) == {group["name"]: group["param_names"] for group in optimizer.param_groups}


# --- merge ----------------------------------------------------------------------------------------------------------


def test_groups_merge_into_the_place_of_the_first():
    """What found one of them finds them all, and what was to be given is written."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 2)
    pg.regroup.split(optimizer, "body.bias", name="bias")
    pg.regroup.merge(optimizer, "head", "bias", name="both", lr=0.25)
    assert grouped(optimizer) == {"default": BODY[:1], "both": [*HEAD, "body.bias"]}
    for key in ("head", "bias", "both"):
        assert pg.view(optimizer)[key].names == ["both"]
    assert scheduler.values()["lr/both"] == 0.25
    assert [type(entry) for entry in scheduler.journal] == [Edit]


def test_merging_groups_that_differ_lists_what_has_to_be_given():
    """Every difference at once."""
    _, optimizer = built(pg.Plan(pg.Rule("head.*", lr=1, betas=(0.8, 0.9)), lr=0.1))
    with pytest.raises(UnequalGroupsError) as caught:
        pg.regroup.merge(optimizer, "*", name="all")
    assert str(caught.value) == (
        "Group 'all' would hold parameters that differ.\n"
        "  lr: 0.1 in 'default'; 1 in 'head'\n"
        "  betas: (0.9, 0.999) in 'default'; (0.8, 0.9) in 'head'\n"
        "Give what is to hold: merge(..., lr=..., betas=...)."
    )
    pg.regroup.merge(optimizer, "*", lr=0.5, betas=(0.9, 0.99))
    assert [(g["name"], g["lr"], g["betas"]) for g in optimizer.param_groups] == [("default", 0.5, (0.9, 0.99))]


def test_what_is_driven_differently_is_not_merged():
    """Another schedule, or an override, is not made up for by a value."""
    _, optimizer, scheduler = made(plan=pg.Plan(pg.Rule("head.*", name="head"), lr=0.1, weight_decay=0.01))
    scheduler.override("head", lr=0.5)
    with pytest.raises(UnequalGroupsError, match=r"override of lr: None in 'default'; \(0.5, None, None\) in 'head'"):
        pg.regroup.merge(optimizer, 0, 1, lr=0.1)
    scheduler.release("head")
    scheduler.reschedule("head", lr=pg.Linear(5))
    with pytest.raises(UnequalGroupsError, match=r"(?s)schedule of lr.*driven differently stays apart"):
        pg.regroup.merge(optimizer, 0, 1, lr=0.1)


def test_a_group_alone_is_merged_already():
    """A glob may find one; none at all is a mistake."""
    _, optimizer = built()
    pg.regroup.merge(optimizer, "head*", name="top", lr=0.5)
    assert [(g["name"], g["lr"]) for g in optimizer.param_groups] == [("default", 0.1), ("top", 0.5)]
    with pytest.raises(TypeError, match=r"merge\(\) is given no group"):
        pg.regroup.merge(optimizer)
    with pytest.raises(GroupNameError, match="Did you mean 'top'"):
        pg.regroup.merge(optimizer, "tops")
    with pytest.raises(GroupIndexError):
        pg.regroup.merge(optimizer, 7)


# --- move -----------------------------------------------------------------------------------------------------------


def test_moved_parameters_take_the_values_and_schedules_of_their_new_group():
    """That group keeps its base and its journal, whoever moves in."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 2)
    scheduler.rebase("head", lr=0.5)
    curve = scheduler.preview(20)
    pg.regroup.move(optimizer, "body.*" & pg.BIASES, "head")
    assert grouped(optimizer) == {"default": BODY[:1], "head": [*HEAD, "body.bias"]}
    for name, values in scheduler.preview(20).items():
        np.testing.assert_array_equal(values, curve[name])
    pg.regroup.split(optimizer, "body.bias", name="bias")
    np.testing.assert_array_equal(scheduler.preview(20)["lr/bias"], curve["lr/head"])


def test_a_group_that_is_left_empty_disappears():
    """By the last move out of it; those that are there already stay."""
    _, optimizer = built()
    pg.regroup.move(optimizer, "*", -1)
    assert grouped(optimizer) == {"head": [*HEAD, *BODY]}
    pg.regroup.move(optimizer, "*", "head")
    assert grouped(optimizer) == {"head": [*HEAD, *BODY]}


def test_moving_to_several_groups_at_once_is_an_error():
    """A group's exact name comes before a rule's, which may find several."""
    _, optimizer = built()
    pg.regroup.split(optimizer, "head.bias", name="bias")
    with pytest.raises(RegroupError, match=r"'\*' finds 3 groups: 'default', 'head', 'bias'.\nName one of them."):
        pg.regroup.move(optimizer, "body.bias", "*")
    pg.regroup.move(optimizer, "body.bias", "head")
    assert grouped(optimizer)["head"] == ["head.weight", "body.bias"]
    with pytest.raises(GroupNameError):
        pg.regroup.move(optimizer, "body.bias", "haed")


# --- rename ---------------------------------------------------------------------------------------------------------


def test_renaming_changes_labels_alone():
    """One, or several at once and crosswise; schedulers and rules go by the new and the same."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 2)
    before = scheduler.preview(20)
    pg.regroup.rename(optimizer, {"default": "head", "head": "default"})
    assert grouped(optimizer) == {"head": BODY, "default": HEAD}
    assert pg.view(optimizer)["head"].names == ["head"]
    pg.regroup.rename(optimizer, 0, "body")
    after = scheduler.preview(20)
    np.testing.assert_array_equal(after["lr/body"], before["lr/default"])
    np.testing.assert_array_equal(after["lr/default"], before["lr/head"])
    assert scheduler.journal == ()


def test_wrong_new_names_are_refused():
    """None, no name, and one that is taken."""
    _, optimizer = built()
    with pytest.raises(InvalidNameError):
        pg.regroup.rename(optimizer, "head")
    with pytest.raises(InvalidNameError):
        pg.regroup.rename(optimizer, "head", "a/b")
    with pytest.raises(DuplicateNameError):
        pg.regroup.rename(optimizer, "head", "default")
    with pytest.raises(GroupNameError):
        pg.regroup.rename(optimizer, {"haed": "x"})
    assert grouped(optimizer) == {"default": BODY, "head": HEAD}


# --- add and remove -------------------------------------------------------------------------------------------------


def test_thawed_parameters_join_with_a_base_of_their_own():
    """On the run's clock, by torch's own `add_param_group`: what is not given is the optimizer's default."""
    plan = pg.Plan(pg.Rule("body.*", frozen=True), lr=1.0, weight_decay=0.01)
    net, optimizer, scheduler = made(plan=plan)
    train(net, optimizer, 2)
    net["body"].requires_grad_(True)
    factor = scheduler.values()["lr/default"]
    pg.regroup.add(optimizer, "*", name="body", lr=0.5)
    assert grouped(optimizer) == {"default": HEAD, "body": BODY}
    assert scheduler.base_lrs == [1.0, 0.5]
    assert scheduler.values()["lr/body"] == factor / 2
    assert optimizer.param_groups[1]["weight_decay"] == optimizer.param_groups[0]["weight_decay"]
    train(net, optimizer)
    assert all(parameter in optimizer.state for parameter in net["body"].parameters())


def test_the_statistics_of_what_was_thawed_by_hand_go_on():
    """A rule had pinned them, and what joins a group trains."""
    net = nn.ModuleDict({"body": nn.BatchNorm1d(2), "head": nn.Linear(2, 2)})
    optimizer = pg.Plan(pg.Rule("body.*", frozen=True), lr=1.0).build(net, torch.optim.SGD)
    assert not net["body"].train().training
    net["body"].requires_grad_(True)
    pg.regroup.add(optimizer, "body.*", name="body")
    assert net["body"].training


def test_parameters_may_be_handed_over():
    """One, or all of a layer; the model's, where it is known."""
    net, optimizer = built()
    net["tail"] = nn.Linear(2, 2)
    scale = nn.Parameter(torch.ones(1))
    pg.regroup.add(optimizer, net["tail"].bias, name="bias", lr=0.5)
    with pytest.raises(ForeignParameterError, match=r"what is added as 'scale' \(number 0, shape \(1,\)\)"):
        pg.regroup.add(optimizer, scale, name="scale")
    net.register_parameter("scale", scale)
    pg.regroup.add(optimizer, iter([scale, net["tail"].weight]), name="scale")
    assert grouped(optimizer) == {
        "default": BODY,
        "head": HEAD,
        "bias": ["tail.bias"],
        "scale": ["scale", "tail.weight"],
    }
    assert [group.lr for group in pg.view(optimizer)] == [0.1, 1.0, 0.5, 0.1]
    plain = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    pg.regroup.add(plain, [nn.Parameter(torch.ones(1))], name="other")
    assert pg.view(plain).names == ["group0", "other"]


def test_a_group_that_is_added_has_tensors_of_its_own():
    """Torch would share the default between all groups."""
    net, optimizer = built(pg.Plan(lr=torch.tensor(0.1)))
    net["tail"] = nn.Linear(2, 2)
    pg.regroup.add(optimizer, "tail.*", name="tail")
    lrs = [group["lr"] for group in optimizer.param_groups]
    assert lrs[0] == lrs[1]
    assert len({id(lr) for lr in [*lrs, optimizer.defaults["lr"]]}) == 3


def test_what_is_in_a_group_is_not_added():
    """The message says where it is, and how it would be moved."""
    net, optimizer = built()
    with pytest.raises(
        RegroupError, match=r"(?s)Every parameter that 'body.\*' selects is in a group: 'default'.*move"
    ):
        pg.regroup.add(optimizer, "body.*", name="x")
    with pytest.raises(DuplicateParameterError, match=r"'body.bias' is in group 'default' and in what is added as 'x'"):
        pg.regroup.add(optimizer, [net["body"].bias], name="x")
    new = nn.Parameter(torch.ones(1))
    net.register_parameter("new", new)
    with pytest.raises(DuplicateParameterError, match="'new' is in group 'x' and in"):
        pg.regroup.add(optimizer, [new, new], name="x")
    with pytest.raises(RegroupError, match=r"(?s)'x' is given no parameter.*module.parameters\(\)"):
        pg.regroup.add(optimizer, [], name="x")


def test_what_is_frozen_is_not_added():
    """It would never be trained, in silence."""
    net, optimizer = built()
    net["tail"] = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(RegroupError, match=r"(?s)'tail.weight' is frozen.*requires_grad_\(True\)"):
        pg.regroup.add(optimizer, "tail.*", name="tail")


@pytest.mark.parametrize(
    ("what", "given", "error", "message"),
    [
        (nn.Linear(1, 1), {}, TypeError, "write Within"),
        (["tail.weight", "tail.bias"], {}, TypeError, "Named\\('tail.weight', 'tail.bias'\\)"),
        ("tail.*", {"learning_rate": 1}, UnknownHyperparameterError, "Did you mean 'lr'"),
        ("tail.*", {"lr": float("nan")}, HyperparameterValueError, "lr = nan in group 'x'"),
        ("tail.*", {"betas": (0.9,)}, HyperparameterValueError, "a tuple of 2"),
    ],
    ids=str,
)
def test_wrong_arguments_of_add_are_explained(what, given, error, message):
    """Before anything is added."""
    net, optimizer = built()
    net["tail"] = nn.Linear(2, 2)
    with pytest.raises(error, match=message):
        pg.regroup.add(optimizer, what, name="x", **given)
    assert len(optimizer.param_groups) == 2


def test_what_is_removed_takes_its_state_along():
    """The others' is untouched; a group that is left empty disappears."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 2)
    kept = {parameter: optimizer.state[parameter] for parameter in net["head"].parameters()}
    pg.regroup.remove(optimizer, "body.*")
    assert grouped(optimizer) == {"head": HEAD}
    assert list(optimizer.state) == list(kept)
    assert all(optimizer.state[parameter] is own for parameter, own in kept.items())
    train(net, optimizer)
    assert scheduler.last_epoch == 3
    with pytest.raises(RegroupError, match=r"(?s)remove\('\*'\) selects all 2 parameters.*Keep some"):
        pg.regroup.remove(optimizer, "*")
