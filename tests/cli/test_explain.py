"""`paramgroups explain`."""

import json

from paramgroups.recipe import outline


def test_a_parameter_is_explained_with_what_drives_it(command):
    """The table is that of the library; the schedules are a note each."""
    answer = command("explain", "digits-layer-decay", "head.scores.weight", "--set", "schedules.layer03.lr=Linear(9)")
    assert answer.code == 0
    assert str(outline("digits-layer-decay").grouping.explain("head.scores.weight")) in answer.out
    assert answer.out.endswith("lr is driven by Linear(9)\nmomentum is driven by Constant(Absolute(0.8))\n")


def test_a_frozen_parameter_has_a_reason_and_no_schedules(command):
    """It is in no group."""
    answer = command("explain", "digits-finetune", "stem.conv.weight")
    assert "frozen by rule 'stem'" in answer.out
    assert "is driven by" not in answer.out
    data = json.loads(command("explain", "digits-finetune", "stem.conv.weight", "--json").out)
    assert (data["group"], data["frozen"]) == (None, "frozen by rule 'stem'")
    assert data["hyperparameters"] == data["schedules"] == {}


def test_what_is_thawed_in_mid_run_is_in_a_group_and_says_until_when(command):
    """To people and to programs."""
    words = ("explain", "digits-thaw", "stem.norm.weight")
    reason = "frozen by rule 'stem' until 6 epochs"
    assert command(*words).out.splitlines()[0] == f"stem.norm.weight: 16 elements in group no_decay.stem, {reason}"
    data = json.loads(command(*words, "--json").out)
    assert (data["group"], data["frozen"]) == ("no_decay.stem", reason)


def test_programs_get_the_whole_history(command):
    """What was overridden, too."""
    data = json.loads(command("explain", "digits-finetune", "backbone.0.norm.bias", "--json").out)
    assert data["group"] == "no_decay.backbone"
    assert data["hyperparameters"]["weight_decay"] == {
        "value": 0.0,
        "history": [
            {"given": "0.05", "by": "plan default", "overridden": True},
            {"given": "0", "by": "Rule(NORMS | BIASES, name='no_decay', weight_decay=0.0)", "overridden": False},
        ],
    }
    assert data["schedules"]["lr"] == "Warmup('5%').then(Cosine('rest', end=0.01))"
