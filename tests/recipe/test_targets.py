"""What a recipe calls by name, and where the user's own code is found."""

import pytest
import torch
from pydantic import ValidationError

from paramgroups.recipe.targets import OPTIMIZERS, Target, call, check_data, check_model, check_optimizer, find
from paramgroups.train.models import MODELS, LeNet


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """A module of the user's own in the folder where the command is run."""
    (tmp_path / "paramgroups_own.py").write_text(
        "class Maker:\n    made = dict\n\ndef fail(**words):\n    raise KeyError('inside')\n\nnumber = 3\n"
    )
    (tmp_path / "paramgroups_broken.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])


def test_a_name_alone_is_text_and_with_arguments_a_mapping():
    """Both ways."""
    for data in ("lenet", {"name": "lenet", "width": 8, "sizes": [1, {"a": 2}]}):
        assert Target.model_validate(data).model_dump() == data
    written: object = Target.model_validate({"name": "lenet"}).model_dump()
    assert written == "lenet"
    assert Target.model_validate({"name": "a", "betas": [0.9, 0.99]}).arguments == {"betas": [0.9, 0.99]}


@pytest.mark.parametrize(
    ("check", "target", "problem"),
    [
        (check_model, "lennet", "there is no model 'lennet'. Did you mean 'lenet'? Your own code is written"),
        (check_data, "digts", "there is no data 'digts'. Did you mean 'digits'?"),
        (check_optimizer, "AdmW", "there is no optimizer 'AdmW'. Did you mean 'AdamW'"),
        (check_optimizer, "LBFGS", "there is no optimizer 'LBFGS'."),
        (check_optimizer, "torch.optim:", "'torch.optim:' is not of the form module:callable."),
        (check_model, "a b:c", "'a b:c' is not of the form module:callable."),
    ],
)
def test_an_unknown_name_is_explained(check, target, problem):
    """With the nearest, and how one's own is written."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is tested below
        check(Target.model_validate(target))
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("check", "data", "field", "problem"),
    [
        (check_model, {"name": "lenet", "widht": 8}, "widht", "lenet has no such argument. Did you mean 'width'?"),
        (
            check_optimizer,
            {"name": "AdamW", "fussed": True},
            "fussed",
            "AdamW has no such argument. Did you mean 'fused'?",
        ),
        (check_data, {"name": "digits", "root": "a"}, "root", "digits has no such argument. There are none."),
        (check_data, {"name": "fashion-mnist"}, "root", "fashion-mnist needs it."),
    ],
)
def test_wrong_and_missing_arguments_are_explained(check, data, field, problem):
    """At their own path."""
    with pytest.raises(ValidationError) as caught:
        check(Target.model_validate(data))
    (error,) = caught.value.errors()
    assert (error["loc"], error["msg"]) == ((field,), problem)


def test_own_code_is_not_looked_at_before_it_is_needed():
    """Reading a recipe imports nothing."""
    assert check_model(Target.model_validate({"name": "no_such_module:at.all", "anything": 3})).is_own_code


def test_every_optimizer_of_torch_but_two_is_known():
    """One needs a closure, the other sparse gradients."""
    assert OPTIMIZERS["AdamW"] is torch.optim.AdamW
    assert not {"LBFGS", "SparseAdam", "Optimizer"} & set(OPTIMIZERS)
    assert len(OPTIMIZERS) >= 11


@pytest.mark.usefixtures("own_module")
def test_own_code_is_found_where_the_command_is_run():
    """As deep inside the module as dots lead."""
    assert call("paramgroups_own:Maker.made", MODELS, {"a": 1}) == {"a": 1}
    assert find("lenet", MODELS) is LeNet


@pytest.mark.usefixtures("own_module")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("paramgroups_absent:f", "raised ModuleNotFoundError: No module named 'paramgroups_absent'"),
        ("paramgroups_broken:f", "raised ZeroDivisionError: division by zero"),
        ("paramgroups_own:Makr", "'paramgroups_own' has no 'Makr'. Did you mean 'Maker'?"),
        ("paramgroups_own:number", "paramgroups_own:number is int and cannot be called."),
        ("paramgroups_own:fail", "paramgroups_own:fail raised KeyError: 'inside'"),
    ],
)
def test_own_code_that_cannot_be_run_is_explained(name, problem):
    """Whatever it raises, and its own traceback is kept as the cause."""
    with pytest.raises((ValueError, TypeError)) as caught:
        call(name, MODELS, {})
    assert problem in str(caught.value)
