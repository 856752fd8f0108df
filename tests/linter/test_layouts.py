"""Groups as plain facts."""

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings
from torch import nn
from torch.optim import SGD, AdamW

import paramgroups as pg
from lint_setups import Model
from paramgroups.errors import ForeignParameterError, NothingToTrainError
from paramgroups.linter.curves import Curve
from paramgroups.linter.layouts import (
    Layout,
    Members,
    is_embedding,
    is_norm_or_bias,
    is_output,
    of_grouping,
    of_optimizer,
)
from paramgroups.params import named
from strategies_models import models, plans

SPARED = pg.Rule(pg.NORMS | pg.BIASES, weight_decay=0.0, name="spared")


def members(layout):
    """Group -> the names of its parameters."""
    return {group.name: [param.name for param in group.params] for group in layout.groups}


def test_a_grouping_has_the_values_of_its_plan_over_those_of_the_class():
    """An optimizer would fill in the same."""
    model = Model()
    grouping = pg.Plan(SPARED, lr=0.5).on(model)
    bare, whole = of_grouping(grouping), of_grouping(grouping, AdamW)
    assert [group.decay for group in bare.groups] == [pytest.approx(np.nan, nan_ok=True), 0.0]
    assert [(group.values["lr"], group.decay) for group in whole.groups] == [(0.5, 0.01), (0.5, 0.0)]
    assert members(bare) == members(of_optimizer(pg.Plan(SPARED, lr=0.5).build(model, AdamW), model))


def test_an_optimizer_s_parameters_are_known_by_the_model_or_by_who_named_them():
    """By neither, nothing is said of them."""
    model = Model()
    optimizer = SGD(model.parameters(), lr=0.1)
    assert members(of_optimizer(optimizer)) == {"group0": []}
    assert len(members(of_optimizer(optimizer, model))["group0"]) == 8
    pg.name_groups(optimizer, model, ["all"])
    assert len(members(of_optimizer(optimizer))["all"]) == 8
    with pytest.raises(ForeignParameterError):
        of_optimizer(optimizer, Model())


def test_a_group_has_the_curves_that_name_it():
    """By hyperparameter; its weight decay in the run is the greatest of the curve."""
    curve = Curve(path="weight_decay", groups=("spared",), ticks=np.arange(3.0), values=np.array([0.0, 0.3, 0.2]))
    groups = of_grouping(pg.Plan(SPARED, lr=0.5).on(Model()), AdamW, [curve]).groups
    assert [(group.name, list(group.curves), group.decay) for group in groups] == [
        ("default", [], 0.01),
        ("spared", ["weight_decay"], 0.3),
    ]


@pytest.mark.parametrize(
    ("rules", "meant"),
    [
        ([pg.Rule("norm.*", weight_decay=0.2)], {"norm.weight", "norm.bias"}),
        ([pg.Rule(pg.EMBEDDINGS, weight_decay=0.2)], {"embed.weight"}),
        ([pg.Rule("norm.*", weight_decay=0.0)], set()),
        ([pg.Rule("norm.*", weight_decay=0.2), pg.Rule("*", weight_decay=0.2)], set()),
        ([pg.Rule("[ne]*", weight_decay=0.2)], {"norm.weight", "norm.bias", "embed.weight"}),
        ([pg.Rule("[nb]*", weight_decay=0.2)], set()),
    ],
)
def test_a_decay_is_deliberate_where_a_rule_gives_it_to_nothing_else(rules, meant):
    """And that rule's is the one that stands."""
    (group, *_) = of_grouping(pg.Plan(*rules, lr=0.5, weight_decay=0.1).on(Model())).groups
    assert group.deliberate == meant


@pytest.mark.parametrize(
    ("algorithms", "kind", "muon"),
    [
        ([None, None], SGD, [False, False]),
        ([None, None], type("Muon", (SGD,), {}), [True, True]),
        ([None, None], type("MyMuon", (type("Muon", (SGD,), {}),), {}), [True, True]),
        (["muon", "adamw"], SGD, [True, False]),
        (["Muon", "adamw"], type("Muon", (SGD,), {}), [True, False]),
        ([type("Muon", (SGD,), {}), AdamW], SGD, [True, False]),
        ([None, None], None, [False, False]),
    ],
)
def test_muon_is_told_by_the_group_or_else_by_the_class(algorithms, kind, muon):
    """A composite says it group by group, by name or by class."""
    groups = [Members("a", (), {} if each is None else {"algorithm": each}) for each in algorithms]
    layout = Layout(tuple(groups), kind)
    assert [layout.is_muon(group) for group in groups] == muon


def test_torch_s_muon_is_one():
    """Where this version of torch has it."""
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("torch has Muon from 2.9")
    layout = of_optimizer(torch.optim.Muon([nn.Parameter(torch.zeros(2, 2))]))
    assert layout.is_muon(layout.groups[0])


def test_groups_are_alike_by_values_and_by_curves():
    """Names are free; one that is driven otherwise is another."""
    curve = Curve(path="lr", groups=("a", "b"))
    groups = [Members(name, (), {"lr": 0.1, "name": name}, {"lr": curve}) for name in "ab"]
    other = Members("c", (), {"lr": 0.1}, {"lr": Curve(path="lr")})
    assert Layout((*groups, other)).distinct == 2
    assert Layout((*groups, Members("d", (), {"lr": 0.2}, {"lr": curve}))).distinct == 2
    assert Layout(tuple(groups)).distinct == 1
    assert Layout((*groups, other)).places == ["3 groups"]


def test_roles_are_those_wherever_a_parameter_is_used():
    """An embedding that is the head as well is a matrix of the head; a norm is one by its class."""
    apart, tied = ({param.name: param for param in named(Model(tied=tied))} for tied in (False, True))
    assert [name for name, param in apart.items() if is_embedding(param)] == ["embed.weight"]
    assert [name for name, param in tied.items() if is_embedding(param)] == []
    spared = [name for name, param in apart.items() if is_norm_or_bias(param)]
    assert spared == ["blocks.0.bias", "blocks.1.bias", "norm.weight", "norm.bias"]


@settings(max_examples=25)
@given(models(), plans())
def test_as_many_are_distinct_as_are_left_when_equal_ones_are_merged(model, plan):
    """By whoever merges them."""
    try:
        apart, merged = (plan.build(model, AdamW, merge=merge) for merge in (False, True))
    except NothingToTrainError:
        reject()
    assert of_optimizer(apart).distinct == len(merged.param_groups)


class Numbered(nn.Module):
    """Modules called as heads are, one of them of each block."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.ModuleDict({"fc": nn.Linear(2, 2)}) for _ in range(2))
        self.head = nn.ModuleDict({"hidden": nn.Linear(2, 2), "classifier": nn.Linear(2, 2)})
        self.fc = nn.Linear(2, 2)


def test_an_output_is_the_matrix_of_what_is_called_a_head_itself():
    """Not what lies hidden in one, nor what each block has."""
    assert [param.name for param in named(Numbered()) if is_output(param)] == ["head.classifier.weight", "fc.weight"]
