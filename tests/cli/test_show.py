"""`paramgroups show`."""

import json

from paramgroups.recipe import outline


def test_groups_and_schedules_are_shown(command):
    """The group table is that of the library."""
    answer = command("show", "digits-finetune")
    assert answer.code == 0
    assert answer.out.startswith(
        "digits-finetune: lenet on digits by AdamW, 15 epochs in batches of 64, seed 0\n\n"
        + str(outline("digits-finetune").grouping)
    )
    assert answer.out.endswith(
        "in           hyperparameter  schedule\n"
        "every group  lr              Warmup('5%').then(Cosine('rest', end=0.01))\n"
        "every group  weight_decay    Cosine('100%', end=10.0)\n"
    )


def test_schedules_of_some_groups_name_them(command):
    """And a horizon in steps is told in steps."""
    answer = command("show", "digits-layer-decay", "--set", "horizon={steps: 7}")
    assert ", 7 steps in batches of 32" in answer.out
    assert "*layer03     momentum        Constant(Absolute(0.8))" in answer.out


def test_programs_get_the_recipe_and_every_parameter_s_place(command):
    """Overrides included."""
    data = json.loads(command("show", "digits-finetune", "--set", "seed=7", "--json").out)
    assert data["recipe"]["seed"] == 7
    assert [group["name"] for group in data["groups"]] == ["backbone", "no_decay.backbone", "head", "no_decay.head"]
    assert data["groups"][1]["hyperparameters"] == {"lr": 0.001, "weight_decay": 0.0}
    assert data["groups"][1]["rules"] == ["no_decay", "backbone"]
    placed = [name for group in data["groups"] for name in group["parameters"]]
    assert len(placed + data["frozen"]) == 15
    assert data["frozen"][0] == {"parameter": "stem.conv.weight", "reason": "frozen by rule 'stem'"}


def test_programs_get_what_is_thawed_when(command):
    """By rule, and with the parameters."""
    data = json.loads(command("show", "digits-thaw", "--json").out)
    assert data["frozen"] == []
    assert data["thawed"][0] == {
        "rule": "stem",
        "until": "6 epochs",
        "parameters": ["stem.conv.weight", "stem.norm.weight", "stem.norm.bias"],
    }


def test_a_program_gets_its_mistakes_as_json(command):
    """Each with its path, on stdout, and nothing else anywhere."""
    answer = command("show", "digits-finetune", "--json", "--set", "sed=3", "--set", "plan.rules.2.lr=-1")
    assert (answer.code, answer.err) == (2, "")
    told = json.loads(answer.out)
    assert told["error"].startswith("digits-finetune has 2 mistakes.\n")
    assert told["problems"] == [
        {"path": "plan.rules.2.lr", "message": "-1 cannot be used. It must be a finite number of at least 0."},
        {"path": "sed", "message": "there is no such field. Did you mean 'seed'?"},
    ]
