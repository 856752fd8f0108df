"""What a user writes, checked as it is written."""

import pickle
from typing import Any

import numpy as np
import pytest
from torch import nn

import paramgroups as pg
import strategies_models as random
from paramgroups.errors import (
    DuplicateNameError,
    EmptyRuleError,
    HyperparameterValueError,
    InvalidNameError,
    PlanError,
)
from paramgroups.params import Param


def by_name(param: Param) -> int:
    """A depth that pickles."""
    return len(param.name)


REPRS = {
    "Times(0.1)": pg.Times(0.1),
    "Rule('head.*', lr=0.001)": pg.Rule("head.*", lr=1e-3),
    "Rule('a', name='a', optional=True, betas=(0.9, 0.99), lr=Times(2))": pg.Rule(
        pg.Named("a"), lr=pg.Times(2), betas=[0.9, 0.99], name="a", optional=True
    ),
    "Rule(Named('a', 'b'), frozen=True)": pg.Rule(pg.Named("a", "b"), frozen=True),
    "Rule('a', frozen=True, thaw='2 epochs', warmup=10, lr=0.1)": pg.Rule(
        "a", frozen=True, thaw="2 epochs", warmup=10, lr=0.1
    ),
    "Rule('a', frozen=True, thaw=5, warmup=Linear(4, start=0.1, end=1.0))": pg.Rule(
        "a", frozen=True, thaw="5 steps", warmup=pg.Linear(4, start=0.1, end=1.0)
    ),
    "Rule(NORMS | BIASES & ~Kind(nn.Linear), weight_decay=0)": pg.Rule(
        pg.NORMS | pg.BIASES & ~pg.Kind(nn.Linear), weight_decay=0
    ),
    "LayerDecay(0.75)": pg.LayerDecay(0.75),
    "LayerDecay(0.5, depth={'a.*': 0}, select=NORMS, min_scale=0.1, hyperparameter='weight_decay')": pg.LayerDecay(
        0.5, {"a.*": 0}, select=pg.NORMS, min_scale=0.1, hyperparameter="weight_decay"
    ),
    "LayerDecay(0.5, depth=by_name)": pg.LayerDecay(0.5, by_name),
    "Plan(Rule('a', lr=1), LayerDecay(0.5), lr=2)": pg.Plan(pg.Rule("a", lr=1), pg.LayerDecay(0.5), lr=2),
    "Plan()": pg.Plan(),
}


@pytest.mark.parametrize(("code", "value"), REPRS.items(), ids=REPRS)
def test_the_repr_is_the_code(code, value):
    """It is written so, makes an equal value, hashes alike and pickles."""
    assert repr(value) == code
    again = eval(code, {**random.NAMES, "by_name": by_name})
    assert again == value
    assert hash(again) == hash(value)
    assert pickle.loads(pickle.dumps(value)) == value


def test_the_order_of_keywords_is_no_difference_but_that_of_rules_is():
    """Hyperparameters are resolved each on its own; rules one after the other."""
    assert pg.Rule("a", lr=1, eps=2) == pg.Rule("a", eps=2.0, lr=1.0)
    one, other = pg.Rule("a", lr=1), pg.Rule("b", lr=1)
    assert pg.Plan(one, other, lr=1, eps=2) == pg.Plan(one, other, eps=2, lr=1)
    assert pg.Plan(one, other) != pg.Plan(other, one)


def test_numpy_numbers_become_plain():
    """The repr must be code without numpy, wherever a number is given."""
    assert repr(pg.Times(np.float64(0.5))) == "Times(0.5)"
    assert repr(pg.Rule("a", lr=np.float32(0.5))) == "Rule('a', lr=0.5)"
    assert repr(pg.LayerDecay(np.float64(0.5), min_scale=np.float64(0.25))) == "LayerDecay(0.5, min_scale=0.25)"
    assert repr(pg.Plan(lr=np.int64(1))) == "Plan(lr=1)"


WRONG: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any], type[Exception], str]] = {
    "an empty rule": (pg.Rule, ("a",), {}, EmptyRuleError, "Rule('a') gives its parameters nothing."),
    "no group name": (pg.Rule, ("a",), {"name": "a/b"}, InvalidNameError, "'a/b' cannot be the name"),
    "a negative lr": (pg.Rule, ("a",), {"lr": -1}, HyperparameterValueError, "lr = -1 in Rule('a', lr=-1) cannot"),
    "nan": (pg.Rule, ("a",), {"lr": float("nan")}, HyperparameterValueError, "lr = nan in Rule('a', lr=nan) cannot"),
    "thawed though not frozen": (
        pg.Rule, ("a",), {"thaw": 3, "lr": 1}, HyperparameterValueError,
        "thaw = 3 in Rule('a', thaw=3, lr=1) cannot be used.\nIt must be given with frozen=True, or left out.",
    ),
    "a warm-up in its own unit": (
        pg.Rule, ("a",), {"frozen": True, "thaw": 3, "warmup": pg.Constant(pg.Absolute(0.1))}, HyperparameterValueError,
        "warmup = Constant(Absolute(0.1)) in Rule cannot be used.\nIt must be a duration, or a schedule of factors.",
    ),
    "a warm-up that is no duration": (
        pg.Rule, ("a",), {"frozen": True, "thaw": 3, "warmup": 0.5}, HyperparameterValueError,
        "warmup = 0.5 in Rule cannot be used.\nIt must be a duration, or a schedule of factors.",
    ),
    "warming up though not thawed": (
        pg.Rule, ("a",), {"frozen": True, "warmup": 3}, HyperparameterValueError,
        "warmup = 3 in Rule('a', frozen=True, warmup=3) cannot be used.\nIt must be given with thaw=, or left out.",
    ),
    "frozen with an lr": (
        pg.Rule, ("a",), {"frozen": True, "lr": 1}, HyperparameterValueError,
        "frozen = True in Rule('a', frozen=True, lr=1) cannot be used.\nIt must be alone: what is frozen has no lr.",
    ),
    "parameters": (
        pg.Rule, ("a",), {"params": []}, HyperparameterValueError,
        "params = [] in Rule('a', params=()) cannot be used.\nIt must be left out: groups are filled by the plan.",
    ),
    "no selector": (pg.Rule, (3,), {"lr": 1}, TypeError, "3 selects no parameters."),
    "two globs": (pg.Rule, ("a.*", "b.*"), {"lr": 1}, TypeError,
        "Rule('a.*', 'b.*', ...) has 2 selectors; a rule has one.\nWrite Rule(Named('a.*', 'b.*'), ...)."),
    "two selectors": (pg.Rule, ("a.*", pg.NORMS), {"lr": 1}, TypeError,
        "Rule('a.*', NORMS, ...) has 2 selectors; a rule has one.\nWrite Rule(first | second, ...)."),
    "a negative factor": (pg.Times, (-1,), {}, HyperparameterValueError, "factor = -1 in Times cannot be used."),
    "a factor of text": (pg.Times, ("2",), {}, HyperparameterValueError, "factor = '2' in Times cannot be used."),
    "a factor of True": (pg.Times, (True,), {}, HyperparameterValueError, "factor = True in Times"),
    "a factor past floats": (pg.Times, (10**400,), {}, HyperparameterValueError, "factor = 1000"),
    "a decay of 0": (pg.LayerDecay, (0,), {}, HyperparameterValueError, "decay = 0 in LayerDecay cannot be used."),
    "a decay over 1": (pg.LayerDecay, (1.5,), {}, HyperparameterValueError, "decay = 1.5 in LayerDecay"),
    "a smallest factor over 1": (
        pg.LayerDecay, (0.5,), {"min_scale": 2}, HyperparameterValueError,
        "min_scale = 2 in LayerDecay cannot be used.\nIt must be a number in [0, 1].",
    ),
    "a depth that is none": (
        pg.LayerDecay, (0.5, 5), {}, HyperparameterValueError,
        "depth = 5 in LayerDecay cannot be used.\nIt must be a mapping from globs to layers, or a function",
    ),
    "a default that scales": (
        pg.Plan, (), {"lr": pg.Times(2)}, HyperparameterValueError,
        "lr = Times(2) in the plan's defaults cannot be used.\nIt must be a value: a default has nothing below it",
    ),
    "a default out of range": (
        pg.Plan, (), {"betas": (0.9, 1)}, HyperparameterValueError, "betas = (0.9, 1) in the plan's defaults"
    ),
    "a rule that is none": (pg.Plan, ("head.*",), {}, TypeError, "'head.*' is no rule.\nWrite Plan(Rule("),
    "two rules of one name": (
        pg.Plan, (pg.Rule("a", name="x"), pg.Rule("b", name="x")), {}, DuplicateNameError,
        "The name 'x' is borne by Rule('a', name='x') and by Rule('b', name='x').",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "arguments", "keywords", "error", "text"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_an_error_where_it_is_written(make, arguments, keywords, error, text):
    """Before any model is seen; with the rule and the value."""
    with pytest.raises(error) as caught:
        make(*arguments, **keywords)
    assert str(caught.value).startswith(text)
    assert error is TypeError or isinstance(caught.value, PlanError)


def test_every_rule_of_a_plan_has_a_name_of_its_own():
    """Given names stand; one made from a selector gives way, by number."""
    rules: list[pg.Rule | pg.LayerDecay] = [
        pg.Rule("head.*", lr=1),
        pg.Rule("head.*", eps=1),
        pg.Rule("*.head", lr=1),
        pg.Rule("x", name="head-2"),
        pg.LayerDecay(0.5),
        pg.LayerDecay(0.5, hyperparameter="weight_decay"),
    ]
    assert pg.Plan(*rules).labels == ("head", "head-3", "head-4", "head-2", "layer", "layer-2")


def test_a_layers_factor_is_never_below_the_smallest():
    """The formula, at both ends."""
    decay = pg.LayerDecay(0.5, min_scale=0.2)
    assert [decay.scale(layer, 4) for layer in range(5)] == [0.2, 0.2, 0.25, 0.5, 1.0]
    assert pg.LayerDecay(1).scale(0, 9) == 1.0
