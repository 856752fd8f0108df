"""Whose past is whose."""

import pytest
import torch

import paramgroups as pg
from paramgroups.errors import StateMismatchError
from paramgroups.inheritance import Past, check_sizes, from_state, inherit
from paramgroups.journal import Release

HEAD = Past("head", {"lr": 1.0}, (Release(step=1, group="head", hyperparameter="lr"),))
TWIN = Past("twin", {"lr": 1.0}, (Release(step=1, group="twin", hyperparameter="lr"),))
BODY = Past("body", {"lr": 0.1}, ())


def test_a_group_that_was_split_gives_both_parts_its_past():
    """And a group of new parameters has none."""
    homes = {"a": 0, "b": 0, "c": 1}
    assert inherit([HEAD, BODY], [["a"], ["b"], ["c"], ["new"]], homes) == [HEAD, HEAD, BODY, None]


def test_groups_of_equal_past_may_be_merged():
    """Names are labels: what counts is base and entries."""
    assert inherit([HEAD, TWIN], [["a", "b", "new"]], {"a": 0, "b": 1}) == [HEAD]


def test_groups_of_different_past_may_not():
    """The message names both."""
    with pytest.raises(StateMismatchError, match="parameters of 'head', 'body', whose bases or edits differ"):
        inherit([HEAD, BODY], [["a", "b"]], {"a": 0, "b": 1})


def optimizer(sizes=(1, 2)):
    """Groups of so many parameters each, without names."""
    return torch.optim.SGD([{"params": [torch.zeros(1) for _ in range(size)]} for size in sizes], lr=0.1)


def state(**changes):
    """A saved state with some fields changed; `...` leaves one out."""
    made = pg.Scheduler(optimizer(), lr=pg.Linear(10)).state_dict()
    return {key: value for key, value in (made | changes).items() if value is not ...}


def test_unnamed_groups_are_found_by_position():
    """In order, where each has as many parameters."""
    step, pasts = from_state(state(step=4), optimizer())
    assert step == 4
    assert [past.group for past in pasts if past is not None] == ["group0", "group1"]


def test_unnamed_groups_of_other_sizes_are_refused():
    """With the sizes, and the way to make names count."""
    with pytest.raises(StateMismatchError, match=r"had \[1, 2\] parameters, and now have \[2, 1\]") as caught:
        from_state(state(), optimizer((2, 1)))
    assert "pg.name_groups(optimizer, model)" in str(caught.value)
    with pytest.raises(StateMismatchError):
        check_sizes([1], optimizer())


@pytest.mark.parametrize(
    "changes",
    [
        {"version": ...},
        {"step": ...},
        {"step": -1},
        {"step": True},
        {"step": "3"},
        {"groups": [{"name": "x"}]},
        {"groups": None},
        {"journal": None},
    ],
    ids=str,
)
def test_what_is_no_state_is_refused(changes):
    """The message names the field."""
    with pytest.raises(StateMismatchError, match=f"no state of a paramgroups Scheduler: {next(iter(changes))}"):
        from_state(state(**changes), optimizer())


def test_a_state_of_a_newer_version_is_refused():
    """It is not guessed at."""
    with pytest.raises(StateMismatchError, match="version 99, and this version of paramgroups reads 1"):
        from_state(state(version=99), optimizer())
