"""What became of each rule."""

import pytest
from hypothesis import given, reject, settings

import paramgroups as pg
from lint_setups import Model
from paramgroups.errors import NothingToTrainError
from paramgroups.linter.rulings import Lost, rulings
from paramgroups.plan import FrozenRuleWarning
from strategies_models import models, plans

NORM = frozenset({"norm.weight", "norm.bias"})


def ruled(*rules, model=None):
    """What became of these."""
    return list(rulings(pg.Plan(*rules, lr=0.1).on(model or Model())))


def test_a_rule_stands_where_anything_that_it_gives_does():
    """On any parameter, of any hyperparameter; what does not is told with what replaced it."""
    norm, bias = pg.Rule("norm.*", lr=0.2, eps=1e-6), pg.Rule("*.bias", lr=0.3)
    first, second = ruled(norm, bias)
    assert (first.code, first.reach, first.stands) == (repr(norm), NORM, True)
    assert first.lost == (Lost("norm.bias", "lr", 0.2, repr(bias)),)
    assert (second.stands, second.lost, second.frozen) == (True, (), ())
    assert first.places == [repr(norm)]
    assert first.others == {repr(norm): NORM, repr(bias): frozenset({"blocks.0.bias", "blocks.1.bias", "norm.bias"})}


def test_a_times_that_multiplies_what_stands_takes_nothing_away():
    """Only a value does."""
    assert [each.stands for each in ruled(pg.Rule("norm.*", lr=0.2), pg.Rule("*", lr=pg.Times(2)))] == [True, True]


def test_layers_are_one_rule():
    """Whichever of them stands."""
    decay = pg.LayerDecay(0.5)
    whole, _ = ruled(decay, pg.Rule("blocks.0.*", lr=0.2))
    assert (whole.stands, len(whole.lost), len(whole.reach)) == (True, 2, 8)
    dead, _ = ruled(decay, pg.Rule("*", lr=0.2))
    assert (dead.stands, len(dead.lost)) == (False, 8)


@pytest.mark.parametrize(
    "rule", [pg.Rule("norm.*", frozen=True), pg.Rule("norm.*", name="norm"), pg.Rule("absent", lr=1.0, optional=True)]
)
def test_a_rule_that_gives_nothing_is_none_of_these(rule):
    """It freezes, it only names, or it matches nothing, as it may."""
    assert ruled(rule) == []


def test_what_another_rule_has_frozen_has_nothing():
    """And why is told."""
    (norm,) = ruled(pg.Rule("norm.*", lr=0.2), pg.Rule("norm.*", frozen=True, name="still"))
    assert (norm.stands, norm.lost, norm.frozen) == (False, (), ("frozen by rule 'still'",) * 2)


def test_what_the_model_has_frozen_is_warned_of_already():
    """A rule on nothing else is none of these."""
    model = Model()
    model.norm.requires_grad_(False)
    with pytest.warns(FrozenRuleWarning):
        assert ruled(pg.Rule("norm.*", lr=0.2), model=model) == []


@settings(max_examples=25)
@given(models(), plans())
def test_a_rule_of_which_nothing_stands_may_be_dropped(model, plan):
    """No parameter has another value then: that is what it means."""

    def values(of: pg.Plan) -> dict[str, dict[str, object]]:
        return {param.name: group.hyperparameters for group in of.on(model).groups for param in group.params}

    try:
        dead = {ruling.code for ruling in rulings(plan.on(model)) if not ruling.stands}
    except NothingToTrainError:
        reject()
    for code in dead:
        rest = [rule for rule in plan.rules if repr(rule) != code]
        assert values(pg.Plan(*rest, **plan.defaults)) == values(plan)
