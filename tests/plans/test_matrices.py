import pytest
import torch
from torch import nn

import paramgroups as pg
from muon_models import MODELS, expected, mlp
from paramgroups import plans
from paramgroups.errors import HyperparameterValueError, NoHiddenMatrixError, NotAModelError, NothingSelectedError
from paramgroups.expressions import read

EVERY_MODEL = pytest.mark.parametrize("kind", MODELS)


def algorithms(plan, model):
    """Parameter name -> the algorithm that the plan says, or the one beside it."""
    groups = plan.on(model).groups
    return {param.name: group.hyperparameters.get("algorithm", "adamw") for group in groups for param in group.params}


def group_of(plan, model, name):
    """The group in which a parameter is."""
    return next(group for group in plan.on(model).groups if name in [param.name for param in group.params])


@EVERY_MODEL
def test_every_parameter_has_the_algorithm_that_was_expected_of_it(kind):
    """Model by model, a table written by hand, parameter by parameter."""
    make, table = MODELS[kind]
    model = make()
    assert algorithms(plans.muon(model), model) == expected(table)


@EVERY_MODEL
def test_the_plan_prints_as_the_code_that_makes_it(kind):
    """What is printed can be read back, and is then the same plan."""
    plan = plans.muon(MODELS[kind][0](), lr=1e-3, muon_lr=0.02, adjust_lr_fn="original")
    assert read(repr(plan)) == plan


@EVERY_MODEL
def test_muon_takes_what_it_is_given(kind):
    """Each matrix is one that the optimizer accepts and can step; no convolution is among them."""
    model = MODELS[kind][0]()
    (matrices,) = (group for group in plans.muon(model).on(model).groups if group.name == "matrices")
    optimizer = pg.optim.Muon([param.parameter for param in matrices.params], lr=0.1)
    before = [param.parameter.clone() for param in matrices.params]
    for param in matrices.params:
        param.parameter.grad = torch.randn_like(param.parameter)
    optimizer.step()
    assert not any(torch.equal(old, param.parameter) for old, param in zip(before, matrices.params, strict=True))


def test_one_lr_and_one_decay_serve_both_and_vectors_have_no_decay():
    """With updates as large as AdamW's, there is one number each; norms, biases and scalars are not decayed."""
    model = nn.ModuleDict({"embed": nn.Embedding(9, 4), "inner": nn.Linear(4, 4), "norm": nn.LayerNorm((4, 4))})
    plan = plans.muon(model, lr=0.01, weight_decay=0.2, outer="embed.*")
    found = {group.name: group.hyperparameters for group in plan.on(model).groups}
    assert found == {
        "matrices": {"algorithm": "muon", "adjust_lr_fn": "match_rms_adamw", "lr": 0.01, "weight_decay": 0.2},
        "vectors": {"lr": 0.01, "weight_decay": 0.0},
        "default": {"lr": 0.01, "weight_decay": 0.2},
    }


@pytest.mark.parametrize("adjust_lr_fn", [None, "original", "match_rms_adamw"])
def test_muon_may_have_an_lr_of_its_own(adjust_lr_fn):
    """It is the hidden matrices' alone, and the ratio is the one that was asked for."""
    model = mlp()
    plan = plans.muon(model, lr=3e-4, muon_lr=0.02, adjust_lr_fn=adjust_lr_fn)
    values = group_of(plan, model, "2.weight").hyperparameters
    assert (values["lr"], values["adjust_lr_fn"]) == (0.02, adjust_lr_fn)
    assert {group_of(plan, model, name).hyperparameters["lr"] for name in ("0.weight", "2.bias", "4.bias")} == {3e-4}


@pytest.mark.parametrize("adjust_lr_fn", [None, "original"])
def test_an_lr_that_would_mean_two_things_is_refused(adjust_lr_fn):
    """AdamW's lr is far too small for Muon's own scale: it must be given, and the message says so."""
    with pytest.raises(HyperparameterValueError) as caught:
        plans.muon(mlp(), adjust_lr_fn=adjust_lr_fn)
    assert str(caught.value) == (
        f"muon_lr = None in plans.muon(adjust_lr_fn={adjust_lr_fn!r}) cannot be used.\n"
        "It must be given: one lr serves both only with adjust_lr_fn='match_rms_adamw'; with 'original', 0.02 is usual."
    )


def test_what_is_outer_can_be_said():
    """A selector takes the place of what would have been found; embeddings, norms and biases stay with AdamW."""
    model = mlp()
    found = algorithms(plans.muon(model, outer=pg.Named("4.*")), model)
    assert [name for name, algorithm in found.items() if algorithm == "muon"] == ["0.weight", "2.weight"]


def test_an_outer_selector_that_selects_nothing_is_a_mistake():
    """It is answered with the nearest name, instead of a head in Muon's hands."""
    model = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    with pytest.raises(NothingSelectedError, match=r"'haed\.\*' selects none .*\nDid you mean 'head\.\*'\?"):
        plans.muon(model, outer="haed.*")


@pytest.mark.parametrize(
    ("model", "matrices"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2)), ["2.weight"]),
        (nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), ["0.weight", "2.weight"]),
        (nn.Conv1d(3, 4, 3), []),
    ],
    ids=["convolutions", "two layers", "no matrix"],
)
def test_a_model_with_nothing_hidden_is_refused(model, matrices):
    """There is nothing for Muon: the error says which matrices there are, and what they were taken for."""
    with pytest.raises(NoHiddenMatrixError) as caught:
        plans.muon(model)
    assert (caught.value.model, caught.value.matrices) == (type(model).__name__, matrices)
    assert all(name in caught.value.outer for name in matrices)


def test_something_that_is_no_model_is_refused():
    """As everywhere."""
    with pytest.raises(NotAModelError):
        plans.muon([])  # type: ignore[arg-type]  # the mistake


def compiled(model):
    """Wrapped by `torch.compile`; the backend that compiles nothing loads fastest."""
    return torch.compile(model, backend="eager")


def on_meta(model):
    """Without any numbers."""
    return model.to("meta")


@pytest.mark.parametrize("wrap", [compiled, nn.DataParallel, on_meta])
def test_wrappers_and_the_meta_device_change_nothing(wrap):
    """A wrapped model has the plan of the model, and nothing of it is computed."""
    make, _ = MODELS["linear patches and two heads"]
    assert plans.muon(wrap(make())) == plans.muon(make())


def test_nothing_of_the_model_is_changed():
    """To make a plan, and to put it on the model, is to look."""
    model = mlp()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plans.muon(model).on(model)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


@EVERY_MODEL
def test_the_plan_builds_one_optimizer_of_two_algorithms(kind):
    """Every group is stepped by the algorithm that was expected, and every parameter that has a gradient moves."""
    make, table = MODELS[kind]
    model = make()
    optimizer = plans.muon(model).build(model, {"muon": pg.optim.Muon, "adamw": pg.optim.AdamW}, default="adamw")
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = {names[each]: group["algorithm"] for group in optimizer.param_groups for each in group["params"]}
    assert found == expected(table)
    before = {name: parameter.detach().clone() for parameter, name in names.items()}
    for parameter in names:
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    assert [name for parameter, name in names.items() if torch.equal(before[name], parameter)] == []
    assert {name for parameter, name in names.items() if "momentum_buffer" in optimizer.state[parameter]} == {
        name for name, algorithm in found.items() if algorithm == "muon"
    }
