"""From plan, model and class to an optimizer."""

import inspect
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

import paramgroups as pg
from paramgroups.errors import (
    CollidingArgumentError,
    FreezeError,
    GroupRefusedError,
    HyperparameterValueError,
    MissingHyperparameterError,
    NotAnOptimizerError,
    UnknownHyperparameterError,
)
from paramgroups.plan import FrozenRuleWarning

TORCH = [
    kind
    for kind in vars(torch.optim).values()
    if isinstance(kind, type) and issubclass(kind, Optimizer) and kind is not Optimizer
]


def net() -> nn.ModuleDict:
    """Matrices only, so that Muon takes it too."""
    return nn.ModuleDict({"body": nn.Linear(2, 2, bias=False), "head": nn.Linear(2, 2, bias=False)})


class Required(Optimizer):
    """A third-party class: lr has no default, and keywords go on to the base."""

    def __init__(self, params: Any, lr: float, beta: float = 0.9, **kwargs: Any) -> None:
        super().__init__(params, {"lr": lr, "beta": beta, **kwargs})


class Wrapping(Optimizer):
    """A third-party class as SAM is: one argument is no hyperparameter."""

    def __init__(self, params: Any, base_optimizer: type[Optimizer], rho: float = 0.05, **kwargs: Any) -> None:
        super().__init__(params, {"rho": rho, **kwargs})
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)


@pytest.mark.parametrize("kind", TORCH, ids=lambda kind: kind.__name__)
def test_every_optimizer_of_torch_can_be_built(kind):
    """With its own defaults; each key of each group is what torch itself would have put there."""
    model = net()
    ours = pg.Plan().build(model, kind)
    assert type(ours) is kind
    theirs = kind(net().parameters())
    assert {**ours.param_groups[0], "params": 0} == {**theirs.param_groups[0], "params": 0, "name": "default"}
    assert ours.defaults == theirs.defaults


@pytest.mark.parametrize("kind", [k for k in TORCH if k is not torch.optim.LBFGS], ids=lambda kind: kind.__name__)
def test_every_optimizer_of_torch_scales_its_own_default(kind):
    """A Times with nothing below it multiplies the class's default lr; LBFGS takes one group only."""
    default = inspect.signature(kind).parameters["lr"].default
    optimizer = pg.Plan(pg.Rule("head.*", lr=pg.Times(0.5))).build(net(), kind)
    view = pg.view(optimizer)
    assert [float(group.lr) for group in view] == [float(default), float(default) * 0.5]


def test_freezing_is_done_when_all_else_has_succeeded():
    """What a rule freezes stops to require a gradient and loses the one it had; nothing else does."""
    model = net()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    plan = pg.Plan(pg.Rule("body.*", frozen=True), lr=0.1)
    with pytest.raises(UnknownHyperparameterError):
        plan.build(model, torch.optim.SGD, lrr=1)
    assert all(p.requires_grad and p.grad is not None for p in model.parameters())
    plan.build(model, torch.optim.SGD)
    assert [(p.requires_grad, p.grad is None) for p in model.parameters()] == [(False, True), (True, False)]


def test_what_the_model_has_frozen_is_never_thawed():
    """Even by a rule that gives it an lr."""
    model = net().requires_grad_(False)
    model["head"].requires_grad_(True)
    with pytest.warns(FrozenRuleWarning, match="does nothing"):
        optimizer = pg.Plan(pg.Rule("body.*", lr=1.0), lr=0.1).build(model, torch.optim.SGD)
    assert pg.view(optimizer).names == ["default"]
    assert [p.requires_grad for p in model.parameters()] == [False, True]


def test_keywords_are_defaults_and_flags():
    """A hyperparameter given to build stands below the rules; a flag reaches torch."""
    plan = pg.Plan(pg.Rule("head.*", lr=pg.Times(0.1)))
    optimizer = plan.build(net(), torch.optim.AdamW, lr=0.5, foreach=True, betas=[0.5, 0.5])
    assert [(g["lr"], g["foreach"], g["betas"]) for g in optimizer.param_groups] == [
        (0.5, True, (0.5, 0.5)),
        (0.05, True, (0.5, 0.5)),
    ]
    assert optimizer.defaults["lr"] == 0.5


def test_a_default_tensor_is_cloned_for_each_group():
    """By itself torch would share one object between all of them."""
    lr = torch.tensor(0.1)
    optimizer = pg.Plan(pg.Rule("head.*", weight_decay=0.0), lr=lr).build(net(), torch.optim.AdamW, capturable=True)
    tensors = [lr, optimizer.defaults["lr"], *(group["lr"] for group in optimizer.param_groups)]
    assert len({id(tensor) for tensor in tensors}) == len(tensors)
    assert all(torch.equal(tensor, lr) for tensor in tensors)


ERRORS = {
    "given twice": (
        {"lr": 0.2},
        CollidingArgumentError,
        "lr is given twice: 0.1 as a default of the plan, 0.2 to build.",
    ),
    "a typo": (
        {"weigth_decay": 0.2},
        UnknownHyperparameterError,
        "'weigth_decay', given in build, is no hyperparameter of AdamW.\nDid you mean 'weight_decay'",
    ),
    "out of range": ({"eps": -1.0}, HyperparameterValueError, "eps = -1.0 in build cannot be used."),
    "refused by the class": (
        {"fused": True, "foreach": True},
        GroupRefusedError,
        "AdamW refuses group 'default': RuntimeError: `fused` and `foreach` cannot be `True` together.",
    ),
}


@pytest.mark.parametrize(("keywords", "error", "text"), ERRORS.values(), ids=ERRORS)
def test_a_keyword_that_cannot_be_is_an_error(keywords, error, text):
    """The plan and the class are asked before anything is made."""
    with pytest.raises(error) as caught:
        pg.Plan(lr=0.1).build(net(), torch.optim.AdamW, **keywords)
    assert str(caught.value).startswith(text)


def test_the_class_judges_the_values_of_each_group():
    """By itself torch checks only what its constructor is given; a rule's value is checked too, and the group named."""
    plan = pg.Plan(pg.Rule("head.*", nesterov=True), lr=0.1)
    with pytest.raises(HyperparameterValueError, match=r"^SGD refuses group 'head': Nesterov momentum requires"):
        plan.build(net(), torch.optim.SGD)
    with pytest.raises(HyperparameterValueError, match=r"^SGD refuses group 'head': ") as caught:
        pg.Plan(pg.Rule("head.*", lr=None), lr=0.1).build(net(), torch.optim.SGD)
    assert isinstance(caught.value.__cause__, TypeError)


class Unpacking(Optimizer):
    """A third-party class that says nothing of the length it wants."""

    def __init__(self, params: Any, lr: float = 0.1, pair: Any = None) -> None:
        super().__init__(params, {"lr": lr, "pair": pair or (0, 0)})
        assert pair is None or pair[1] is not None


def test_whatever_a_constructor_raises_names_the_group():
    """An IndexError of its own code, too; the cause is kept."""
    with pytest.raises(GroupRefusedError, match=r"^Unpacking refuses group 'head': IndexError: tuple index") as caught:
        pg.Plan(pg.Rule("head.*", pair=(1,))).build(net(), Unpacking)
    assert isinstance(caught.value.__cause__, IndexError)


def test_an_optimizer_instance_is_no_class():
    """Said with its type, not its repr of many lines."""
    instance: Any = torch.optim.SGD(net().parameters(), lr=0.1)
    with pytest.raises(NotAnOptimizerError, match=r"^an? SGD is not a subclass of(.|\n)*class itself, not an instance"):
        pg.Plan(lr=0.1).build(net(), instance)


@pytest.mark.parametrize(
    "value", ["adam", Optimizer, torch.optim.lr_scheduler.StepLR, net()], ids=lambda v: str(v)[:20]
)
def test_what_is_no_optimizer_class_is_an_error(value):
    """Also where the plan gives nothing that could be checked against it."""
    with pytest.raises(NotAnOptimizerError):
        pg.Plan().build(net(), value)


def test_a_required_hyperparameter_may_come_from_anywhere():
    """From the plan, from build, or from rules that give it to every group."""
    rules = pg.Rule("body.*", lr=0.2), pg.Rule("head.*", lr=0.3)
    cases: list[tuple[pg.Plan, dict[str, Any], list[float]]] = [
        (pg.Plan(lr=0.1), {}, [0.1]),
        (pg.Plan(), {"lr": 0.1, "d_coef": 2.0}, [0.1]),
        (pg.Plan(*rules), {}, [0.2, 0.3]),
    ]
    for plan, keywords, lrs in cases:
        optimizer = plan.build(net(), Required, **keywords)
        assert [group["lr"] for group in optimizer.param_groups] == lrs
        assert all({**keywords}.items() <= {**group}.items() for group in optimizer.param_groups)


def test_a_required_hyperparameter_that_nobody_gives_is_an_error():
    """It names the group that lacks it."""
    text = "Required has no default for lr, and nothing gives one to group 'default'"
    with pytest.raises(MissingHyperparameterError, match=text):
        pg.Plan(pg.Rule("head.*", lr=0.3)).build(net(), Required)


def test_an_argument_that_is_no_hyperparameter_stays_out_of_the_groups():
    """SAM's inner class would make every checkpoint hold code."""
    optimizer = pg.Plan(lr=0.1).build(net(), Wrapping, base_optimizer=torch.optim.SGD, rho=2.0)
    assert set(optimizer.param_groups[0]) >= {"params", "name", "lr", "rho", "momentum"}
    assert "base_optimizer" not in optimizer.param_groups[0]
    assert optimizer.param_groups[0]["rho"] == 2.0


def mixed() -> tuple[nn.Module, pg.Plan]:
    """Four groups, of three different values, one written 0 and one 0.0."""
    model = nn.ModuleDict({name: nn.Linear(2, 2) for name in "abcd"})
    rules = (
        pg.Rule("a.*", weight_decay=0, name="a"),
        pg.Rule("b.*", weight_decay=0.0, name="b"),
        pg.Rule("c.*", lr=0.5, name="c"),
    )
    return model, pg.Plan(*rules, lr=0.1, weight_decay=0.2)


def test_merging_leaves_a_group_for_each_different_value():
    """Every rule and group that went into one still finds it."""
    model, plan = mixed()
    optimizer = plan.build(model, torch.optim.AdamW, merge=True)
    view = pg.view(optimizer)
    assert view.names == ["a-and-b", "c", "default"]
    assert view["a"].names == view["b"].names == ["a-and-b"]
    assert view["a"].parameter_names == ["a.weight", "a.bias", "b.weight", "b.bias"]
    assert len(plan.build(mixed()[0], torch.optim.AdamW).param_groups) == 4


def test_a_group_merged_from_many_names_three_and_counts_the_rest():
    """A name stays readable in a log."""
    model = nn.ModuleDict({name: nn.Linear(2, 2) for name in "abcde"})
    plan = pg.Plan(*(pg.Rule(f"{name}.*", name=name) for name in "abcde"), lr=0.1)
    assert pg.view(plan.build(model, torch.optim.SGD, merge=True)).names == ["a-and-b-and-c-and-2-more"]


def test_tensors_of_one_value_are_merged():
    """By their value, not by identity."""
    plan = pg.Plan(pg.Rule("head.*", name="head"), lr=torch.tensor(0.5))
    optimizer = plan.build(net(), torch.optim.AdamW, merge=True, capturable=True)
    assert pg.view(optimizer).names == ["default-and-head"]


def test_groups_is_the_one_line_form():
    """A list of dicts for any constructor, in the plan's order, named, the model left as it is."""
    model = net()
    dicts = pg.groups(model, pg.Rule("head.*", lr=pg.Times(0.1)), pg.Rule("body.*", frozen=True), lr=0.5)
    assert [(own["name"], own["lr"], len(own["params"])) for own in dicts] == [("head", 0.05, 1)]
    assert all(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(UnknownHyperparameterError, match="torch's optimizers"):
        pg.groups(model, learning_rate=0.1)


def test_a_plain_group_can_still_be_added_to_what_was_built():
    """Only a `param_names` of ours could make torch refuse an unnamed group, and there is none."""
    optimizer = pg.Plan(lr=0.1).build(net(), torch.optim.SGD)
    assert all("param_names" not in group for group in optimizer.param_groups)
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))]})
    assert pg.view(optimizer).names == ["default", "group1"]


def test_a_meta_model_can_be_built_for():
    """Before its weights are loaded."""
    with torch.device("meta"):
        model = net()
    assert pg.view(pg.Plan(lr=0.1).build(model, torch.optim.AdamW))["default"].parameter_names == [
        "body.weight",
        "head.weight",
    ]


def test_groups_alone_cannot_freeze_until_later():
    """Whoever made an optimizer of them would train at once what was to wait."""
    with pytest.raises(FreezeError, match=r"(?s)rule 'head' until 2 epochs says.*Plan\(\.\.\.\)\.build.*Timetable"):
        pg.groups(net(), pg.Rule("head.*", frozen=True, thaw="2 epochs"), lr=0.1)
