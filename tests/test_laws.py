"""The laws of grouping, on random models and plans: partition, cascade, a plain optimizer, free grouping."""

import copy
import functools
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

import optims
import paramgroups as pg
import strategies_models as random
from paramgroups.announcements import taken
from paramgroups.errors import DuplicateNameError, NothingToTrainError, ParamGroupsError
from paramgroups.params import named

LAW = settings(max_examples=40)  # of models that torch must build


def grouped(plan: pg.Plan, model: nn.Module) -> pg.Grouping:
    """The grouping, where the draw allows one: not everything frozen, no two rules' names joined to the same."""
    try:
        return plan.on(model, torch.optim.AdamW)
    except (NothingToTrainError, DuplicateNameError):
        assume(condition=False)
        raise


# --- law 1: partition -----------------------------------------------------------------------------------------------


@LAW
@given(random.models(), random.plans())
def test_every_parameter_is_in_one_group_or_frozen(model, plan):
    """Groups and the frozen ones together are `model.parameters()`, each once, as torch counts them."""
    grouping = grouped(plan, model)
    found = [p.parameter for group in grouping.groups for p in group.params] + [
        f.param.parameter for f in grouping.frozen
    ]
    assert sorted(map(id, found)) == sorted(map(id, model.parameters()))
    assert all(group.params for group in grouping.groups)


@LAW
@given(random.models(), random.plans())
def test_only_what_is_frozen_is_left_out_and_it_says_by_whom(model, plan):
    """A parameter is in no group exactly where a rule freezes it or the model has."""
    grouping = grouped(plan, model)
    reasons = {each.param.name: each.reason for each in grouping.frozen}
    freezing = [(rule, label) for rule, label in zip(plan.rules, plan.labels, strict=True) if isinstance(rule, pg.Rule)]
    for param in named(model):
        by = [label for rule, label in freezing if rule.frozen and rule.thaw is None and rule.select(param)]
        if by:
            assert reasons[param.name] == f"frozen by rule {by[0]!r}"
        elif not param.parameter.requires_grad:
            assert reasons[param.name] == "frozen by the model"
        else:
            assert param.name not in reasons


@LAW
@given(random.models(), random.plans())
def test_group_names_are_unique_and_torch_takes_the_groups(model, plan):
    """Names can be metric names; torch's own audit (duplicates, empties) accepts the list of dicts."""
    grouping = grouped(plan, model)
    names = [group.name for group in grouping.groups]
    assert len(set(names)) == len(names)
    assert all(set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") for name in names)
    made = torch.optim.AdamW(grouping.param_groups())
    assert [group["name"] for group in made.param_groups] == names


@LAW
@given(random.models(), random.plans(), st.booleans())
def test_build_trains_exactly_the_groups(model, plan, merge):
    """After `build` what the optimizer holds requires a gradient, or will when it is thawed, and all else does not."""
    grouping = grouped(plan, model)
    optimizer = plan.build(model, torch.optim.AdamW, merge=merge)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    later = {id(param.parameter) for each in grouping.thaws for param in each.params}
    assert held == later | {id(p) for p in model.parameters() if p.requires_grad}
    assert not any(p.requires_grad for p in model.parameters() if id(p) in later)
    assert held == {id(p.parameter) for group in grouping.groups for p in group.params}
    values = {p.parameter: group.hyperparameters for group in grouping.groups for p in group.params}
    for own in optimizer.param_groups:
        for parameter in own["params"]:
            assert {key: own[key] for key in values[parameter]} == values[parameter]
    if merge:
        distinct = [{key: own[key] for key in ("lr", "weight_decay", "betas")} for own in optimizer.param_groups]
        assert all(each not in distinct[:i] for i, each in enumerate(distinct))


# --- law 2: cascade -------------------------------------------------------------------------------------------------


def by_hand(plan: pg.Plan, param: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The values of one parameter and the rules that made its group, told naively."""
    values = dict(plan.defaults)
    standing: dict[str, list[str]] = {}
    always = []
    for rule, label in zip(plan.rules, plan.labels, strict=True):
        assert isinstance(rule, pg.Rule)
        if not rule.select(param):
            continue
        always += [label] if rule.name or rule.thaw is not None else []
        for key, given_value in rule.hyperparameters.items():
            if isinstance(given_value, pg.Times):
                values[key] = values[key] * given_value.factor
                standing.setdefault(key, []).append(label)
            else:
                values[key] = given_value
                standing[key] = [label]
    contributed = {*always, *(label for labels in standing.values() for label in labels)}
    return values, tuple(label for label in plan.labels if label in contributed)


@LAW
@given(random.models(), random.plans())
def test_each_value_is_what_the_rules_give_in_order(model, plan):
    """A value replaces, a Times multiplies, each hyperparameter on its own; the group is named by what stands."""
    grouping = grouped(plan, model)
    for group in grouping.groups:
        for param in group.params:
            values, contributed = by_hand(plan, param)
            assert group.hyperparameters == values
            assert group.rules == contributed
            assert group.name == (".".join(contributed) or "default")


@LAW
@given(random.models(), random.plans())
def test_every_parameter_keeps_its_own_history(model, plan):
    """Each rule that matched is in the parameter's history, struck out exactly where a later value replaced it."""
    grouping = grouped(plan, model)
    for group in grouping.groups:
        for param, history in zip(group.params, group.histories, strict=True):
            matched = [rule for rule in plan.rules if rule.select(param)]
            for key, steps in history.items():
                given_values = [plan.defaults[key]] if key in plan.defaults else []
                given_values += [dict(rule.values)[key] for rule in matched if key in dict(rule.values)]
                assert [step.given for step in steps] == given_values
                last = max(i for i, value in enumerate(given_values) if not isinstance(value, pg.Times))
                assert [step.overridden for step in steps] == [i < last for i in range(len(steps))]
                assert steps[-1].result == group.hyperparameters[key]


@LAW
@given(random.models(), random.plans())
def test_explain_is_this_parameters_history(model, plan):
    """One row for a value and one for each contribution, and no rule that does not match the parameter."""
    grouping = grouped(plan, model)
    for group in grouping.groups:
        for param in group.params:
            sources = {row[3] for row in grouping.explain(param.name).rows} - {"", "plan default"}
            assert sources == {repr(r) for r in plan.rules if r.select(param) and isinstance(r, pg.Rule) and r.values}


@LAW
@given(random.models(), random.plans())
def test_grouping_is_a_function_of_plan_and_names(model, plan):
    """A deep copy, the meta device and a pickle of the plan all give the same groups; the model is left as it was."""
    before = [(p.requires_grad, p.grad) for p in model.parameters()]
    grouping = grouped(plan, model)
    for other in (copy.deepcopy(model), copy.deepcopy(model).to("meta")):
        assert str(pickle.loads(pickle.dumps(plan)).on(other, torch.optim.AdamW)) == str(grouping)
        assert grouping.diff(plan.on(other)).rows == ()
    assert [(p.requires_grad, p.grad) for p in model.parameters()] == before


@LAW
@given(random.plans())
def test_a_plan_is_its_repr(plan):
    """What is composed compares, hashes and pickles, and its repr is the code that makes it."""
    for value in (plan, *plan.rules, *(rule.select for rule in plan.rules)):
        again = eval(repr(value), dict(random.NAMES))
        assert again == value
        assert hash(again) == hash(value)
        assert pickle.loads(pickle.dumps(value)) == value


# --- law 6: a plain optimizer under the view ------------------------------------------------------------------------


def state_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> Any:
    """Everything that a failing call must leave alone."""
    groups = [
        {key: [id(p) for p in value] if key == "params" else copy.deepcopy(value) for key, value in group.items()}
        for group in optimizer.param_groups
    ]
    parameters = [(id(p), p.requires_grad, id(p.grad)) for p in model.parameters()]
    return groups, parameters, pg.view(optimizer).names, list(optimizer.state)


@LAW
@given(random.models(), random.plans(), st.data())
def test_a_view_reads_and_writes_the_groups_themselves(model, plan, data):
    """What a key selects, and only that, takes a written value; reading is `param_groups`."""
    grouped(plan, model)
    optimizer = plan.build(model, torch.optim.AdamW)
    view = pg.view(optimizer)
    rules = sorted({rule for group in grouped(plan, model).groups for rule in group.rules})
    key = data.draw(st.sampled_from([*rules, *view.names, "*", *range(-len(view), len(view))]))
    selected = view[key].indices
    before = [dict(group) for group in optimizer.param_groups]
    view[key].lr = 0.125
    view[key]["betas[1]"] = 0.5
    for index, (group, old) in enumerate(zip(optimizer.param_groups, before, strict=True)):
        written = {"lr": 0.125, "betas": (old["betas"][0], 0.5)} if index in selected else {}
        assert group == {**old, **written}
        assert view[index].lr is group["lr"]


@LAW
@given(random.models(), random.plans())
def test_a_rules_name_finds_every_group_it_contributed_to(model, plan):
    """Lookup by rule and lookup by group agree with the grouping."""
    grouping = grouped(plan, model)
    view = pg.view(plan.build(model, torch.optim.AdamW))
    for rule in {rule for group in grouping.groups for rule in group.rules}:
        assert view[rule].names == [group.name for group in grouping.groups if rule in group.rules]


@LAW
@given(random.models(), random.plans())
def test_a_torch_load_takes_no_name_away(model, plan):
    """A checkpoint with other names, or none, leaves the names as they were."""
    grouped(plan, model)
    optimizer = plan.build(model, torch.optim.AdamW)
    names = pg.view(optimizer).names
    state = optimizer.state_dict()
    for group in state["param_groups"]:
        group["name"] = "stolen"
    optimizer.load_state_dict(state)
    assert [group["name"] for group in optimizer.param_groups] == pg.view(optimizer).names == names
    for group in state["param_groups"]:
        del group["name"]
    optimizer.load_state_dict(state)
    assert [group["name"] for group in optimizer.param_groups] == pg.view(optimizer).names == names


def set_lr(value: Any, optimizer: torch.optim.Optimizer, _: nn.Module) -> None:
    """Write what is no lr."""
    pg.view(optimizer)["*"].lr = value


BAD_VALUES = [-1.0, float("nan"), float("inf"), 10**400, "0.1", True, (0.1,), torch.zeros(2), None]
BAD_CALLS: dict[str, Callable[[torch.optim.Optimizer, nn.Module], Any]] = {
    **{f"lr = {value!r}": functools.partial(set_lr, value) for value in BAD_VALUES},
    "an unknown hyperparameter": lambda o, m: setattr(pg.view(o)["*"], "weigth_decay", 0.1),
    "an index past the tuple": lambda o, m: pg.view(o)["*"].__setitem__("betas[2]", 0.1),
    "an index into a number": lambda o, m: pg.view(o)["*"].__setitem__("lr[0]", 0.1),
    "a beta of one": lambda o, m: pg.view(o)["*"].__setitem__("betas[0]", 1.0),
    "no such group": lambda o, m: setattr(pg.view(o)["haed"], "lr", 0.1),
    "no such index": lambda o, m: setattr(pg.view(o)[99], "lr", 0.1),
    "an empty slice": lambda o, m: setattr(pg.view(o)[99:], "lr", 0.1),
    "the parameters": lambda o, m: setattr(pg.view(o)["*"], "params", []),
    "names given twice": lambda o, m: pg.name_groups(o, m, ["a"] * len(o.param_groups) + ["a"]),
    "another model": lambda o, m: pg.name_groups(o, nn.Linear(2, 2)),
    "a dead rule": lambda o, m: pg.Plan(pg.Rule("absent.*", lr=1.0)).build(m, torch.optim.AdamW),
    "a class that says no": lambda o, m: pg.Plan(pg.Rule("*", frozen=True)).build(m, torch.optim.AdamW),
    "a refused flag": lambda o, m: pg.Plan(lr=0.1).build(m, torch.optim.AdamW, fused=True, foreach=True),
    "a collision": lambda o, m: pg.Plan(lr=0.1).build(m, torch.optim.AdamW, lr=0.2),
}


@pytest.mark.parametrize("bad_call", BAD_CALLS.values(), ids=BAD_CALLS)
@settings(max_examples=3)
@given(random.models(), random.plans(most=3))
def test_a_failing_call_changes_nothing(bad_call, model, plan):
    """Parameters, gradients, groups and names are as they were after any error."""
    grouped(plan, model)
    optimizer = plan.build(model, torch.optim.AdamW)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    before = state_of(model, optimizer)
    with pytest.raises((ParamGroupsError, ValueError, RuntimeError)):
        bad_call(optimizer, model)
    assert state_of(model, optimizer) == before


@LAW
@given(random.models(), random.plans())
def test_our_groups_step_as_torch_steps_them(model, plan):
    """A step of what `build` made is the step of torch's optimizer over the same dicts, to the bit."""
    grouping = grouped(plan, model)
    twin = copy.deepcopy(model)
    theirs = torch.optim.AdamW(grouped(plan, twin).param_groups())
    ours = plan.build(model, torch.optim.AdamW)
    taken(ours)  # what is frozen until later has no gradients here
    for parameter, other in zip(model.parameters(), twin.parameters(), strict=True):
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
            other.grad = torch.ones_like(other)
    ours.step()
    theirs.step()
    for parameter, other in zip(model.parameters(), twin.parameters(), strict=True):
        if parameter.requires_grad:
            assert torch.equal(parameter, other)
    assert [g.name for g in grouping.groups] == [g["name"] for g in theirs.param_groups]


@LAW
@given(random.models(), st.data())
def test_a_foreign_optimizer_gets_names(model, data):
    """`name_groups` names the groups of any partition, uniquely, and the parameters as the model does."""
    parameters = list(model.parameters())
    places = data.draw(st.lists(st.integers(0, 2), min_size=len(parameters), max_size=len(parameters)))
    members = [[p for p, at in zip(parameters, places, strict=True) if at == i] for i in range(3)]
    optimizer = torch.optim.SGD([{"params": own} for own in members if own], lr=0.1)
    view = pg.name_groups(optimizer, model)
    assert len(set(view.names)) == len(view)
    assert [group["name"] for group in optimizer.param_groups] == view.names
    names = {p: n for n, p in model.named_parameters()}
    assert view["*"].parameter_names == [names[p] for group in optimizer.param_groups for p in group["params"]]
    optimizer.add_param_group({"params": [torch.zeros(1)]})
    assert len(set(view.names)) == len(optimizer.param_groups)


# --- law 7: free grouping -------------------------------------------------------------------------------------------

OURS = [
    (pg.optim.SGD, {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    (pg.optim.Adam, {"weight_decay": 0.1, "amsgrad": True}),
    (pg.optim.AdamW, {}),
    (pg.optim.RMSprop, {"centered": True, "momentum": 0.5}),
    (pg.optim.Adagrad, {"lr_decay": 0.1}),
    (pg.optim.Lion, {"weight_decay": 0.1}),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("make", "options"), OURS, ids=[make.__name__ for make, _ in OURS])
@settings(max_examples=8)
@given(partition=st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_grouping_changes_no_bit(make, options, dtype, partition):
    """Same gradients, same hyperparameters, any partition: the same parameters and the same state, bit by bit."""
    one = optims.trained(make, options, dtype, steps=6, partition=(0,) * 6)
    many = optims.trained(make, options, dtype, steps=6, partition=partition)
    assert optims.served(many[1]) == len(partition)
    optims.assert_equal(one, many, rtol=0, atol=0)


@pytest.mark.parametrize(("make", "options"), OURS, ids=[make.__name__ for make, _ in OURS])
@settings(max_examples=4)
@given(at=st.integers(0, 6))
def test_a_run_that_was_loaded_is_one_that_was_not(make, options, at):
    """Saved and loaded into another optimizer at any step: the same parameters and the same state, bit by bit."""
    whole = optims.trained(make, options, steps=7)
    params, first = optims.trained(make, options, steps=at)
    second = make(optims.in_groups(params, (0, 1, 0, 1, 1, 0)), **options)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for step in range(at, 7):
        optims.give_gradients(params, step)
        second.step()
    optims.assert_equal(whole, (params, second), rtol=0, atol=0)
