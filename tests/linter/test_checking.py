"""`pg.check`: what it takes, what it leaves as it was, and how what is said of several is one finding."""

import copy

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim import SGD
from torch.optim import lr_scheduler as theirs

import paramgroups as pg
import runs
from lint_setups import Model
from paramgroups.errors import NothingToTrainError
from paramgroups.linter import Finding
from paramgroups.linter.checking import found_in
from paramgroups.linter.curves import Curve
from paramgroups.linter.layouts import Layout, Members
from paramgroups.recipe import built_in, outline, read, tried
from paramgroups.schedules import CosineRestarts, Noise, OneCycle, Plateau, WarmupStableDecay
from strategies import HORIZON, bases, chains_with_text, factors, schedules
from strategies_models import models, plans

RECIPE = """
model: lenet
data: digits
optimizer: SGD
plan:
  defaults: {lr: 0.1, weight_decay: 0.01}
  rules: [{select: NORMS | BIASES, weight_decay: 0.0}]
schedules: {lr: Warmup("5%").then(Cosine("rest"))}
horizon: {epochs: 15}
"""


def of_recipe(*overrides):
    """What is found in the recipe: code, where, sentence."""
    found = pg.check(tried(read(RECIPE, overrides=overrides).model_dump()))
    return [(each.code, each.where, each.sentence) for each in found]


def test_findings_come_in_the_order_of_their_codes():
    """Whatever they are about."""
    found = pg.check(pg.Linear(10, start=0.0, end=1.0).then(pg.Constant(1e-5)), horizon=pg.Horizon(100), base=0.1)
    assert [each.code for each in found] == ["PG101", "PG109", "PG112"]
    assert all(isinstance(each, Finding) for each in found)


@pytest.mark.parametrize(
    ("schedule", "options"),
    [
        (pg.Warmup("5%").then(pg.Cosine("rest", end=0.01)), {}),
        (pg.Warmup("2%").then(pg.Constant(steps="rest")).then(pg.Linear("20%")), {}),
        (pg.Warmup(1000) * pg.schedules.InverseSqrt(1000), {"horizon": None}),
        (pg.schedules.MultiStep(("50%", "75%")), {}),
        (pg.schedules.MultiStep((30, 60, 90)), {"horizon": pg.Horizon(100)}),
        (pg.Warmup("10%").then(pg.Linear("rest")), {}),
        (pg.Cosine("100%", end=0.1), {}),
        (pg.Cosine("100%", start=1.0, end=10.0), {"hyperparameter": "weight_decay", "base": 0.05}),
        (pg.Cosine("260 samples", end=0.1).then(pg.Constant(0.1)), {"horizon": pg.Horizon(1000, samples=300)}),
        (OneCycle("100%"), {"base": 0.1}),
        (
            OneCycle("100%", start=pg.Absolute(0.95), peak=pg.Absolute(0.85), end=pg.Absolute(0.95)),
            {"hyperparameter": "momentum", "base": 0.9},
        ),
        (WarmupStableDecay("100%", warmup="2%", cooldown="20%"), {}),
        (CosineRestarts("25%", cycles=4, decay=0.5), {}),
        (pg.Warmup("10%").then(pg.Cosine("10%").repeat()), {}),
        (pg.Cosine("100%") * Noise(0.1), {}),
        (pg.Warmup("5%") * Plateau(), {}),
        (pg.Cosine("100%", end=pg.Absolute(1e-6)), {"base": {"body": 1e-4, "head": 1e-3}}),
        (pg.Linear("100%", end=pg.Absolute(0.85)), {"hyperparameter": "betas[0]", "base": 0.9}),
    ],
)
def test_what_is_recommended_is_clean(schedule, options):
    """The shapes of `docs/choosing.md`, and what papers train by."""
    assert pg.check(schedule, **{"horizon": pg.Horizon(1000, epochs=10), **options}) == []


@given(schedules(), st.none() | bases, st.integers(1, 2000))
def test_any_schedule_can_be_checked(schedule, base, steps):
    """Whatever it is made of; the same is found each time, each thing once, and nothing but of schedules."""
    horizon = pg.Horizon(steps)
    found = pg.check(schedule, horizon=horizon, base=base)
    assert found == pg.check(schedule, horizon=horizon, base=base)
    assert len(set(found)) == len(found)
    assert {(each.code[:3], each.where) for each in found} <= {("PG1", "lr")}


@given(schedules(factors), st.floats(0.001, 0.9))
def test_the_base_of_factors_makes_no_difference(schedule, base):
    """A curve that is in proportion to its base is as right at any, below 1, where a factor is a value."""
    horizon = pg.Horizon(100)
    assert pg.check(schedule, horizon=horizon, base=base) == pg.check(schedule, horizon=horizon)


@given(chains_with_text(factors))
def test_what_waits_for_a_horizon_is_as_right_as_what_has_it(schedule):
    """Resolved by hand it is the same, but for what only shares of the run can tell."""
    written = pg.check(schedule, horizon=HORIZON)
    resolved = pg.check(schedule.resolve(HORIZON), horizon=HORIZON)
    assert [each for each in written if each.code not in {"PG103", "PG104"}] == [
        each for each in resolved if each.code != "PG103"
    ]


@settings(max_examples=25)
@given(models(), plans())
def test_any_plan_can_be_checked(model, plan):
    """Before there is an optimizer, and after; nothing but of groups and rules is found."""
    try:
        optimizer = plan.build(model, torch.optim.AdamW)
    except NothingToTrainError:
        reject()
    for found in (pg.check(plan.on(model)), pg.check(optimizer)):
        assert {each.code[:3] for each in found} <= {"PG2"}


def test_a_run_is_left_as_it_is():
    """State, values, clock and journal; a run that is checked at every step is one that is not."""
    checked, plain = runs.made(), runs.made()
    for _ in range(10):
        pg.check(checked[2])
        pg.check(checked[1], horizon=runs.HORIZON)
        runs.train(*checked[:2])
        runs.train(*plain[:2])
    assert checked[2].state_dict() == plain[2].state_dict()
    assert str(checked[1].state_dict()) == str(plain[1].state_dict())


def test_an_optimizer_is_free_for_a_scheduler_after_it_was_checked_for_one():
    """Nothing was attached, and its groups have what they had."""
    optimizer = SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    before = copy.deepcopy(optimizer.state_dict())
    pg.check(optimizer, lr=pg.Cosine(10), horizon=pg.Horizon(10))
    assert optimizer.state_dict() == before
    assert pg.Scheduler(optimizer, lr=pg.Cosine(10)).values() == {"lr/group0": 0.1}


def test_what_is_said_of_several_groups_is_one_finding():
    """Where, three by name; of every group, the hyperparameter alone."""

    def where(count, driven):
        names = [f"g{index}" for index in range(count)]
        curves = [Curve(path="lr", groups=(name,), percent=110.0) for name in names[:driven]]
        layout = Layout(tuple(Members(name, (), {}) for name in names), left_alone=names)
        (found,) = found_in([layout, *curves])
        return found.where

    assert where(6, 2) == "lr/g0, lr/g1"
    assert where(6, 5) == "lr/g0, lr/g1, lr/g2 and 2 more"
    assert where(6, 6) == where(1, 1) == "lr"


@pytest.mark.parametrize("name", built_in())
def test_the_recipes_that_come_with_the_package_are_clean(name):
    """Nothing that this library finds is in what it shows."""
    assert pg.check(outline(name)) == []


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("seed=1", []),
        ("schedules.lr=Warmup('10%').then(Cosine('100%'))", [("PG104", "lr", "its parts add up to 110 % of the run")]),
        ("schedules.lr=Linear(15)", [("PG302", "lr", ...)]),
        ("schedules.lr=Linear(100)", [("PG102", "lr", ...)]),
        ("schedules.lr=Linear(1000)", []),
        ("schedules.lr=Warmup(400).then(Linear('rest'))", []),
        ("schedules.lr=Warmup('60%').then(Linear('rest'))", [("PG114", "lr", ...)]),
        ("schedules.no_decay.lr=null", []),
        ("optimizer=AdamW", []),
    ],
)
def test_of_a_recipe_is_told_what_holds_however_much_data_there_is(override, found):
    """In a run of ten batches an epoch, or as few as leave room, and in a very long one alike."""
    overrides = [override] if "no_decay" not in override else [override, "plan.rules.0.name=no_decay"]
    told = of_recipe(*overrides)
    assert [each[:2] for each in told] == [each[:2] for each in found]
    for (_, _, sentence), (_, _, wanted) in zip(told, found, strict=True):
        assert sentence == wanted or wanted is ...


def test_what_depends_on_the_length_of_a_run_says_of_which():
    """The numbers are those of the short one."""
    note = "(in a run of 150 steps, and likewise in any longer one)"
    over = "it ends at step 100 of 150, and stays at 0 % of its peak"
    assert of_recipe("schedules.lr=Linear(100)") == [("PG102", "lr", f"{over} {note}")]
    exact = "it ends at step 100 of 300, and stays at 0 % of its peak"
    assert of_recipe("schedules.lr=Linear(100)", "horizon={steps: 300}") == [("PG102", "lr", exact)]


def test_a_recipe_s_groups_have_the_defaults_of_its_optimizer():
    """AdamW decays where nobody says so."""
    (found,) = of_recipe("optimizer=AdamW", "plan={defaults: {lr: 0.1}}")
    assert found[:2] == ("PG201", "group default")


@pytest.mark.parametrize(
    ("what", "options", "message"),
    [
        (pg.Plan(), {}, "a Plan cannot be checked.\nA plan is checked on a model: check(plan.on(model))."),
        (Model(), {}, "a Model cannot be checked.\nA plan is checked on a model: check(plan.on(model))."),
        (
            {"lr": pg.Cosine(9)},
            {},
            (
                "a dict cannot be checked.\n"
                "Pass a schedule, plan.on(model), an optimizer, a scheduler, or a recipe's outline."
            ),
        ),
        (
            pg.Cosine(9),
            {"model": Model(), "lr": pg.Cosine(9)},
            "check(a Cosine) has no use for lr, model.\nIt takes horizon, base, hyperparameter.",
        ),
        (
            pg.Plan(lr=0.1).on(Model()),
            {"horizon": HORIZON},
            "check(a Grouping) has no use for horizon.\nIt takes nothing else.",
        ),
        (
            SGD([nn.Parameter(torch.zeros(1))]),
            {"lr": pg.Cosine(9), "ticks": "step"},
            "check(a SGD) has no use for ticks.\nIt takes schedules, horizon, model, lr.",
        ),
        (
            outline("fashion-mnist"),
            {"schedules": {"*": {}}},
            "check(an Outline) has no use for schedules.\nIt takes nothing else.",
        ),
    ],
)
def test_what_cannot_be_checked_is_explained(what, options, message):
    """And so is what has no meaning beside it."""
    with pytest.raises(TypeError) as caught:
        pg.check(what, **options)
    assert str(caught.value) == message


def test_an_unknown_tick_is_explained():
    """There are two."""
    with pytest.raises(ValueError, match=r"ticks='batch' is unknown.\nChoose 'step' or 'epoch'."):
        pg.check(pg.Cosine(9), ticks="batch")  # type: ignore[arg-type]  # that is the point


def test_a_wrapper_s_optimizer_is_the_one_beneath_it():
    """As everywhere."""
    inner = SGD(Model().parameters(), lr=0.1)
    wrapper = object.__new__(SGD)
    vars(wrapper).update(vars(inner), optimizer=inner)
    (found,) = pg.check(wrapper, {"*": {"lr": pg.Linear(9, start=0.0, end=1.0)}})
    assert found.code == "PG101"


def test_the_scheduler_s_own_horizon_may_be_replaced():
    """Where it has none, or a longer run is thought of."""
    scheduler = pg.Scheduler(SGD([nn.Parameter(torch.zeros(1))], lr=0.1), lr=pg.Cosine(100))
    assert pg.check(scheduler) == []
    (found,) = pg.check(scheduler, horizon=pg.Horizon(200))
    assert found.code == "PG102"


def test_a_scheduler_of_torch_may_have_been_stepped():
    """Its past is not judged by what is left of it."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = theirs.CosineAnnealingLR(optimizer, 100, 0.005)
    (parameter,) = optimizer.param_groups[0]["params"]
    for _ in range(90):
        parameter.grad = torch.ones(1)
        optimizer.step()
        scheduler.step()
    assert pg.check(scheduler, horizon=pg.Horizon(100)) == []
