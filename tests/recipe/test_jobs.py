"""From a recipe to a job: everything is tried on everything else before anything is trained."""

import pytest
import torch
from torch import nn

import paramgroups as pg
from paramgroups.errors import RecipeError
from paramgroups.recipe import built_in, driven, grouping, load, make, read, scheduler

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

OWN = """
import torch

class Net(torch.nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.head = torch.nn.Linear(4, classes)

    def forward(self, inputs):
        return self.head(inputs)

class Mine(torch.optim.SGD):
    pass

def data(count=60):
    return torch.randn(count, 4), torch.arange(count) % 3
"""


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    """A module of the user's own."""
    (tmp_path / "paramgroups_mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


OWN_TEXT = """
model: paramgroups_mine:Net
data: {name: "paramgroups_mine:data", count: 90}
optimizer: paramgroups_mine:Mine
plan: {defaults: {lr: 0.1}}
horizon: {steps: 4}
batch_size: 4
"""


def mistake(text, *overrides, of=make):
    """The only thing that is wrong."""
    with pytest.raises(RecipeError) as caught:
        of(read(text, "my.yaml", overrides), "my.yaml")
    assert caught.value.source == "my.yaml"
    (problem,) = caught.value.problems
    return problem


def test_a_job_has_what_the_recipe_says():
    """Section by section."""
    job = make(read(TEXT))
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
    job = make(read(TEXT, overrides=changes))
    assert job.arguments == {"betas": (0.8, 0.9)}


def test_a_scheduler_is_that_of_the_last_training():
    """Its durations are those of the job's horizon."""
    recipe = read(TEXT)
    driven = scheduler(make(recipe), recipe)
    assert driven.horizon == pg.Horizon(42, epochs=2.0, samples=42 * 64)
    assert driven.preview(42)["momentum/head"][21] == 0.0


@pytest.mark.parametrize("override", ["seed=1", "schedules.head.lr=null", 'schedules={"*head": {lr: "Linear(9)"}}'])
def test_what_drives_each_group_is_told_as_the_scheduler_has_it(override):
    """By rule, name and glob, later entries winning, null taking away; without an optimizer."""
    recipe = read(TEXT, overrides=[override])
    claims = scheduler(make(recipe), recipe).values()
    found = driven(recipe, grouping(recipe))
    assert {f"{path}/{group}" for group, own in found.items() for path in own} == set(claims)


def test_a_grouping_needs_no_data_and_no_memory_for_weights():
    """The files of `data` are not there, and the built-in model is only imagined."""
    found = grouping(load("fashion-mnist"))
    assert {param.parameter.device.type for param in found.params} == {"meta"}
    assert [group.name for group in found.groups] == ["default", "no_decay"]


@pytest.mark.parametrize("name", [name for name in built_in() if name != "fashion-mnist"])
def test_every_built_in_recipe_makes_a_job(name):
    """Except where it needs files that a user has."""
    recipe = load(name)
    assert scheduler(make(recipe), recipe).preview(3)


@pytest.mark.usefixtures("own_code")
def test_own_model_data_and_optimizer_are_used():
    """With the arguments beside their names."""
    job = make(read(OWN_TEXT))
    assert job.optimizer.__name__ == "Mine"
    assert len(job.data.train) + len(job.data.validation) + len(job.data.test) == 90
    assert job.model().state_dict()["head.weight"].shape == (3, 4)


@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ('plan.rules.0.select="steem.*"', "plan.rules.0", "matched none of the model's 15 parameters"),
        ('plan.rules=[{select: "*", frozen: true}]', "plan", "Every parameter of the model is frozen"),
        ("schedules={haed: {lr: Constant()}}", "schedules.haed", "No parameter group is called 'haed'"),
        ("model={name: lenet, width: 7}", "model", "num_channels"),
    ],
)
def test_a_plan_that_does_not_fit_is_explained_by_its_path(override, path, message):
    """Without the data being looked at."""
    where, what = mistake(TEXT, override, of=grouping)
    assert where == path
    assert message in what


@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ('schedules.lr=Linear("3 tokens")', "schedules", "needs the tokens of the run"),
        ("schedules.momentum=Constant(Absolute(-1))", "schedules", "It must be"),
        ("pretrain.classes=[3, 11]", "pretrain.classes", "digits has no examples of [11], only of 0 to 9."),
        ("batch_size=2000", "pretrain.classes", "A batch of 2000 is more than"),
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


@pytest.mark.usefixtures("own_code")
@pytest.mark.parametrize(
    ("override", "path", "message"),
    [
        ("model=paramgroups_mine:data", "model", "paramgroups_mine:data returned tuple, no torch.nn.Module."),
        ("optimizer=paramgroups_mine:Net", "optimizer", "no subclass of torch.optim.Optimizer."),
        ("model={name: 'paramgroups_mine:Net', clases: 3}", "model", "paramgroups_mine:Net raised TypeError"),
        ("data=paramgroups_mine:Net", "data", "paramgroups_mine:Net gave Net, not two or four tensors"),
        ("data=paramgroups_absent:f", "data", "No module named 'paramgroups_absent'"),
        ("batch_size=100", "batch_size", "A batch of 100 is more than the 54 examples to train on"),
    ],
)
def test_own_code_that_does_not_fit_is_explained(override, path, message):
    """Whatever it raises or returns."""
    where, what = mistake(OWN_TEXT, override)
    assert where == path
    assert message in what
