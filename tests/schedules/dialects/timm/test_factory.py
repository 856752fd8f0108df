"""timm's `create_scheduler_v2`, held against timm."""

from typing import Any

import pytest

import goldens
from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules.dialects import timm

CASES = goldens.cases("timm", "create_scheduler_v2")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_are_timm_s(case):
    """At every t of the run, and beyond."""
    assert case.difference() <= goldens.RELATIVE


def test_every_name_is_among_them():
    """In epochs and in updates."""
    names = {case.arguments.get("sched", "cosine") for case in CASES}
    assert names == {"cosine", "tanh", "poly", "step", "constant", "multistep", "wsd", "rsqrt"}
    assert sum("updates_per_epoch" in case.arguments for case in CASES) >= 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sched": "cosin"}, "sched = 'cosin' in create_scheduler_v2"),
        ({"sched": "plateau"}, "sched = 'plateau' in create_scheduler_v2"),
        ({"step_on_epochs": False}, "updates_per_epoch = 0 in create_scheduler_v2"),
        ({"sched": "wsd", "num_epochs": 5, "decay_epochs": 6}, "decay_epochs = 6 in create_scheduler_v2"),
        ({"sched": "step", "decay_epochs": 0}, "decay_epochs = 0 in create_scheduler_v2"),
        ({"num_epochs": 1.5}, "num_epochs = 1.5 in create_scheduler_v2"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(arguments: dict[str, Any], message: str):
    """By the argument's own name."""
    with pytest.raises(ScheduleArgumentError) as caught:
        timm.create_scheduler_v2(**arguments)
    assert str(caught.value).startswith(message)
