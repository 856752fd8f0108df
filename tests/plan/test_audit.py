"""Mistakes that only show on a model, each with its own error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn

import paramgroups as pg
from paramgroups import errors
from paramgroups.plan import FrozenRuleWarning
from paramgroups.plan.grouping import group


def net() -> nn.ModuleDict:
    """A body and a head."""
    return nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})


CASES = {
    "a dead rule": (
        pg.Plan(pg.Rule("haed.*", lr=1)),
        errors.UnmatchedRuleError,
        "Rule('haed.*', lr=1) matched none of the model's 4 parameters.\nDid you mean 'head.*'?",
    ),
    "a dead selector": (
        pg.Plan(pg.Rule(pg.NORMS & "head.*", lr=1)),
        errors.UnmatchedRuleError,
        "Rule(NORMS & Named('head.*'), lr=1) matched none",
    ),
    "a dead layer decay": (
        pg.Plan(pg.LayerDecay(0.5, select="bodies.*")),
        errors.UnmatchedRuleError,
        "LayerDecay(0.5, select='bodies.*') matched none",
    ),
    "an unknown hyperparameter": (
        pg.Plan(pg.Rule("head.*", momentun=0.9)),
        errors.UnknownHyperparameterError,
        "'momentun', given in Rule('head.*', momentun=0.9), is no hyperparameter of SGD.\nDid you mean 'momentum'",
    ),
    "another class's hyperparameter": (
        pg.Plan(betas=(0.9, 0.99)),
        errors.UnknownHyperparameterError,
        "'betas', given in the plan's defaults, is no hyperparameter of SGD.\nThe known ones: dampening,",
    ),
    "everything frozen": (
        pg.Plan(pg.Rule("*", frozen=True)),
        errors.NothingToTrainError,
        "Every parameter of the model is frozen: 4 frozen by rule 'all'.",
    ),
    "joined names that collide": (
        pg.Plan(pg.Rule("body.*", name="a"), pg.Rule("*.bias", name="b"), pg.Rule("head.weight", name="a.b")),
        errors.DuplicateNameError,
        "The name 'a.b' is borne by the group of rules ['a', 'b'] and by the group of rules ['a.b'].",
    ),
    "a rule called default": (
        pg.Plan(pg.Rule("head.*", name="default")),
        errors.DuplicateNameError,
        "The name 'default' is borne by the default group and by the group of rules ['default'].",
    ),
    "a rule called as a layer is": (
        pg.Plan(pg.Rule("head.*", name="layer01"), pg.LayerDecay(0.5, {"*": 1, "body.*": 0}), lr=0.1),
        errors.DuplicateNameError,
        "The name 'layer01' is borne by Rule('head.*', name='layer01') and by LayerDecay(0.5, depth=",
    ),
}


@pytest.mark.parametrize(("plan", "error", "text"), CASES.values(), ids=CASES)
def test_a_mistake_is_named(plan, error, text):
    """With the rule, the place and the nearest alternative."""
    with pytest.raises(error) as caught:
        plan.on(net(), torch.optim.SGD)
    assert str(caught.value).startswith(text)


def test_mistakes_can_be_kept_for_later():
    """The checks go on, each under the number of its rule; equal rules are told apart."""
    found: list[tuple[int | None, str]] = []

    @contextmanager
    def at(rule: int | None) -> Iterator[None]:
        try:
            yield
        except errors.PlanError as error:
            found.append((rule, type(error).__name__))

    dead, short = pg.Rule("haed.*", lr=1, beta=2), pg.Rule("body.*", betas=(0.9,))
    plan = pg.Plan(dead, dead, short, pg.Rule("head.*", lr=1e308), pg.Rule("head.*", lr=pg.Times(10)), momentum=1)
    grouping = group(plan, net(), torch.optim.AdamW, at)
    assert found == [
        (None, "UnknownHyperparameterError"),
        (0, "UnknownHyperparameterError"),
        (1, "UnknownHyperparameterError"),
        (0, "UnmatchedRuleError"),
        (1, "UnmatchedRuleError"),
        (2, "HyperparameterValueError"),
        (4, "HyperparameterValueError"),
    ]
    assert [each.name for each in grouping.groups] == ["body", "head.head-2"]


def test_an_optional_rule_may_match_nothing():
    """And then it is as if it were not there."""
    plan = pg.Plan(pg.Rule("absent.*", lr=1, name="absent", optional=True), lr=0.1)
    assert [group.name for group in plan.on(net()).groups] == ["default"]


def test_a_rule_that_matches_only_what_is_frozen_is_not_dead():
    """It may be a model that is thawed later."""
    model = net()
    model["body"].requires_grad_(False)
    with pytest.warns(FrozenRuleWarning, match="does nothing"):
        grouping = pg.Plan(pg.Rule("body.*", lr=1), lr=0.1).on(model)
    assert grouping.groups[0].name == "default"


def test_who_froze_everything_is_counted():
    """By reason."""
    model = net().requires_grad_(False)
    with pytest.raises(errors.NothingToTrainError, match="is frozen: 2 frozen by the model, 2 frozen by rule 'head'"):
        pg.Plan(pg.Rule("head.*", frozen=True)).on(model)


def test_an_empty_model_and_a_class_that_is_none_are_errors():
    """Before the plan is read."""
    with pytest.raises(errors.EmptyModelError, match=r"^Identity has no parameters"):
        pg.Plan(lr=0.1).on(nn.Identity())
    with pytest.raises(errors.NotAnOptimizerError, match="'adam' is not a subclass"):
        pg.Plan(lr=0.1).on(net(), "adam")  # type: ignore[arg-type]  # that is the point


def test_what_is_no_model_is_named_by_its_type():
    """Parameters, a class, or model and optimizer swapped; never a repr of many lines."""
    plan: Any = pg.Plan(lr=0.1)
    for call, text in (
        (lambda: plan.on(net().parameters()), "a generator is not a model"),
        (lambda: plan.on(nn.Linear), "the class Linear is not a model"),
        (lambda: plan.build(torch.optim.AdamW, net()), "the class AdamW is not a model"),
    ):
        with pytest.raises(errors.NotAModelError, match=text) as caught:
            call()
        assert isinstance(caught.value, TypeError)
        assert "plan.build(model, torch.optim.AdamW)" in str(caught.value)


def test_a_dead_selector_says_what_it_looks_for():
    """No name of the model is offered for what was not looked for by name."""
    for select, text in (
        (pg.NORMS, r"looks for norm layers"),
        (pg.NORMS & "head.*", r"looks for norm layers"),
        (pg.BIASES & "haed.*", r"Did you mean 'head\.\*'"),
        (pg.EMBEDDINGS, "looks for embeddings"),
        (pg.Kind(nn.Conv2d), r"owns \(Kind\(nn\.Conv2d\)\)"),
        (pg.Ndim(4), r"dimensions \(Ndim\(4\)\)"),
        (pg.Matching("^conv"), r"regular expression is found"),
        (~pg.ALL, "looks for parameters that ~ALL selects"),
        (pg.BIASES & pg.Ndim(2), "matches something by itself"),
        (pg.Within("haed"), r"Did you mean Within\('head'\)"),
    ):
        with pytest.raises(errors.UnmatchedRuleError, match=text) as caught:
            pg.Plan(pg.Rule(select, lr=1)).on(net())
        assert "There are" not in str(caught.value)


def test_a_glob_that_is_a_module_says_so():
    """The commonest slip of all."""
    with pytest.raises(errors.UnmatchedRuleError, match=r"'head' is a module.*'head\.\*' or Within\('head'\)"):
        pg.Plan(pg.Rule("head", lr=0.1)).on(net())


def test_a_rule_on_what_the_model_has_frozen_is_warned_of():
    """It names the rule, and says what to do; one of the plan's own frozen rules, or an optional one, does not."""
    model = net()
    model["head"].requires_grad_(False)
    with pytest.warns(FrozenRuleWarning, match=r"^Rule\('head\.\*', lr=1\) does nothing(.|\n)*requires_grad_\(True\)"):
        pg.Plan(pg.Rule("head.*", lr=1)).on(model)
    pg.Plan(pg.Rule("head.*", lr=1, optional=True), pg.Rule("*.bias", eps=1.0)).on(model)
    pg.Plan(pg.Rule("head.*", frozen=True), pg.Rule("head.*", lr=1)).on(model)


def test_a_tuple_of_another_length_is_an_error_once_the_class_is_known():
    """In a rule and in the defaults; without a class nothing is known of lengths."""
    allowed = r"It must be a tuple of 2, as \(0\.9, 0\.999\) is"
    rule = pg.Rule("head.*", betas=(0.9,))
    for plan, where in (
        (pg.Plan(rule, lr=0.1), "group 'head'"),
        (pg.Plan(lr=0.1, betas=(0.9, 0.9, 0.9)), "the plan's defaults"),
    ):
        with pytest.raises(errors.HyperparameterValueError, match=rf"in {where} cannot be used\.\n{allowed}"):
            plan.build(net(), torch.optim.AdamW)
        plan.on(net())


def test_without_a_class_only_near_misses_are_unknown():
    """A third-party name passes, a slip of a known one does not."""
    pg.Plan(pg.Rule("*", d_coef=1.0)).on(net())
    with pytest.raises(errors.UnknownHyperparameterError, match=r"no hyperparameter of torch's optimizers"):
        pg.Plan(pg.Rule("*", weight_decy=1.0)).on(net())
