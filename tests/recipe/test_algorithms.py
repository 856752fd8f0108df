"""Several algorithms in a recipe: which classes are meant, and what is wrong with them."""

import pytest
import torch

from paramgroups.errors import RecipeError
from paramgroups.optim import Composite, Muon
from paramgroups.recipe import make, outline, read, scheduler, tried, write
from paramgroups.recipe.algorithms import classes_in

TEXT = """
model: lenet
data: digits
optimizer: {name: Composite, algorithms: {muon: "paramgroups.optim:Muon", adamw: AdamW}, default: adamw, foreach: false}
plan:
  defaults: {lr: 3e-3, betas: [0.9, 0.95]}
  rules:
    - {select: head.hidden.weight, algorithm: muon, lr: 0.02, name: hidden}
schedules: {lr: Linear("rest")}
horizon: {epochs: 1}
"""


def test_a_recipe_names_several_classes_and_who_is_updated_by_which():
    """Built-in ones and one's own; what is given reaches those that have it; the scheduler drives them all."""
    found = tried(read(TEXT).model_dump())
    assert found.optimizer == {"muon": Muon, "adamw": torch.optim.AdamW}
    job = make(found)
    made = scheduler(job, found).optimizer
    assert isinstance(made, Composite)
    groups = {group["name"]: (group["algorithm"], group["lr"], group.get("foreach")) for group in made.param_groups}
    assert groups == {"default": ("adamw", 3e-3, False), "hidden": ("muon", 0.02, None)}
    assert {group["betas"] for group in made.param_groups if "betas" in group} == {(0.9, 0.95)}


def test_it_reads_as_it_is_written():
    """As every recipe does."""
    recipe = read(TEXT)
    assert read(write(recipe)) == recipe


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        (": AdamW}", ": AdmW}", "optimizer.algorithms.adamw", "there is no optimizer 'AdmW'. Did you mean 'AdamW'"),
        (
            "default: adamw",
            "default: adam",
            "optimizer.default",
            "none of the algorithms. Did you mean 'adamw'?",
        ),
        (
            "algorithms: {muon:",
            "algoritms: {muon:",
            "optimizer.algorithms",
            "Composite needs a mapping from names to classes. Write {name: Composite",
        ),
        ("algorithm: muon", "algorithm: moun", "plan.rules.0.algorithm", "Did you mean 'muon'"),
        ("algorithm: muon", "algorithm: 3", "plan.rules.0", "the name of an algorithm, such as 'adamw'"),
        ("lr: 0.02", "betas: [0.9, 0.9]", "plan.rules.0", "no hyperparameter of Muon"),
        ("lr: 0.02", "momentun: 0.9", "plan.rules.0.momentun", "Did you mean 'momentum'"),
        ('"paramgroups.optim:Muon"', "torch.optim:LBFGS", "optimizer", "LBFGS cannot be one of several algorithms"),
        ('"paramgroups.optim:Muon"', "torch.nn:Linear", "optimizer", "no subclass of torch.optim.Optimizer"),
        ("select: head.hidden.weight", "select: head.*", "plan", "Muon refuses group 'hidden'"),
    ],
)
def test_a_mistake_is_told_where_it_stands(old, new, path, message, tmp_path):
    """With what was meant."""
    assert old in TEXT
    file = tmp_path / "my.yaml"
    file.write_text(TEXT.replace(old, new))
    with pytest.raises(RecipeError) as caught:
        outline(str(file))
    told = dict(caught.value.problems)
    assert path in told, told
    assert message in told[path]


def test_built_in_classes_are_known_before_anything_is_imported():
    """What is the user's own, or a mistake, is not."""
    assert classes_in("AdamW") is torch.optim.AdamW
    assert classes_in({"name": "SGD", "nesterov": True}) is torch.optim.SGD
    assert classes_in({"name": "Composite", "algorithms": {"a": "SGD"}}) == {"a": torch.optim.SGD}
    for unknown in (None, "own:Mine", {"name": "Composite"}, {"name": "Composite", "algorithms": {"a": "own:Mine"}}):
        assert classes_in(unknown) is None
