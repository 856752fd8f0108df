"""A recipe without its data: all that is certainly wrong, at once."""

import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

import paramgroups as pg
from paramgroups.errors import ParamGroupsError, RecipeError
from paramgroups.recipe import make, outline, read, scheduler, tried
from paramgroups.train.batches import Batches
from paramgroups.train.job import Span
from strategies import chains_with_text

TEXT = """
schedules:
  lr: Warmup("5%").then(Cosine("rest"))
  head: {momentum: Linear("1 epoch")}
model: lenet
data: {name: fashion-mnist, root: nowhere}
optimizer: {name: SGD, nesterov: true}
plan:
  defaults: {lr: 0.1, momentum: 0.9}
  rules:
    - {select: "stem.*", frozen: true}
    - {select: "head.*", name: head}
    - {select: "backbone.*", lr: Times(0.1)}
horizon: {epochs: 2}
"""


def problems(text, *overrides):
    """All that is wrong."""
    Path("my.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        outline("my.yaml", overrides)
    assert caught.value.source == "my.yaml"
    return caught.value.problems


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder of its own."""
    monkeypatch.chdir(tmp_path)


def test_an_outline_needs_no_data():
    """The files of `data` are not there."""
    found = outline("fashion-mnist")
    assert [group.name for group in found.grouping.groups] == ["default", "no_decay"]
    assert found.optimizer is torch.optim.AdamW


@pytest.mark.parametrize("override", ["seed=1", "schedules.head.lr=null", 'schedules={"*head": {lr: "Linear(9)"}}'])
def test_what_drives_each_group_is_told_as_the_scheduler_has_it(override):
    """By rule, name and glob, later entries winning, null taking away."""
    found = tried(read(TEXT, overrides=["data=digits", override]).model_dump())
    claims = {f"{path}/{group}" for group, own in found.driven.items() for path in own}
    assert claims == set(scheduler(make(found), found).values())


def test_groups_have_the_arguments_of_the_optimizer():
    """As they are when it is made: a `Times` multiplies the argument, not the default of the class."""
    changes = ["optimizer={name: SGD, weight_decay: 0.5}", "plan.rules.1.weight_decay=Times(0.1)"]
    found = tried(read(TEXT, overrides=changes).model_dump())
    assert [group.hyperparameters["weight_decay"] for group in found.grouping.groups] == [0.5, 0.05]


@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ("plan.rules.0.select='steem.*'", "plan.rules.0", "'steem.*' matched none of the model's 15 parameters.\nDid "),
        ("plan.rules=[{select: '*', frozen: true}]", "plan", "Every parameter of the model is frozen"),
        ("plan.rules.1={layer_decay: 0.5, depth: {a: 1}}", "plan.rules.1", "LayerDecay: "),
        (
            "plan.rules=[{select: '*', lr: 1e308, name: head}, {select: '*', lr: Times(10), name: ten}]",
            "plan.rules.1.lr",
            "lr = inf in group 'head.ten' cannot be used.",
        ),
        ("schedules={haed: {lr: Constant()}}", "schedules.haed", "No parameter group is called 'haed'"),
        ("schedules={}", "schedules", "none is left to drive anything."),
        ("schedules={lr: null}", "schedules", "none is left to drive anything."),
        ("schedules.lr=Cosine('10 tokens')", "schedules.lr", "only steps, epochs and samples."),
        ("schedules.nesterov=Constant()", "schedules.nesterov", "a number for a schedule to drive it"),
        ("schedules.head.betas=Constant()", "schedules.head.betas", "it is no hyperparameter of SGD."),
        ("schedules.momentum=Constant(Absolute(-1))", "schedules.momentum", "momentum/backbone = -1.0 at step 0"),
        ("schedules.head.lr=Linear('50%', end=-1)", "schedules.head.lr", "gives lr/head = -0.1 at step "),
        (
            "schedules.lr=Warmup(9).then(Linear('rest', end=-1))",
            "schedules.lr",
            "That is in a run of 10 steps; in any ",
        ),
        ("schedules.lr=Warmup('90%').then(Linear('60%')).then(Cosine('rest'))", "schedules.lr", "'rest' would be -"),
        ("plan.defaults.momentum=0", "plan", "Nesterov momentum requires a momentum"),
        ("optimizer.dampening=-.inf", "optimizer.dampening", "-inf cannot be used. It must be a finite number."),
        ("model={name: lenet, width: 7}", "model", "num_channels"),
        ("model={name: lenet, width: -1}", "model", "lenet raised RuntimeError: Trying to create tensor with negative"),
        ("horizon.epochs=1e9", "horizon.epochs", "is not less than or equal to 1000000."),
    ],
)
def test_what_is_certainly_wrong_is_found_without_the_data(override, path, message):
    """At the path of the field that is to be changed."""
    ((where, what),) = problems(TEXT, override)
    assert where == path
    assert message in what


@pytest.mark.parametrize(
    "override",
    [
        "schedules.lr=Warmup(10000).then(Cosine('rest'))",
        "schedules.lr=Constant(steps='100000 samples').then(Cosine('rest'))",
        "schedules.lr=Linear(100).shift(-50).then(Warmup('99%')).then(Cosine('rest'))",
        "optimizer={name: SGD, fused: true}",
    ],
)
def test_what_the_data_may_put_right_is_no_mistake(override):
    """How many steps a run of so many epochs has is not known yet; weights are real ones, not on the meta device."""
    assert tried(read(TEXT, overrides=[override]).model_dump()).driven


def usable(schedule):
    """Whether a recipe may hold it."""
    return not (schedule.driven_by_metric or "Function" in repr(schedule) or "tokens" in repr(schedule))


@given(chains_with_text().filter(usable), st.sampled_from([0.5, 1.0, 7.0]), st.integers(1, 200))
@example(
    pg.Warmup(0).then(pg.Cosine("rest")).then(pg.schedules.WarmupStableDecay(13, warmup=0, cooldown="1.25%")), 0.5, 26
)
def test_what_is_told_without_the_data_is_wrong_with_any(schedule, epochs, batches):
    """However many batches an epoch has, the scheduler refuses it too."""
    data = {"model": "lenet", "data": "digits", "optimizer": "AdamW", "plan": {}, "horizon": {"epochs": epochs}}
    try:
        tried({**data, "schedules": {"betas[0]": repr(schedule)}})
    except RecipeError:
        horizon = Span(epochs).horizon(Batches(count=batches * 64, size=64, seed=0))
        optimizer = torch.optim.AdamW([torch.zeros(1)])
        with pytest.raises(ParamGroupsError):
            pg.Scheduler(optimizer, {"*": {"betas[0]": schedule}}, horizon=horizon)


def test_a_run_of_so_many_steps_is_known():
    """So that a rest that would be less than none is certain, and told with its numbers."""
    late = "schedules.lr=Warmup(100).then(Cosine('rest'))"
    ((where, what),) = problems(TEXT, "horizon={steps: 99}", late)
    assert (where, what.splitlines()[0]) == (
        "schedules.lr",
        "Of 99 steps Warmup(100) takes 100: 'rest' would be -1 steps.",
    )
    assert "in a run of" not in what
    assert tried(read(TEXT, overrides=["horizon={steps: 100}", late]).model_dump()).driven


def test_what_is_overridden_everywhere_is_tried_as_the_scheduler_does():
    """It drives nothing, so that its values do not matter; its durations are resolved all the same."""
    lr = "schedules.'*'={lr: Constant()}".replace("'", "")
    assert tried(
        read(TEXT, overrides=["schedules.head.momentum=null", "schedules.*={lr: Constant()}"]).model_dump()
    ).driven
    found = tried(read(TEXT, overrides=["schedules.lr=Linear(9, end=-1)", lr]).model_dump())
    assert {repr(own["lr"]) for own in found.driven.values()} == {"Constant()"}


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file():
    """Of fields, names, values, rules, groups and schedules alike."""
    changes = [
        "schedules.headd={lr: Constant()}",
        "schedules.lr=Cosin(3)",
        "optimizer.momentum=x",
        "plan.defaults={lr: -1, momentun: 1}",
        "plan.rules.1={select: 'head.*', name: head, lr: -2, eps: 1, dampening: .nan}",
        "plan.rules.2.select='bakbone.*'",
        "plan.rules.0.select='steem.*'",
        "sed=3",
    ]
    assert [path for path, _ in problems(TEXT, *changes)] == [
        "schedules.lr",
        "schedules.headd",
        "optimizer.momentum",
        "plan.defaults.lr",
        "plan.defaults.momentun",
        "plan.rules.0",
        "plan.rules.1.lr",
        "plan.rules.1.eps",
        "plan.rules.1.dampening",
        "plan.rules.2",
        "sed",
    ]


def test_all_schedules_that_are_wrong_are_told_at_once():
    """Each at its own path."""
    changes = ["schedules.lr=Constant(-1)", "schedules.nesterov=Constant()", "schedules.head.lr=Linear(9, end=-1)"]
    assert [path for path, _ in problems(TEXT, *changes)] == ["schedules.lr", "schedules.head.lr", "schedules.nesterov"]


def test_equal_rules_are_equally_wrong():
    """Each by its own number."""
    rule = "{select: 'haed.*', lr: 1}"
    assert [path for path, _ in problems(TEXT, f"plan.rules=[{rule}, {rule}]", "schedules={lr: Constant()}")] == [
        "plan.rules.0",
        "plan.rules.1",
    ]


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ("{select: 'haed.*', name: head}", "head"),
        ("{select: 'haed.*', name: head}", "backbone.head"),
        ("{select: 'haed.*', name: head}", "*head"),
        ("{layer_decay: 0.5, select: 'haed.*'}", "*layer03"),
    ],
)
def test_a_group_that_a_wrong_rule_would_make_is_no_second_mistake(rule, key):
    """Only the rule is to be changed."""
    changes = [f"plan.rules=[{rule}]", f'schedules={{"{key}": {{lr: Constant()}}}}']
    assert [path for path, _ in problems(TEXT, *changes)] == ["plan.rules.0"]


def test_a_harmless_value_leads_to_no_second_mistake():
    """Neither for what multiplies it, nor for its length."""
    changes = ["optimizer=AdamW", "plan.defaults={lr: x, betas: [2, 2]}", "schedules={lr: Constant()}"]
    assert [path for path, _ in problems(TEXT, *changes)] == ["plan.defaults.lr", "plan.defaults.betas"]


def test_a_tuple_of_another_length_is_told_where_it_is_given():
    """In the defaults and in rules."""
    changes = [
        "optimizer=AdamW",
        "plan.defaults={betas: [0.9]}",
        "plan.rules.1.betas=[0.9]",
        "schedules={lr: Constant()}",
    ]
    assert [path for path, _ in problems(TEXT, *changes)] == ["plan.defaults.betas", "plan.rules.1.betas"]


@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ("model=paramgroups_mine:data", "model", "paramgroups_mine:data returned tuple, no torch.nn.Module."),
        ("optimizer=paramgroups_mine:Net", "optimizer", "no subclass of torch.optim.Optimizer."),
        ("optimizer=paramgroups_mine:Broken", "plan", "Broken refuses group 'default': KeyError: 'inside'"),
        ("model={name: 'paramgroups_mine:Net', clases: 3}", "model", "paramgroups_mine:Net raised TypeError"),
        ("model=paramgroups_mine:Empty", "model", "Empty has no parameters"),
        ("plan.defaults.lrr=1", "plan.defaults.lrr", "it is no hyperparameter of Mine. Did you mean 'lr'?"),
        ("optimizer.lrr=1", "optimizer.lrr", "is no hyperparameter of Mine.\nDid you mean 'lr'?"),
        ("schedules={momentun: Constant()}", "schedules.momentun", "Did you mean 'momentum'"),
    ],
)
def test_own_code_that_does_not_fit_is_explained(own_text, override, path, message):
    """Whatever it raises or returns."""
    ((where, what),) = problems(own_text, override)
    assert where == path
    assert message in what


def test_own_code_that_fails_twice_is_told_of_twice(own_text):
    """The model and the optimizer are looked for apart."""
    found = problems(own_text, "model=paramgroups_mine:Nett", "optimizer=paramgroups_mine:Mina")
    assert [path for path, _ in found] == ["model", "optimizer"]


def test_a_warning_is_given_once(own_text):
    """Not again when the optimizer is made."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tried(
            read(
                own_text, overrides=["model=paramgroups_mine:Half", "plan.rules=[{select: 'a.*', lr: 1}]"]
            ).model_dump()
        )
    assert [each.category for each in caught] == [pg.plan.FrozenRuleWarning]
