"""Recipes as text: read, changed, checked whole, and written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import paramgroups as pg
from paramgroups.errors import RecipeError
from paramgroups.recipe import Recipe, built_in, load, read, validated, write
from paramgroups.recipe.leaves import select_text, value_data
from paramgroups.schedules import Schedule
from strategies import chains_with_text
from strategies_models import plans

TEXT = """
model: {name: lenet, width: 8}
data: digits
optimizer: AdamW
plan:
  defaults: {lr: 1e-3}
  rules:
    - {select: NORMS, weight_decay: 0}
    - {layer_decay: 0.5}
schedules:
  lr: Warmup("5%").then(Cosine("rest", end=0.01))
  head: {lr: "Linear('100%', end=0.5)"}
horizon: {epochs: 3}
"""


def mistakes(text, *overrides):
    """The problems that are found."""
    with pytest.raises(RecipeError) as caught:
        read(text, "my.yaml", overrides)
    assert caught.value.source == "my.yaml"
    return caught.value.problems


def as_data(plan):
    """A plan as a recipe has it."""
    entries = [
        {"select": select_text(rule.select), "name": rule.name, "frozen": rule.frozen, "optional": rule.optional}
        | {"thaw": rule.thaw, "warmup": repr(rule.warmup) if isinstance(rule.warmup, Schedule) else rule.warmup}
        | {key: value_data(value) for key, value in rule.hyperparameters.items()}
        for rule in plan.rules
    ]
    return {"defaults": {key: value_data(value) for key, value in plan.defaults.items()}, "rules": entries}


def usable(schedule):
    """Whether a file may hold it."""
    return not (schedule.driven_by_metric or "Function" in repr(schedule) or "tokens" in repr(schedule))


@given(plans(), st.dictionaries(st.sampled_from(["lr", "eps", "betas[1]"]), chains_with_text().filter(usable)))
def test_every_recipe_round_trips(plan, schedules):
    """What is written is read as an equal recipe, which makes the plan and has the schedules it was made of."""
    data = {"model": "lenet", "data": "digits", "optimizer": "AdamW", "plan": as_data(plan), "horizon": {"steps": 9}}
    recipe = validated({**data, "schedules": {path: repr(schedule) for path, schedule in schedules.items()}})
    assert read(write(recipe)) == recipe
    assert recipe.plan.make() == plan
    assert recipe.scheduled() == ({"*": schedules} if schedules else {})


@pytest.mark.parametrize("name", built_in())
def test_every_built_in_recipe_round_trips(name):
    """As YAML and as JSON."""
    recipe = load(name)
    assert read(write(recipe)) == recipe
    assert validated(json.loads(json.dumps(recipe.model_dump()))) == recipe


def test_numbers_are_those_of_yaml_1_2():
    """`1e-3` is a number, `no` and `012` are not what YAML 1.1 takes them for."""
    assert read(TEXT).plan.make().defaults == {"lr": 0.001}
    assert read(TEXT, overrides=["plan.defaults.lr=1e-3"]) == read(TEXT)
    assert read(TEXT, overrides=["seed=012"]).seed == 12


def test_a_resolved_recipe_spells_every_setting_out():
    """A later version with other defaults would still run the same."""
    text = write(read(TEXT))
    assert "batch_size: 64\n" in text
    assert "seed: 0\n" in text
    assert "null" not in text


def test_a_recipe_is_read_from_a_file(tmp_path):
    """And the same by the name of one that is built in."""
    path = tmp_path / "my.yaml"
    path.write_text(TEXT)
    assert load(str(path)) == read(TEXT)
    assert isinstance(load("digits-finetune"), Recipe)
    assert built_in() == sorted(built_in())


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("plan.rules.0.lr=1e-3", lambda r: r.plan.make().rules[0] == pg.Rule(pg.NORMS, weight_decay=0, lr=0.001)),
        ("plan.rules.0.lr=Times(2)", lambda r: r.plan.make().rules[0].hyperparameters["lr"] == pg.Times(2)),
        ("plan.rules=[]", lambda r: r.plan.make().rules == ()),
        ("plan.defaults.betas=[0.8, 0.9]", lambda r: r.plan.make().defaults["betas"] == (0.8, 0.9)),
        ("schedules.head.lr=null", lambda r: r.scheduled()["head"] == {"lr": None}),
        ('schedules.lr=Cosine("100%")', lambda r: r.scheduled()["*"] == {"lr": pg.Cosine("100%")}),
        ("optimizer={name: SGD, nesterov: true}", lambda r: r.optimizer.arguments == {"nesterov": True}),
        ("optimizer.fused=true", lambda r: r.optimizer.arguments == {"fused": True}),
        ("model.width=16", lambda r: r.model.arguments == {"width": 16}),
        ("pretrain.classes=[1]", None),
    ],
)
def test_set_changes_one_field(override, changed):
    """Each value as YAML has it; sections that were not there are made, and checked like the others."""
    if changed is None:
        assert mistakes(TEXT, override) == [("pretrain.epochs", "it is missing."), ("pretrain.lr", "it is missing.")]
    else:
        assert changed(read(TEXT, overrides=[override]))


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("lr", ("", "--set 'lr' is not of the form path=value, as in plan.rules.0.lr=1e-3.")),
        ("=3", ("", "--set '=3' is not of the form path=value, as in plan.rules.0.lr=1e-3.")),
        ("seed=[1", ("seed", "--set 'seed=[1': it is not YAML: expected ',' or ']', but got '<stream end>'.")),
        ("plan.rules.2.lr=1", ("plan.rules.2.lr", "plan.rules has no entry 2; there are 2, numbered 0 to 1.")),
        ("plan.rules.x=1", ("plan.rules.x", "plan.rules has no entry x; there are 2, numbered 0 to 1.")),
        ("horizon.epochs.x=1", ("horizon.epochs.x", "horizon.epochs is 3, and has no x inside.")),
        ("optimizer.fussed=true", ("optimizer.fussed", "AdamW has no such argument. Did you mean 'fused'?")),
        ("sed=3", ("sed", "there is no such field. Did you mean 'seed'?")),
        ("plan.rules.1.depht=3", ("plan.rules.1.depht", "there is no such field. Did you mean 'depth'?")),
        ("horizon.epoch=3", ("horizon.epoch", "there is no such field. Did you mean 'epochs'?")),
        ("plan.default=3", ("plan.default", "there is no such field. Did you mean 'defaults'?")),
        ("compare.lr=[0.5]", None),
    ],
)
def test_a_wrong_set_is_explained(override, problem):
    """With the path as it was written."""
    found = mistakes(TEXT, override)
    assert len(found) == 1
    assert problem is None or found == [problem]


def test_all_mistakes_are_told_at_once():
    """Of structure, values, names and expressions alike, in the order of the file."""
    text = TEXT.replace("lenet", "lennet").replace("1e-3", "-1").replace("weight_decay", "weigth_decay")
    text = text.replace("Cosine", "Cosin").replace("epochs: 3", "epoch: 3")
    assert [path for path, _ in mistakes(text)] == [
        "model",
        "plan.defaults.lr",
        "plan.rules.0.weigth_decay",
        "schedules.lr",
        "horizon.epoch",
    ]


def test_the_text_of_an_error_has_all_of_them():
    """One a line, indented under the file's name; a single one on the first line."""
    with pytest.raises(RecipeError) as caught:
        read(TEXT.replace("AdamW", "AdmW") + "sed: 3\n", "my.yaml")
    lines = str(caught.value).splitlines()
    assert lines[0] == "my.yaml has 2 mistakes."
    assert lines[2] == "  sed: there is no such field. Did you mean 'seed'?"
    with pytest.raises(RecipeError, match=r"^my\.yaml: sed: there is no such field"):
        read(TEXT, "my.yaml", ["sed=3"])


@pytest.mark.parametrize(
    ("text", "path", "problem"),
    [
        ("a: 1\na: 2", "line 2, column 1", "found duplicate key"),
        ("a: [1\nb: 2", "line 2", "it is not YAML"),
        ("", "", "this is empty. `paramgroups schema` prints"),
        ("[1]", "", "this is list"),
        ("a: !!python/object:os.system x", "", "it is not YAML"),
        ("a: \x00", "", "it is not YAML"),
        ("a: *b", "line 1, column 4", "undefined alias"),
    ],
)
def test_text_that_is_no_mapping_is_explained(text, path, problem):
    """With the line, where there is one; nothing in it is run."""
    ((where, message),) = mistakes(text)
    assert where.startswith(path)
    assert problem in message


def test_a_missing_recipe_is_explained(tmp_path):
    """A folder and binary files too."""
    with pytest.raises(
        RecipeError, match=r"digits-finetun: there is no such recipe\.\n.*Did you mean 'digits-finetune'"
    ):
        load("digits-finetun")
    with pytest.raises(RecipeError, match="there is no such recipe"):
        load(str(tmp_path))
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="it cannot be read as text"):
        load(str(tmp_path / "a.yaml"))
    (tmp_path / "a.yaml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(RecipeError, match="it has over 1,000,000 bytes"):
        load(str(tmp_path / "a.yaml"))
    with pytest.raises(RecipeError, match=r"it cannot be read as text \(.*File name too long|there is no such recipe"):
        load("a" * 5000)
