"""Rules that name an algorithm: what a parameter's values can be is what its own algorithm takes."""

import pytest
from torch import nn

import paramgroups as pg
from paramgroups.errors import HyperparameterValueError, UnknownAlgorithmError, UnknownHyperparameterError
from paramgroups.optim import SGD, AdamW, Muon

TWO = {"muon": Muon, "adamw": AdamW}
MATRICES = pg.Rule(pg.Ndim(2), algorithm="muon", name="matrices")


def net() -> nn.ModuleDict:
    """Two matrices and two biases."""
    return nn.ModuleDict({"body": nn.Linear(3, 2), "head": nn.Linear(2, 2)})


def values(plan, **options):
    """The values of each group, by name."""
    return {group.name: group.hyperparameters for group in plan.on(net(), TWO, **options).groups}


def test_an_algorithm_is_resolved_as_a_hyperparameter_is():
    """The last rule that names one wins; a default stands below them all, and the history tells."""
    plan = pg.Plan(MATRICES, pg.Rule("head.*", algorithm="adamw", name="head"))
    found = values(plan, default="adamw")
    assert {name: own["algorithm"] for name, own in found.items()} == {
        "matrices": "muon",
        "default": "adamw",
        "matrices.head": "adamw",
        "head": "adamw",
    }
    told = str(plan.on(net(), TWO, default="adamw").explain("head.weight"))
    assert "~~muon~~" in told
    assert "Rule('head.*', name='head', algorithm='adamw')" in told


def test_a_default_of_the_plan_reaches_those_whose_algorithm_has_it():
    """It is said of all parameters, and is no mistake where it means nothing."""
    plan = pg.Plan(MATRICES, algorithm="adamw", betas=(0.9, 0.95), momentum=0.9, lr=0.1)
    assert values(plan) == {
        "matrices": {"algorithm": "muon", "lr": 0.1, "momentum": 0.9},
        "default": {"algorithm": "adamw", "lr": 0.1, "betas": (0.9, 0.95)},
    }


def test_a_factor_multiplies_the_default_of_the_parameters_own_algorithm():
    """Adam's beta is not Muon's, nor is its eps."""
    plan = pg.Plan(MATRICES, pg.Rule("*", eps=pg.Times(10), name="all"))
    found = values(plan, default="adamw")
    assert [own["eps"] for own in found.values()] == [1e-6, 1e-7]


@pytest.mark.parametrize(
    ("plan", "error", "text"),
    [
        (
            pg.Plan(MATRICES, pg.Rule("head.*", betas=(0.9, 0.99))),
            UnknownHyperparameterError,
            (
                r"'betas', given in Rule\('head\.\*', betas=\(0\.9, 0\.99\)\) for 'head\.weight', "
                r"is no hyperparameter of Muon"
            ),
        ),
        (pg.Plan(MATRICES, momentun=0.9), UnknownHyperparameterError, "of Muon or AdamW.\nDid you mean 'momentum'"),
        (pg.Plan(pg.Rule("head.*", algorithm="moun")), UnknownAlgorithmError, "algorithm = 'moun' in Rule.*\n.*'muon'"),
        (pg.Plan(algorithm="adam"), UnknownAlgorithmError, "'adam' in the plan's defaults.*\n.*'adamw'"),
        (pg.Plan(MATRICES, pg.Rule("*", betas=(0.9,), algorithm="adamw")), HyperparameterValueError, "a tuple of 2"),
    ],
)
def test_a_mistake_names_its_rule(plan, error, text):
    """And the nearest word among those that would do."""
    with pytest.raises(error, match=text):
        plan.on(net(), TWO, default="adamw" if "algorithm" not in plan.defaults else None)


def test_what_has_no_algorithm_is_named():
    """There is no guess."""
    with pytest.raises(UnknownAlgorithmError, match="by which algorithm group 'default' is updated"):
        pg.Plan(MATRICES, lr=0.1).on(net(), TWO)


@pytest.mark.parametrize("value", [3, None, pg.Times(2), AdamW])
def test_an_algorithm_is_named_by_text(value):
    """A class would neither print nor compare nor be saved."""
    with pytest.raises(HyperparameterValueError, match="the name of an algorithm"):
        pg.Rule("head.*", algorithm=value)


def test_one_class_has_no_algorithms():
    """The error says how several are passed."""
    with pytest.raises(UnknownHyperparameterError, match=r"pass them by name: plan\.build\(model, \{'muon': Muon"):
        pg.Plan(MATRICES).on(net(), SGD)
