"""Where paths lead in a recipe as it is written."""

import pytest

from paramgroups.recipe.places import in_order, without

DATA = {
    "schedules": {"no_decay.head": {"lr": "a"}, "no_decay": {"lr": "b"}, "lr": "c"},
    "plan": {"rules": [{"select": "a", "lr": -1, "betas": [2]}, {"layer_decay": 2}], "defaults": {"lr": "x"}},
    "model": "lenet",
}


@pytest.mark.parametrize(
    "paths",
    [
        ["schedules.no_decay.head.lr", "schedules.no_decay.lr", "schedules.lr", "plan.rules.0.lr", "model"],
        ["", "plan", "plan.rules.0", "plan.rules.0.betas", "plan.rules.1", "plan.rules.2", "plan.defaults.lr"],
        ["schedules.lr", "schedules.eps", "model", "model.width", "horizon"],
    ],
)
def test_paths_are_put_in_the_order_of_the_file(paths):
    """A section before what is in it, what is missing after what is there; a group's name may have dots."""
    assert in_order(reversed(paths), DATA) == paths


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("model", {key: value for key, value in DATA.items() if key != "model"}),
        ("schedules.no_decay.head.lr", {**DATA, "schedules": {**DATA["schedules"], "no_decay.head": {}}}),  # type: ignore[dict-item]
        ("plan.rules.1", DATA),
        ("model.width", DATA),
        ("", DATA),
    ],
)
def test_what_is_wrong_is_left_out(path, left):
    """As far as it is there; a rule stays, since the others are counted."""
    assert without(DATA, [path]) == left


def test_hyperparameters_are_made_harmless():
    """A rule that gives one still gives it."""
    left = without(DATA, ["plan.rules.0.lr", "plan.rules.0.betas", "plan.defaults.lr"])
    assert left["plan"]["rules"][0] == {"select": "a", "lr": 0.0, "betas": []}
    assert left["plan"]["defaults"] == {"lr": 0.0}
    assert DATA["plan"]["defaults"] == {"lr": "x"}  # type: ignore[index]
