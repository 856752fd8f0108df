"""Rules applied in order, and what stands after each."""

import math
from typing import Any

import pytest
import torch
from torch import nn

import paramgroups as pg
from paramgroups.errors import HyperparameterValueError, NothingToScaleError, UnknownHyperparameterError
from paramgroups.params import named
from paramgroups.plan.cascade import match, resolve

ONE = nn.ParameterDict({"w": torch.zeros(2)})


def steps(*rules: pg.Rule, key: str = "lr", kind: type[torch.optim.Optimizer] | None = None, **defaults: Any) -> Any:
    """(given, result, struck out) for each contribution to one hyperparameter of the only parameter."""
    (group,) = pg.Plan(*rules, **defaults).on(ONE, kind).groups
    return [(step.given, step.result, step.overridden) for step in group.histories[0][key]]


def test_a_value_replaces_what_stands():
    """Defaults first, then rules in order; only the last one is not struck out."""
    assert steps(pg.Rule("*", lr=0.2), pg.Rule("w", lr=0.3), lr=0.1) == [
        (0.1, 0.1, True),
        (0.2, 0.2, True),
        (0.3, 0.3, False),
    ]


def test_a_times_multiplies_what_stands():
    """After a value it is part of the result, before one it is struck out with all below it."""
    half, tenth = pg.Rule("*", lr=pg.Times(0.5)), pg.Rule("w", lr=pg.Times(0.1))
    value = pg.Rule("w*", lr=0.4)
    assert steps(half, tenth, lr=1.0) == [
        (1.0, 1.0, False),
        (pg.Times(0.5), 0.5, False),
        (pg.Times(0.1), 0.05, False),
    ]
    assert steps(half, value, tenth, lr=1.0) == [
        (1.0, 1.0, True),
        (pg.Times(0.5), 0.5, True),
        (0.4, 0.4, False),
        (pg.Times(0.1), 0.4 * 0.1, False),
    ]


def test_each_hyperparameter_is_resolved_on_its_own():
    """A later rule that says nothing of one leaves it alone."""
    rules = pg.Rule("*", lr=0.2, weight_decay=0.3), pg.Rule("w", lr=0.4)
    assert steps(*rules, key="weight_decay") == [(0.3, 0.3, False)]


def test_nothing_to_scale_is_an_error_without_a_class_and_its_default_with_one():
    """So a factor is never taken for a value."""
    rule = pg.Rule("w", lr=pg.Times(0.5))
    text = r"Rule\('w', lr=Times\(0.5\)\) multiplies lr, but nothing stands there for 'w'"
    with pytest.raises(NothingToScaleError, match=text):
        steps(rule)
    assert steps(rule, kind=torch.optim.AdamW) == [(1e-3, 1e-3, False), (pg.Times(0.5), 5e-4, False)]


def test_nothing_is_resolved_for_what_is_frozen():
    """A factor for frozen parameters only multiplies nothing, and is no mistake."""
    model = nn.ParameterDict({"a": torch.zeros(1), "b": torch.zeros(1)})
    grouping = pg.Plan(pg.Rule("a", frozen=True), pg.Rule("a", lr=pg.Times(2))).on(model)
    assert [each.reason for each in grouping.frozen] == ["frozen by rule 'a'"]
    assert grouping.groups[0].hyperparameters == {}


@pytest.mark.parametrize("value", [(0.9, 0.999), None, True, "x"], ids=repr)
def test_what_is_no_number_cannot_be_multiplied(value):
    """The error is one of the plan's, with the rule and what stands."""
    key = "betas" if isinstance(value, tuple) else "mode"
    with pytest.raises(HyperparameterValueError) as caught:
        steps(
            pg.Rule("w", name=None, frozen=False, optional=False, thaw=None, warmup=None, **{key: pg.Times(2)}),
            **{key: value},
        )
    assert f"since what stands, {value!r}, is no number" in str(caught.value)


def test_a_product_out_of_range_is_an_error_of_the_group():
    """Two large factors overflow."""
    with pytest.raises(HyperparameterValueError, match="lr = inf in group 'w'"):
        steps(pg.Rule("w", lr=pg.Times(1e200)), lr=1e200)


def test_a_tensor_is_multiplied_in_its_own_type_and_not_in_place():
    """The plan's own tensor stays what it is."""
    lr = torch.tensor(0.5)
    found = steps(pg.Rule("w", lr=pg.Times(0.5)), lr=lr)
    assert found[-1][1] == torch.tensor(0.25)
    assert lr == 0.5


def contributed(*rules: pg.Rule | pg.LayerDecay, **defaults: Any) -> str:
    """The name of the only group."""
    (group,) = pg.Plan(*rules, **defaults).on(ONE).groups
    return group.name


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        ([], "default"),
        ([pg.Rule("w", lr=1)], "w"),
        ([pg.Rule("w", lr=1), pg.Rule("*", lr=2)], "all"),
        ([pg.Rule("w", lr=1, eps=1), pg.Rule("*", lr=2)], "w.all"),
        ([pg.Rule("w", lr=1, name="mine"), pg.Rule("*", lr=2)], "mine.all"),
        ([pg.Rule("w", name="mine")], "mine"),
        ([pg.Rule("w", lr=pg.Times(2)), pg.Rule("*", lr=2)], "all"),
        ([pg.Rule("w", lr=2), pg.Rule("*", lr=pg.Times(1.0))], "w.all"),
        ([pg.Rule("absent", lr=2, name="absent", optional=True)], "default"),
        ([pg.LayerDecay(0.5, {"*": 3}), pg.Rule("*", lr=1)], "layer03.all"),
        ([pg.LayerDecay(0.5, {"*": 1234}, hyperparameter="eps")], "layer1234"),
    ],
    ids=repr,
)
def test_a_group_is_named_by_the_rules_that_made_it(rules, name):
    """A named rule wherever it matches, another where what it gives or scales still stands."""
    assert contributed(*rules, lr=3, eps=1) == name


def test_layers_of_a_second_decay_are_told_from_those_of_the_first():
    """An encoder and a decoder, each with layers of its own: `layer-2-01` is no layer 201."""
    model = nn.ModuleDict({"encoder": nn.Linear(1, 1), "decoder": nn.Linear(1, 1)})
    decays = [pg.LayerDecay(0.5, {"*": 1}, select=f"{part}.*") for part in ("encoder", "decoder")]
    assert [group.name for group in pg.Plan(*decays, lr=1).on(model).groups] == ["layer01", "layer-2-01"]


def test_parameters_that_match_alike_share_one_result():
    """A thousand layers are a handful of cascades."""
    model = nn.ParameterList([torch.zeros(1) for _ in range(100)])
    params = named(model)
    plan = pg.Plan(pg.Rule("?", lr=0.2), lr=0.1)
    found = resolve(plan, match(plan, params), params, {})
    assert len({id(each) for each in found}) == 2


def test_layers_may_be_numbered_far_apart():
    """Only layers in use exist, whatever the numbers."""
    model = nn.ParameterDict({"a": torch.zeros(1), "b": torch.zeros(1)})
    grouping = pg.Plan(pg.LayerDecay(0.5, {"a": 0, "b": 10**6}), lr=1.0).on(model)
    assert [group.name for group in grouping.groups] == ["layer0000000", "layer1000000"]
    assert [group.hyperparameters["lr"] for group in grouping.groups] == [math.pow(0.5, 10**6), 1.0]


def test_a_layer_decay_of_an_unknown_hyperparameter_is_an_error():
    """Its one name is checked as those of rules are."""
    with pytest.raises(UnknownHyperparameterError, match=r"given in LayerDecay\(0.5, hyperparameter='lrr'\)"):
        pg.Plan(pg.LayerDecay(0.5, hyperparameter="lrr"), lr=1.0).on(ONE, torch.optim.SGD)
