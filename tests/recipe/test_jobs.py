"""From an outline to a job: everything is tried on the data before anything is trained."""

import pytest
import torch
from torch import nn

import paramgroups as pg
from paramgroups.errors import RecipeError
from paramgroups.recipe import built_in, make, outline, read, scheduler, tried

TEXT = """
model: lenet
data: digits
optimizer: {name: SGD, nesterov: true}
plan:
  defaults: {lr: 0.1, momentum: 0.9}
  rules:
    - {select: "stem.*", frozen: true}
    - {select: "head.*", name: head}
schedules:
  lr: Warmup("5%").then(Cosine("rest"))
  head: {momentum: Linear("1 epoch")}
horizon: {epochs: 2}
pretrain: {classes: [0, 1], epochs: 3, lr: 0.2}
compare: {lr: [0.1, 0.3]}
seed: 5
"""


def outlined(text=TEXT, *overrides):
    """What the text comes to, without the data."""
    return tried(read(text, overrides=overrides).model_dump(), "my.yaml")


def mistakes(text, *overrides):
    """What is wrong with the job, though not with the outline."""
    found = outlined(text, *overrides)
    with pytest.raises(RecipeError) as caught:
        make(found)
    assert caught.value.source == "my.yaml"
    return caught.value.problems


def mistake(text, *overrides):
    """The only thing that is wrong."""
    (problem,) = mistakes(text, *overrides)
    return problem


def test_a_job_has_what_the_recipe_says():
    """Section by section."""
    job = make(outlined())
    assert isinstance(job.model(), nn.Module)
    assert (job.optimizer, job.arguments) == (torch.optim.SGD, {"nesterov": True})
    assert job.plan == pg.Plan(pg.Rule("stem.*", frozen=True), pg.Rule("head.*", name="head"), lr=0.1, momentum=0.9)
    assert job.schedules["head"] == {"momentum": pg.Linear("1 epoch")}
    assert (job.batch_size, job.seed, job.grid) == (64, 5, (0.1, 0.3))
    assert job.pretraining is not None
    assert job.pretraining.classes == (0, 1)
    assert job.horizon() == pg.Horizon(42, epochs=2.0, samples=42 * 64)


def test_arguments_of_an_optimizer_are_as_python_writes_them():
    """YAML has lists where torch wants tuples."""
    changes = ["optimizer={name: AdamW, betas: [0.8, 0.9]}", "plan.defaults={lr: 0.1}", "schedules={lr: Constant()}"]
    job = make(outlined(TEXT, *changes))
    assert job.arguments == {"betas": (0.8, 0.9)}


def test_a_scheduler_is_that_of_the_last_training():
    """Its durations are those of the job's horizon."""
    found = outlined()
    driven = scheduler(make(found), found)
    assert driven.horizon == pg.Horizon(42, epochs=2.0, samples=42 * 64)
    assert driven.preview(42)["momentum/head"][21] == 0.0


@pytest.mark.parametrize("name", [name for name in built_in() if name != "fashion-mnist"])
def test_every_built_in_recipe_makes_a_job(name):
    """Except where it needs files that a user has."""
    found = outline(name)
    assert scheduler(make(found), found).preview(3)


def test_own_model_data_and_optimizer_are_used(own_text):
    """With the arguments beside their names."""
    job = make(outlined(own_text))
    assert getattr(job.optimizer, "__name__", None) == "Mine"
    assert len(job.data.train) + len(job.data.validation) + len(job.data.test) == 90
    assert job.model().state_dict()["head.weight"].shape == (3, 4)


@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ("schedules.lr=Warmup(43).then(Cosine('rest'))", "schedules.lr", "Of 42 steps Warmup(43) takes 43"),
        ("schedules.lr=Warmup(40).then(Cosine('rest'))", "schedules.lr", "Of 32 steps Warmup(40) takes 40"),
        ("pretrain.classes=[3, 11]", "pretrain.classes", "digits has no examples of [11], only of 0 to 9."),
        ("batch_size=400", "pretrain.classes", "A batch of 400 is more than"),
        (
            "model={name: lenet, classes: 5}",
            "model",
            "for 2 examples it gave (2, 5), not (2, 10): a score for each class.",
        ),
        ("model={name: lenet, channels: 3}", "model", "it cannot take inputs of shape (2, 1, 8, 8)"),
        ("data={name: fashion-mnist, root: nowhere}", "data", "is missing."),
    ],
)
def test_a_job_that_could_not_be_run_is_explained_by_its_path(override, path, message):
    """Before anything is trained."""
    where, what = mistake(TEXT, override)
    assert where == path
    assert message in what


def test_all_that_does_not_fit_the_data_is_told_at_once():
    """Each with its own path, in the order of the file."""
    assert [path for path, _ in mistakes(TEXT, "batch_size=2000")] == ["batch_size", "pretrain.classes"]
    late = "Warmup(50).then(Linear('rest'))"
    found = mistakes(TEXT, f"schedules.lr={late}", f'schedules.head.momentum="{late}"', "model.channels=3")
    assert [path for path, _ in found] == ["model", "schedules.lr", "schedules.head.momentum"]


def test_an_lr_that_is_chosen_needs_runs_of_its_own():
    """They learn from less, in fewer steps; where none is chosen, it does not matter."""
    changes = ["schedules.lr=Warmup(40).then(Cosine('rest'))", "compare=null"]
    assert make(outlined(TEXT, *changes)).horizon().steps == 42


@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ("data=paramgroups_mine:Net", "data", "paramgroups_mine:Net gave Net, not two or four tensors"),
        ("data=paramgroups_absent:f", "data", "No module named 'paramgroups_absent'"),
        ("batch_size=100", "batch_size", "A batch of 100 is more than the 54 examples to train on"),
    ],
)
def test_own_data_that_does_not_fit_is_explained(own_text, override, path, message):
    """Whatever it raises or returns."""
    where, what = mistake(own_text, override)
    assert where == path
    assert message in what
