"""Live groups put as they are to be: what follows, what is refused, and the laws over random models and sequences."""

import copy
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import paramgroups as pg
import strategies_models as random
from kinds import ANY_SHAPE, OPTIMIZERS
from paramgroups.errors import EditError, ForeignParameterError, RegroupError, UnequalGroupsError
from paramgroups.journal import Rebase
from paramgroups.params import named, names_of
from paramgroups.plan.audit import FrozenRuleWarning
from runs import PLAN, made, model, train

BODY, HEAD = ["body.weight", "body.bias"], ["head.weight", "head.bias"]


def grouped(optimizer):
    """Group -> the names of its parameters."""
    return {group.name: group.parameter_names for group in pg.view(optimizer)}


# --- all, or nothing ------------------------------------------------------------------------------------------------


def everything(optimizer, *schedulers):
    """Which objects there are, what they hold, and what schedulers know."""
    groups = [{**group, "params": list(map(id, group["params"]))} for group in optimizer.param_groups]
    state = {id(p): {key: id(value) for key, value in own.items()} for p, own in optimizer.state.items()}
    table = copy.copy(names_of(optimizer))
    known = [(each.state_dict(), each.values(), each._driver.assignments) for each in schedulers]
    return list(map(id, optimizer.param_groups)), copy.deepcopy(groups), state, table, known


REFUSED = {
    "split": lambda optimizer: pg.regroup.split(optimizer, "body.bias", name="x", lr=0.04),
    "merge": lambda optimizer: pg.regroup.merge(optimizer, "default", "head", lr=0.04),
    "all of one": lambda optimizer: pg.regroup.split(optimizer, "body.*", name="default", lr=0.04),
}


@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED)
def test_where_a_scheduler_refuses_everything_is_as_it_was(act):
    """The same dicts with the same content, names, bases, journal; a second scheduler, which agreed, as well."""
    net = model()
    optimizer = PLAN.build(net, torch.optim.AdamW)
    first = pg.Scheduler(optimizer, weight_decay=pg.Linear(20, start=1.0, end=2.0))
    second = pg.Scheduler(optimizer, lr=pg.Warmup(4).then(pg.Linear(16)), on_edit="raise")
    train(net, optimizer, 3)
    first.rebase("head", weight_decay=0.5)
    first.rebase("head", weight_decay=0.01)
    before = everything(optimizer, first, second)
    with pytest.raises(EditError, match="on_edit='raise' forbids it"):
        act(optimizer)
    assert everything(optimizer, first, second) == before
    train(net, optimizer)
    assert first.last_epoch == second.last_epoch == 4


def test_a_failure_half_way_leaves_a_plain_optimizer_as_it_was():
    """It bears no names then, as it did before."""
    net = model()
    optimizer = torch.optim.SGD([{"params": each.parameters()} for each in net.values()], lr=torch.tensor(0.1))
    before = everything(optimizer)
    with pytest.raises(pg.ParamGroupsError):
        pg.regroup.split(optimizer, "body.bias", name="x", model=net, **{"lr[0]": 1.0})
    assert everything(optimizer) == before


# --- schedules follow -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["default", "def*", "d[e]fault"])
def test_schedules_follow_that_were_given_to_a_group_by_its_name_or_a_glob(key):
    """A part of it keeps them, and so does the whole under another name, now and when other groups come."""
    net = model()
    optimizer = PLAN.build(net, torch.optim.AdamW)
    scheduler = pg.Scheduler(optimizer, {key: {"lr": pg.Linear(20)}, "head": {"lr": pg.Cosine(20)}})
    train(net, optimizer, 3)
    curves = scheduler.preview(20)
    pg.regroup.split(optimizer, "body.bias", name="bias")
    pg.regroup.rename(optimizer, "default", "rest")
    net["tail"] = nn.Linear(2, 2)
    pg.regroup.add(optimizer, "tail.weight", name="tail")
    optimizer.add_param_group({"params": [net["tail"].bias], "name": "plain"})
    after = scheduler.preview(20)
    assert set(after) == {"lr/rest", "lr/bias", "lr/head"}
    np.testing.assert_array_equal(after["lr/rest"], curves["lr/default"])
    np.testing.assert_array_equal(after["lr/bias"], curves["lr/default"])
    np.testing.assert_array_equal(after["lr/head"], curves["lr/head"])


def test_a_part_keeps_its_schedules_whatever_its_new_name_would_find():
    """Names say what drives groups of new parameters; these were driven before."""
    net = model()
    optimizer = PLAN.build(net, torch.optim.AdamW)
    scheduler = pg.Scheduler(optimizer, {"default": {"lr": pg.Linear(20)}, "head*": {"lr": pg.Cosine(20)}})
    pg.regroup.split(optimizer, "body.bias", name="head2")
    curves = scheduler.preview(20)
    np.testing.assert_array_equal(curves["lr/head2"], curves["lr/default"])
    pg.regroup.split(optimizer, "head.bias", name="other")
    assert "lr/other" in scheduler.preview(20)


def test_schedules_follow_under_names_that_find_several():
    """Every group has its own, the one that its rules' names find along with others, too."""
    net = model()
    optimizer = PLAN.build(net, torch.optim.AdamW)
    scheduler = pg.Scheduler(optimizer, {"default": {"lr": pg.Linear(20)}, "head": {"lr": pg.Cosine(20)}})
    curves = scheduler.preview(20)
    plan = pg.Plan(pg.Rule("*", name="all"), pg.Rule("head.*", name="top", lr=1.0), lr=0.1)
    plan.apply(optimizer, net)
    assert pg.view(optimizer)["all"].names == ["all", "all.top"]
    np.testing.assert_array_equal(scheduler.preview(20)["lr/all"], curves["lr/default"])
    np.testing.assert_array_equal(scheduler.preview(20)["lr/all.top"], curves["lr/head"])


def test_a_name_that_does_not_find_its_group_is_refused_where_schedules_would_be_mixed_up():
    """A rule that is called as the group comes first, and finds others."""
    net = model()
    optimizer = PLAN.build(net, torch.optim.AdamW)
    scheduler = pg.Scheduler(optimizer, {"default": {"lr": pg.Linear(20)}})
    before = everything(optimizer, scheduler)
    names = [pg.Rule("body.*", name="a"), pg.Rule("body.*", name="b"), pg.Rule("head.*", name="a.b")]
    with pytest.raises(RegroupError, match=r"Group 'a.b' would be driven by other schedules: a rule that is called"):
        pg.Plan(*names, pg.Rule("head.*", name="c")).apply(optimizer, net)
    assert everything(optimizer, scheduler) == before


def test_schedules_of_groups_that_are_gone_are_no_obstacle():
    """The name finds nothing any more."""
    net = model()
    optimizer = PLAN.build(net, torch.optim.AdamW)
    scheduler = pg.Scheduler(optimizer, {"default": {"lr": pg.Linear(20)}, "head": {"lr": pg.Cosine(20)}})
    pg.regroup.remove(optimizer, "head.*")
    train(net, optimizer)
    assert set(scheduler.values()) == {"lr/default"}


# --- what a plan says -----------------------------------------------------------------------------------------------


def test_a_plan_that_is_applied_again_changes_nothing():
    """In the middle of a run: groups, dicts, bases and journal."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 3)
    before, groups = scheduler.preview(20), list(optimizer.param_groups)
    grouping = PLAN.apply(optimizer, net)
    assert [group.name for group in grouping.groups] == pg.view(optimizer).names
    assert all(group is own for group, own in zip(optimizer.param_groups, groups, strict=True))
    assert scheduler.journal == ()
    for name, values in scheduler.preview(20).items():
        np.testing.assert_array_equal(values, before[name])


def test_a_plan_gives_live_groups_its_names_order_and_bases():
    """What it says multiplies the schedules; what it leaves out stays; state and clock follow."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 3)
    state = dict(optimizer.state)
    plan = pg.Plan(pg.Rule("*.bias", name="biases", weight_decay=0.0), pg.Rule("head.*", lr=0.4), lr=0.1)
    pg.view(optimizer)["*"].eps = 1e-6
    grouping = plan.apply(optimizer, net)
    assert grouped(optimizer) == {group.name: [p.name for p in group.params] for group in grouping.groups}
    assert grouped(optimizer) == {
        "default": BODY[:1],
        "biases": BODY[1:],
        "head": HEAD[:1],
        "biases.head": HEAD[1:],
    }
    assert [round(base, 9) for base in scheduler.base_lrs] == [0.1, 0.1, 0.4, 0.4]
    rebased = {(entry.group, entry.hyperparameter, entry.new) for entry in scheduler.journal}
    assert rebased == {
        ("head", "lr", 0.4),
        ("biases.head", "lr", 0.4),
        ("biases", "weight_decay", 0.0),
        ("biases.head", "weight_decay", 0.0),
    }
    assert {type(entry) for entry in scheduler.journal} == {Rebase}
    assert [group["eps"] for group in optimizer.param_groups] == [1e-6] * 4
    assert dict(optimizer.state) == state
    assert scheduler.last_epoch == 3


def test_a_plan_freezes_and_takes_in():
    """What it freezes leaves, its state and gradient with it; what is new, and requires gradients, joins."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 2)
    net["tail"] = nn.Linear(2, 2)
    plan = pg.Plan(pg.Rule("body.*", frozen=True), pg.Rule("tail.*", lr=0.3), lr=1.0, weight_decay=0.01)
    plan.apply(optimizer, net)
    assert grouped(optimizer) == {"default": HEAD, "tail": ["tail.weight", "tail.bias"]}
    assert not any(p.requires_grad or p.grad is not None or p in optimizer.state for p in net["body"].parameters())
    assert scheduler.base_lrs == [1.0, 0.3]
    net["body"].requires_grad_(True)
    PLAN.apply(optimizer, net)
    assert grouped(optimizer) == {"default": [*BODY, "tail.weight", "tail.bias"], "head": HEAD}
    assert scheduler.base_lrs == [0.1, 1.0]


def test_a_plan_that_does_not_say_what_differs_is_refused():
    """Parameters that come together have to agree on the rest."""
    net = model()
    optimizer = PLAN.build(net, torch.optim.AdamW)
    with pytest.raises(UnequalGroupsError, match=r"(?s)'all'.*lr: 0.1 in 'default'; 1.0 in 'head'.*Plan\(..., lr="):
        pg.Plan(pg.Rule("*", name="all")).apply(optimizer, net)
    with pytest.raises(ForeignParameterError):
        PLAN.apply(optimizer, model())
    assert grouped(optimizer) == {"default": BODY, "head": HEAD}


def test_a_tail_that_was_given_goes_on_under_another_plan():
    """A cooldown multiplies the value at which it began, of which no plan knows."""
    net, optimizer, scheduler = made()
    train(net, optimizer, 8)
    scheduler.cooldown(5)
    before = scheduler.preview(20)
    pg.Plan(pg.Rule("head.*", lr=0.5), lr=0.05).apply(optimizer, net)
    np.testing.assert_array_equal(scheduler.preview(20)["lr/head"], before["lr/head"])


def test_a_tensor_stays_one_under_a_plan():
    """Filled, and not shared, with a number or a tensor of the plan's."""
    net = model()
    optimizer = pg.Plan(lr=torch.tensor(0.5)).build(net, torch.optim.AdamW)
    pg.Plan(pg.Rule("head.*", lr=0.25), lr=torch.tensor(0.125)).apply(optimizer, net)
    assert [float(group["lr"]) for group in optimizer.param_groups] == [0.125, 0.25]
    assert all(isinstance(group["lr"], torch.Tensor) for group in optimizer.param_groups)


def test_a_rule_on_what_the_model_froze_warns_as_ever():
    """The plan is put on the model as it is."""
    net = model()
    optimizer = PLAN.build(net, torch.optim.AdamW)
    net["tail"] = nn.Linear(2, 2).requires_grad_(False)
    with pytest.warns(FrozenRuleWarning):
        pg.Plan(pg.Rule("tail.*", lr=0.3), lr=1.0).apply(optimizer, net)
    assert grouped(optimizer) == {"default": [*BODY, *HEAD]}


# --- the laws, over random models, partitions and sequences ---------------------------------------------------------

BASES = (0.1, 0.02)
STEPS = 12


class Run:
    """A model with two kinds of parameters, by their base of lr, in any number of groups, under schedules."""

    def __init__(self, net, bases, parts, kind):
        self.params = {param.name: param.parameter for param in named(net) if param.parameter.requires_grad}
        self.bases = dict(zip(self.params, bases, strict=True))
        self.edited = False
        groups: dict[tuple[float, int], list[torch.Tensor]] = {}
        for name, part in zip(self.params, parts, strict=True):
            groups.setdefault((self.bases[name], part), []).append(self.params[name])
        dicts = [{"params": own, "lr": lr} for (lr, _), own in groups.items()]
        made, options = OPTIMIZERS[kind]
        self.net, self.optimizer = net, made(dicts, **{**options, "weight_decay": 0.01})
        pg.name_groups(self.optimizer, net)
        lr, decay = pg.Warmup(3).then(pg.Cosine(7, end=0.1)), pg.Linear(STEPS, start=1.0, end=2.0)
        self.scheduler = pg.Scheduler(self.optimizer, lr=lr, weight_decay=decay)

    def groups_of(self, base):
        """The indices of the groups whose parameters are of one kind."""
        known = [self.bases[group.parameter_names[0]] for group in pg.view(self.optimizer)]
        return [index for index, each in enumerate(known) if each == base]

    def step(self, number):
        """An update on gradients that depend on nothing but its number and the parameter."""
        for index, parameter in enumerate(self.params.values()):
            parameter.grad = torch.sin(torch.arange(parameter.numel()) + index + number).reshape(parameter.shape)
        self.optimizer.step()

    def edit(self, base, factor):
        """The same edit in every group of a kind."""
        self.edited = True
        for index in self.groups_of(base):
            self.optimizer.param_groups[index]["lr"] *= factor

    def by_parameter(self, values):
        """What is known by group, `lr/head`, by parameter."""
        found = {}
        for group in pg.view(self.optimizer):
            for name in group.parameter_names:
                found[name] = [values[f"{key}/{group.name}"] for key in ("lr", "weight_decay")]
        return found

    def regroup(self, draw, action, fresh):
        """One of the actions, on parameters or groups of one kind."""
        present = [name for group in pg.view(self.optimizer) for name in group.parameter_names]
        base = self.bases[draw(st.sampled_from(present))]
        own = [name for name in present if self.bases[name] == base]
        some = pg.Named(*draw(st.lists(st.sampled_from(own), min_size=1, unique=True)))
        group = st.sampled_from(self.groups_of(base))
        if action == "split":
            pg.regroup.split(self.optimizer, some, name=fresh)
        elif action == "merge":
            pg.regroup.merge(self.optimizer, *draw(st.lists(group, min_size=1, unique=True)))
        elif action == "move":
            pg.regroup.move(self.optimizer, some, draw(group))
        elif action == "rename":
            pg.regroup.rename(self.optimizer, draw(group), fresh)
        elif action == "remove" and len(some.globs) < len(present):
            pg.regroup.remove(self.optimizer, some)
        elif action == "add" and len(present) < len(self.params):
            absent = [name for name in self.params if name not in present]
            chosen = draw(st.sampled_from(absent))
            pg.regroup.add(self.optimizer, chosen, name=fresh, lr=self.bases[chosen], weight_decay=0.01)
        elif action == "apply":
            kinds = [[name for name in self.params if self.bases[name] == each] for each in BASES]
            said: list[dict[str, Any]] = [{} if self.edited else {"lr": each, "weight_decay": 0.01} for each in BASES]
            rules = [pg.Rule(pg.Named(*own), name=f"kind{i}", **said[i]) for i, own in enumerate(kinds) if own]
            pg.Plan(*rules, pg.Rule(some, name=fresh)).apply(self.optimizer, self.net)


@st.composite
def starts(draw):
    """What a run is made of."""
    net = draw(random.models())
    count = sum(parameter.requires_grad for parameter in net.parameters())
    bases = draw(st.lists(st.sampled_from(BASES), min_size=count, max_size=count))
    parts = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    return net, bases, parts, draw(st.sampled_from(sorted(ANY_SHAPE)))


def equal(state, other):
    """Whether two states of one parameter are the same to the bit."""
    return state.keys() == other.keys() and all(
        torch.equal(torch.as_tensor(state[k]), torch.as_tensor(other[k])) for k in state
    )


@settings(max_examples=60)
@given(starts(), st.data())
def test_a_run_that_is_regrouped_is_one_that_never_was(start, data):
    """Parameters, optimizer state and every scheduled value, to the bit, with edits of both in between."""
    run, twin = Run(*copy.deepcopy(start)), Run(*copy.deepcopy(start))
    actions = st.sampled_from(["split", "merge", "move", "rename", "apply", "edit", "none"])
    for number in range(STEPS):
        action = data.draw(actions)
        if action == "edit":
            base, factor = data.draw(st.sampled_from(BASES)), data.draw(st.sampled_from([0.5, 1.5]))
            run.edit(base, factor)
            twin.edit(base, factor)
        else:
            run.regroup(data.draw, action, f"g{number}")
        assert run.by_parameter(run.scheduler.values()) == twin.by_parameter(twin.scheduler.values())
        run.step(number)
        twin.step(number)
    for name, parameter in run.params.items():
        assert torch.equal(parameter, twin.params[name])
        assert equal(run.optimizer.state[parameter], twin.optimizer.state[twin.params[name]])


@settings(max_examples=30)
@given(starts(), st.data())
def test_what_is_saved_comes_back_however_it_was_regrouped_since(start, data):
    """Of all parameters that are there by then; also of those that were removed, and added again without state."""
    run = Run(*start)
    run.step(0)
    saved = copy.deepcopy(pg.named_state(run.optimizer))
    for number in range(1, 7):
        action = data.draw(st.sampled_from(["split", "merge", "move", "rename", "apply", "add", "remove", "step"]))
        if action == "step":
            run.step(number)
        else:
            run.regroup(data.draw, action, f"g{number}")
    report = pg.load_named_state(run.optimizer, saved)
    found, expected = pg.named_state(run.optimizer)["parameters"], saved["parameters"]
    assert {*report.moved} == {*found} == {*expected} - {*report.dropped}
    assert all(equal(each["state"], expected[name]["state"]) for name, each in found.items())


@settings(max_examples=60)
@given(starts(), st.data())
def test_every_parameter_is_in_one_group_and_has_one_future(start, data):
    """After any sequence of all that there is, names are unique, and nobody's curve has moved."""
    run = Run(*start)
    curves = run.by_parameter(run.scheduler.preview(STEPS))
    steps = itertools.count()
    for number in range(10):
        action = data.draw(st.sampled_from(["split", "merge", "move", "rename", "apply", "add", "remove", "step"]))
        if action == "step":
            run.step(next(steps))
        else:
            run.regroup(data.draw, action, f"g{number}")
        groups = pg.view(run.optimizer)
        found = [name for group in groups for name in group.parameter_names]
        assert len(set(found)) == len(found)
        assert [id(parameter) for parameter in groups["*"].params] == [id(run.params[name]) for name in found]
        assert len(set(groups.names)) == len(groups)
        assert [group["name"] for group in run.optimizer.param_groups] == groups.names
        assert set(run.optimizer.state) <= set(groups["*"].params)
        for name, curve in run.by_parameter(run.scheduler.preview(STEPS)).items():
            np.testing.assert_array_equal(curve, curves[name])
