"""What a recipe consists of."""

import pytest
from pydantic import ValidationError

import paramgroups as pg
from paramgroups.recipe.sections import HorizonSection, LayerDecayEntry, PlanSection, Recipe, RuleEntry

LEAST = {
    "model": "lenet",
    "data": "digits",
    "optimizer": "SGD",
    "plan": {"defaults": {"lr": 0.1}},
    "horizon": {"epochs": 1},
}


def problem(kind, data):
    """The only thing that is wrong with the data: where, and what."""
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(data)
    (error,) = caught.value.errors()
    return ".".join(str(part) for part in error["loc"] if not str(part).startswith("<")), error["msg"]


def test_a_rule_is_a_rule_of_the_library():
    """Every key that is not one of its own is a hyperparameter."""
    data = {"select": "NORMS | BIASES", "name": "plain", "optional": True, "lr": "Times(0.1)", "betas": [0.9, 0.99]}
    rule = RuleEntry.model_validate(data)
    assert rule.make() == pg.Rule(
        pg.NORMS | pg.BIASES, name="plain", optional=True, lr=pg.Times(0.1), betas=(0.9, 0.99)
    )
    assert rule.model_dump() == data


@pytest.mark.parametrize(
    ("warmup", "made"), [(10, 10), ("1 epoch", "1 epoch"), ("Warmup('5%')", pg.Warmup("5%")), (None, None)]
)
def test_a_rule_may_thaw_what_it_freezes(warmup, made):
    """Until when it says, with a warm-up as long as text or as a schedule."""
    data = {"select": "stem.*", "frozen": True, "thaw": "2 epochs"} | ({} if warmup is None else {"warmup": warmup})
    rule = RuleEntry.model_validate(data)
    assert rule.make() == pg.Rule("stem.*", frozen=True, thaw="2 epochs", warmup=made)
    assert rule.model_dump() == data


@pytest.mark.parametrize(
    ("more", "where", "said"),
    [
        ({"frozen": True, "thaw": "2 epchs"}, "rule.thaw", "has an unknown unit, 'epchs'"),
        ({"frozen": True, "thaw": "1e6 tokens"}, "rule.thaw", "only steps, epochs and samples"),
        ({"frozen": True, "thaw": 3, "warmup": "Warmup(1e6 tokens)"}, "rule.warmup", "cannot be read"),
        ({"thaw": 3, "lr": 1.0}, "", "given with frozen=True, or left out"),
    ],
)
def test_a_thaw_that_cannot_be_is_explained_where_it_stands(more, where, said):
    """As every field is."""
    found, message = problem(RuleEntry, {"select": "stem.*", **more})
    assert (found, said in message) == (where.removeprefix("rule."), True)


def test_a_layer_decay_is_one_of_the_library():
    """The factor is under `layer_decay`."""
    data = {
        "layer_decay": 0.75,
        "depth": {"stem.*": 0, "*": 1},
        "select": "~NORMS",
        "min_scale": 0.1,
        "hyperparameter": "lr",
    }
    entry = LayerDecayEntry.model_validate(data)
    assert entry.make() == pg.LayerDecay(0.75, {"stem.*": 0, "*": 1}, select=~pg.NORMS, min_scale=0.1)
    assert entry.model_dump() == data


def test_a_plan_has_both_in_order():
    """And the defaults below them."""
    data = {
        "defaults": {"lr": 0.1},
        "rules": [{"select": "a", "frozen": True}, {"layer_decay": 0.5}, {"select": "b", "lr": 1}],
    }
    assert PlanSection.model_validate(data).make() == pg.Plan(
        pg.Rule("a", frozen=True), pg.LayerDecay(0.5), pg.Rule("b", lr=1), lr=0.1
    )


@pytest.mark.parametrize(
    ("data", "where", "what"),
    [
        ({"defaults": {"lr": -1}}, "defaults.lr", "-1 cannot be used. It must be a finite number of at least 0."),
        ({"defaults": {"lr": "Times(2)"}}, "defaults.lr", "Times(2) has nothing below it to multiply. Give a value."),
        ({"rules": [{"select": "a", "lr": "fast"}]}, "rules.0.lr", "'fast' cannot be used."),
        ({"rules": [{"select": "a"}]}, "rules.0", "gives its parameters nothing"),
        ({"rules": [{"select": "a", "frozen": True, "lr": 1}]}, "rules.0", "what is frozen has no lr"),
        ({"rules": [{"select": "a", "name": "x y"}]}, "rules.0", "'x y' cannot be the name of a rule or group"),
        ({"rules": [{"layer_decay": 2}]}, "rules.0", "decay = 2"),
        ({"rules": [{"select": "a", "name": "n"}, {"select": "b", "name": "n"}]}, "", "The name 'n' is borne by"),
    ],
)
def test_a_plan_is_checked_as_the_library_checks_it(data, where, what):
    """At the path of the rule or the value."""
    place, message = problem(PlanSection, data)
    assert place == where
    assert what in message


def test_a_horizon_is_in_one_unit():
    """Neither both nor none, and more than nothing."""
    assert HorizonSection.model_validate({"epochs": 1.5}).epochs == 1.5
    for data in ({}, {"epochs": 1, "steps": 10}):
        assert problem(HorizonSection, data) == ("", "Value error, give either epochs or steps.")
    assert problem(HorizonSection, {"steps": 0})[0] == "steps"
    assert problem(HorizonSection, {"epochs": float("inf")})[0] == "epochs"


def test_schedules_are_for_every_group_or_for_some():
    """As `Scheduler` takes them, those for all groups first; null leaves a hyperparameter alone."""
    given = {"head": {"lr": None, "momentum": "Linear(3)"}, "lr": "Cosine('100%')"}
    recipe = Recipe.model_validate({**LEAST, "schedules": given})
    assert recipe.scheduled() == {
        "*": {"lr": pg.Cosine("100%")},
        "head": {"lr": None, "momentum": pg.Linear(3)},
    }
    assert list(recipe.scheduled()) == ["*", "head"]
    assert recipe.model_dump()["schedules"] == {"head": {"lr": None, "momentum": "Linear(3)"}, "lr": "Cosine('100%')"}


def test_without_schedules_the_lr_is_constant():
    """So that a recipe can leave them out."""
    assert Recipe.model_validate(LEAST).scheduled() == {"*": {"lr": pg.Constant()}}


def test_what_is_compared_includes_the_plan_s_own_lr():
    """Else an lr that was set would be without effect, in silence."""
    assert Recipe.model_validate({**LEAST, "compare": {"lr": [0.1, 1]}}).compare is not None
    where, message = problem(Recipe, {**LEAST, "compare": {"lr": [0.2]}})
    assert where == "compare"
    assert message.startswith("the plan's default lr, 0.1, is not among [0.2]")


def test_a_hyperparameter_is_given_in_one_place():
    """Neither of two would be the right one."""
    twice = {**LEAST, "optimizer": {"name": "SGD", "lr": 0.2}}
    assert problem(Recipe, twice) == ("optimizer.lr", "plan.defaults has lr too. Say it in one place.")


def test_an_lr_among_the_arguments_leaves_none_to_pretraining():
    """It would be given twice, once training has begun."""
    given = {
        "optimizer": {"name": "SGD", "lr": 0.2},
        "plan": {},
        "pretrain": {"classes": [0], "epochs": 1.0, "lr": 0.1},
    }
    where, message = problem(Recipe, {**LEAST, **given})
    assert where == "optimizer.lr"
    assert message.startswith("pretrain has an lr of its own")


def test_an_argument_of_the_optimizer_is_checked_as_a_hyperparameter():
    """At its own path."""
    where, message = problem(Recipe, {**LEAST, "optimizer": {"name": "SGD", "momentum": -1}})
    assert where == "optimizer.momentum"
    assert message.startswith("-1 cannot be used.")


def test_a_group_called_by_a_star_is_every_group():
    """Beside what is given for every group otherwise."""
    given = {"lr": "Linear(3)", "*": {"momentum": "Linear(4)", "dampening": "Linear(5)"}, "momentum": "Linear(6)"}
    assert Recipe.model_validate({**LEAST, "schedules": given}).scheduled() == {
        "*": {"lr": pg.Linear(3), "momentum": pg.Linear(4), "dampening": pg.Linear(5)}
    }


@pytest.mark.parametrize("data", [{"defaults": {"self": 1}}, {"rules": [{"select": "a", "self": 1}]}])
def test_what_cannot_be_an_argument_in_python_is_a_mistake(data):
    """Not an error of ours."""
    assert "multiple values for argument 'self'" in problem(PlanSection, data)[1]


@pytest.mark.parametrize("field", LEAST)
def test_nothing_that_matters_has_a_default(field):
    """Whoever reads the file sees what is trained, on what, how, and for how long."""
    assert problem(Recipe, {key: value for key, value in LEAST.items() if key != field}) == (field, "Field required")


@pytest.mark.parametrize(("field", "value"), [("batch_size", 0), ("batch_size", "8"), ("seed", -1), ("seed", 2**31)])
def test_numbers_have_their_ranges(field, value):
    """And text is no number."""
    assert problem(Recipe, {**LEAST, field: value})[0] == field
