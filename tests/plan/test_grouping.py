"""What a plan comes to, as people see it."""

import contextlib
import gc
import time

import pytest
import torch
from torch import nn

import paramgroups as pg
from paramgroups.errors import ParameterNameError


def net() -> nn.ModuleDict:
    """Three parts, the last tied to the first."""
    model = nn.ModuleDict({"embed": nn.Embedding(100, 16), "norm": nn.LayerNorm(16), "head": nn.Linear(16, 100)})
    model["head"].weight = model["embed"].weight
    return model


PLAN = pg.Plan(
    pg.Rule(pg.NORMS | pg.BIASES, weight_decay=0.0, name="no_decay"),
    pg.Rule("*", lr=pg.Times(0.5)),
    pg.Rule("head.*", lr=1e-3),
    pg.Rule("head.*", lr=pg.Times(2)),
    pg.Rule("norm.bias", frozen=True),
    lr=3e-4,
    weight_decay=0.05,
)


def test_a_grouping_prints_as_a_table():
    """Groups in the order of their first parameter, then what is frozen, with the reason."""
    model = net()
    model["norm"].weight.requires_grad_(False)
    assert str(PLAN.on(model)).splitlines() == [
        "group                       tensors  elements  share     lr  weight_decay",
        "head.head-2                       1     1,600  92.4%  0.002          0.05",
        "no_decay.head.head-2              1       100   5.8%  0.002             0",
        "frozen by the model               1        16   0.9%      —             —",
        "frozen by rule 'norm.bias'        1        16   0.9%      —             —",
    ]


def test_explain_reads_like_a_style_inspector():
    """The value, under it each contribution in order, the overridden ones struck out; tied names in the title."""
    grouping = PLAN.on(net())
    assert str(grouping.explain("head.weight")).splitlines() == [
        "embed.weight: 1,600 elements, tied with head.weight in group head.head-2",
        "hyperparameter  value  given       by",
        "lr              0.002",
        "                       ~~0.0003~~  plan default",
        "                       ~~× 0.5~~   Rule('*', lr=Times(0.5))",
        "                       0.001       Rule('head.*', lr=0.001)",
        "                       × 2         Rule('head.*', lr=Times(2))",
        "weight_decay     0.05",
        "                       0.05        plan default",
    ]
    assert str(grouping.explain("embed.weight")) == str(grouping.explain("head.weight"))


def test_explain_says_who_froze_a_parameter():
    """The model or a rule; a typo is told the nearest name."""
    model = net()
    model["norm"].weight.requires_grad_(False)
    grouping = PLAN.on(model)
    assert grouping.explain("norm.weight").title == "norm.weight: 16 elements, frozen by the model"
    assert grouping.explain("norm.bias").title == "norm.bias: 16 elements, frozen by rule 'norm.bias'"
    with pytest.raises(ParameterNameError, match=r"Did you mean 'norm\.weight'"):
        grouping.explain("nrom.weight")


def test_explain_shows_no_rule_of_a_neighbour():
    """Two parameters of one group, one of them with a rule that was wholly overridden."""
    model = nn.ParameterDict({"a": torch.zeros(1), "b": torch.zeros(1)})
    grouping = pg.Plan(pg.Rule("a", lr=1), pg.Rule("*", lr=2), lr=3).on(model)
    assert [group.name for group in grouping.groups] == ["all"]
    assert [row[3] for row in grouping.explain("a").rows] == ["", "plan default", "Rule('a', lr=1)", "Rule('*', lr=2)"]
    assert [row[3] for row in grouping.explain("b").rows] == ["", "plan default", "Rule('*', lr=2)"]


def test_diff_names_what_moved_and_what_changed():
    """A row a parameter; equal groupings say so; so do absent and frozen parameters."""
    model = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    before = pg.Plan(lr=0.1).on(model)
    after = pg.Plan(pg.Rule("head.*", lr=0.2), pg.Rule("body.bias", frozen=True), lr=0.1, eps=1e-8).on(model)
    assert before.diff(after).rows == (
        ("body.weight", "default", "eps: — → 1e-08"),
        ("body.bias", "default → frozen by rule 'body.bias'", "lr: 0.1 → —"),
        ("head.weight", "default → head", "lr: 0.1 → 0.2, eps: — → 1e-08"),
        ("head.bias", "default → head", "lr: 0.1 → 0.2, eps: — → 1e-08"),
    )
    assert str(before.diff(before)).splitlines()[0] == "The groupings are equal."
    smaller = pg.Plan(lr=0.1).on(nn.ModuleDict({"body": model["body"]}))
    assert smaller.diff(before).rows[0] == ("head.weight", "(absent) → default", "lr: — → 0.1")


def test_the_dicts_are_fresh_and_share_nothing():
    """Two optimizers from one grouping do not reach each other."""
    lr = torch.tensor(0.1)
    grouping = pg.Plan(pg.Rule("head.*", eps=1e-6), lr=lr).on(net())
    one, other = grouping.param_groups(), grouping.param_groups()
    assert len({id(own["lr"]) for own in [*one, *other]} | {id(lr)}) == 2 * len(one) + 1
    one[0]["params"].clear()
    assert len(other[0]["params"]) > 0


def test_the_group_of_a_parameter_is_told_by_any_name():
    """Its name, or None where it is frozen."""
    grouping = PLAN.on(net())
    assert grouping.group_of("head.weight") == grouping.group_of("embed.weight") == "head.head-2"
    assert grouping.group_of("norm.bias") is None


def test_a_tied_parameter_is_frozen_once():
    """By a rule on either name."""
    grouping = pg.Plan(pg.Rule("head.*", frozen=True), lr=0.1).on(net())
    assert [each.param.names for each in grouping.frozen] == [("embed.weight", "head.weight"), ("head.bias",)]


def test_a_grouping_is_shown_by_rich_too():
    """The same table, with the same cells."""
    pytest.importorskip("rich", reason="only an extra brings it")
    table = PLAN.on(net()).__rich__()
    assert [column.header for column in table.columns] == [
        "group",
        "tensors",
        "elements",
        "share",
        "lr",
        "weight_decay",
    ]
    assert table.row_count == 4


def test_twenty_rules_over_twenty_thousand_parameters_take_a_moment():
    """A loose guard against a quadratic slip; bench/ has the figure."""
    with torch.device("meta"):
        model = nn.ModuleDict({"blocks": nn.Sequential(*(nn.Linear(2, 2) for _ in range(10_000)))})
    rules = [pg.Rule(f"blocks.*{i}.weight", lr=pg.Times(0.5 + i), name=f"rule{i}") for i in range(10)]
    rules += [pg.Rule(pg.Within(f"blocks.{i}*") & ~pg.NORMS, weight_decay=0.1 * i) for i in range(1, 10)]
    plan = pg.Plan(*rules, pg.Rule(pg.BIASES, weight_decay=0.0), lr=0.1, weight_decay=0.1)
    start = time.perf_counter()
    grouping = plan.on(model, torch.optim.AdamW)
    assert time.perf_counter() - start < 1.5
    assert sum(len(group.params) for group in grouping.groups) == 20_000


@pytest.mark.parametrize("fails", [False, True])
def test_planning_leaves_the_garbage_collector_as_it_was(fails):
    """It is paused meanwhile, and goes on afterwards, after an error too."""
    plan = pg.Plan(pg.Rule("nothing.*", lr=1.0) if fails else pg.Rule("*", lr=1.0))
    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        try:
            with contextlib.suppress(pg.errors.UnmatchedRuleError):
                plan.on(nn.Linear(2, 2))
            assert gc.isenabled() == enabled
        finally:
            gc.enable()


def test_a_frozen_parameter_explains_itself_in_one_line():
    """No heading of a table that has no rows; rich prints the same line."""
    table = PLAN.on(net()).explain("norm.bias")
    assert str(table) == str(table.__rich__()) == "norm.bias: 16 elements, frozen by rule 'norm.bias'"


def test_the_repr_of_a_grouping_is_one_line():
    """It counts; the table is what print shows."""
    assert repr(PLAN.on(net())) == "<Grouping of 3 groups, 4 parameters; 1 frozen>"
    assert repr(pg.Plan(lr=0.1).on(nn.Linear(2, 2, bias=False))) == "<Grouping of 1 group, 1 parameter>"
