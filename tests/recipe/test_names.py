"""Hyperparameters that a recipe names."""

import pytest
import torch

from paramgroups.recipe.names import misnamed


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"plan": {"defaults": {"lr": 1, "weigth_decay": 1}}}, [("plan.defaults.weigth_decay", "'weight_decay'")]),
        ({"plan": {"rules": [{"select": "a", "lrr": 1}]}}, [("plan.rules.0.lrr", "'lr'")]),
        ({"plan": {"rules": [{}, {"forzen": True}]}}, [("plan.rules.1.forzen", "'frozen'")]),
        ({"plan": {"rules": [{"layer_decay": 1, "hyperparameter": "lrs"}]}}, [("plan.rules.0.hyperparameter", "'lr'")]),
        ({"schedules": {"lr": "a", "bates[0]": "a"}}, [("schedules.bates[0]", "'betas'")]),
        ({"schedules": {"head": {"lr": "a", "ep": "a"}}}, [("schedules.head.ep", "'eps'")]),
    ],
)
def test_a_slip_is_told_with_its_path_and_the_nearest_name(data, expected):
    """Wherever names stand; what may also stand there is offered too."""
    found = misnamed(data, torch.optim.AdamW)
    assert [path for path, _ in found] == [path for path, _ in expected]
    for (_, message), (_, meant) in zip(found, expected, strict=True):
        assert f"Did you mean {meant}" in message


def test_what_is_near_nothing_gets_the_whole_list():
    """As the optimizer has it."""
    ((_, message),) = misnamed({"schedules": {"momentum": "a"}}, torch.optim.AdamW)
    assert message.startswith("it is no hyperparameter of AdamW. The known ones: amsgrad, betas, ")


def test_without_an_optimizer_only_near_misses_are_told():
    """An optimizer of the user's own may have any."""
    assert misnamed({"schedules": {"sharpness": "a"}}, None) == []
    assert len(misnamed({"schedules": {"weigth_decay": "a"}}, None)) == 1


def test_a_path_that_is_none_is_told():
    """Rather than raised."""
    ((path, message),) = misnamed({"schedules": {"betas[x]": "a"}}, torch.optim.AdamW)
    assert path == "schedules.betas[x]"
    assert "betas[0]" in message


@pytest.mark.parametrize("data", [{"plan": 3}, {"plan": {"rules": 3}}, {"plan": {"rules": [3]}}, {"schedules": []}, {}])
def test_what_is_no_mapping_is_left_to_the_validation(data):
    """It says so itself."""
    assert misnamed(data, torch.optim.AdamW) == []
